"""The RocksDB database: opening, what its errors mean, and reopening after the disk was full.

RocksDB refuses every write after one has failed in the middle, until the database is opened again. So a failed
write marks the database broken, and the next use opens it anew: recovery then says what is committed, and whatever
was cached is read again. A failed fsync is different: what was written may be lost although it is still readable,
so nothing but a new process may go on.
"""

import fcntl
import secrets
import time
from pathlib import Path
from typing import cast

from rocksdict import AccessType, Rdict, WriteBatch, WriteOptions

from tideline.timeline.contract import StoreError, StoreFailed, StoreLocked, StoreUnavailable

from .keys import FAMILIES
from .options import EmbeddedOptions, database_options, durable

FORMAT = b"1"
_REOPEN_AFTER = 0.5
"""Seconds between two attempts to open: each costs some tens of milliseconds, and everyone waits for it."""


class Database:
    """An open RocksDB database with its column families; all methods may raise :class:`StoreError`."""

    def __init__(self, path: Path, options: EmbeddedOptions, *, read_only: bool = False) -> None:
        self.path = path
        self.options = options
        self.read_only = read_only
        self.generation = 0
        """Grows with each opening: what was cached before is void."""
        self.broken: str | None = None
        self._closed_until = 0.0
        self._durable = durable()
        self._open()

    def _open(self) -> None:
        database, families = database_options(self.options)
        access = AccessType.read_write()
        if self.read_only:
            access = AccessType.read_only()
            # All files are opened now: another process that has the database open may remove them later.
            database.set_max_open_files(-1)
            # Whoever only reads wants to know how much there is.
            database.set_skip_stats_update_on_db_open(False)
            if not (self.path / "CURRENT").exists():
                raise StoreError(f"no data in {self.path}")
        else:
            self.path.mkdir(parents=True, exist_ok=True)
        try:
            self.rdict = Rdict(str(self.path), database, column_families=families, access_type=access)
        except Exception as error:
            raise _named(error, self.path) from error
        # Handles are looked up once: they are used for every record.
        self.handles = {name: self.rdict.get_column_family_handle(name) for name in FAMILIES}
        self.families = {name: self.rdict.get_column_family(name) for name in FAMILIES}
        self.generation += 1
        self.broken = None
        try:
            found = self.rdict.get(b"format")
            if found is None and not self.read_only:
                self.rdict.put(b"format", FORMAT, write_opt=self._durable)
        except Exception as error:
            self.broken = str(error)
            self._close()
            raise _named(error, self.path) from error
        if found not in (None, FORMAT):
            self._close()
            raise StoreError(f"{self.path} has format {found!r}; this version reads {FORMAT!r}")

    def family(self, name: str) -> Rdict:
        """Return a column family, to read from."""
        return self.families[name]

    def ensure(self) -> None:
        """Make the database usable, opening it anew if a write has failed.

        Raises:
            StoreUnavailable: if it can't be opened; it is not tried again for a while, whoever asks.
        """
        if self.broken is None:
            return
        if time.monotonic() < self._closed_until:
            raise StoreUnavailable(f"{self.path}: {self.broken}")
        self._close()
        try:
            self._open()
        except StoreError as error:
            self.broken = str(error).removeprefix(f"{self.path}: ")
            self._closed_until = time.monotonic() + _REOPEN_AFTER
            if isinstance(error, StoreFailed):
                raise
            raise StoreUnavailable(str(error)) from error

    def write(self, batch: WriteBatch, *, sync: bool = True) -> None:
        """Write a batch; when this returns with ``sync``, it is on the disk.

        Raises:
            StoreUnavailable: if it was not written; the database is opened anew before the next use.
            StoreFailed: if it may be lost later although it was written.
        """
        try:
            self.rdict.write(batch, self._durable if sync else WriteOptions())
        except Exception as error:
            self.broken = str(error)
            raise _named(error, self.path) from error

    def epoch(self, app: str) -> str:
        """Return an app's epoch, made at random the first time."""
        key = f"{app}/epoch".encode()
        found = self.rdict.get(key)
        if found is None:
            if self.read_only:
                raise StoreError(f"no app {app} in {self.path}")
            found = secrets.token_urlsafe(9).encode()
            batch = WriteBatch(raw_mode=True)
            batch.put(key, found)
            self.write(batch)
        return bytes(found).decode()

    def apps(self) -> list[str]:
        """Return all apps that have data."""
        keys = (cast(bytes, key) for key, _ in self.rdict.items())
        return [key.removesuffix(b"/epoch").decode() for key in keys if key.endswith(b"/epoch")]

    def _close(self) -> None:
        self.families.clear()
        self.handles.clear()
        try:
            self.rdict.close()
        except Exception as error:
            # One that could not write can't flush either, and is closed all the same; what counts is in the log.
            if self.broken is None:
                raise _named(error, self.path) from error

    def close(self) -> None:
        """Close the database; everything committed stays."""
        self._close()

    def in_use(self) -> bool:
        """Tell whether another process has the database open for writing; for one that is open to read."""
        # A process that looks at a lock of its own so loses it.
        assert self.read_only
        try:
            with (self.path / "LOCK").open("rb") as lock:
                # RocksDB's lock is of the same kind; this one ends with the block.
                fcntl.lockf(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return True
        except FileNotFoundError:
            pass
        return False


def _named(error: Exception, path: Path) -> StoreError:
    """Turn RocksDB's words into what they mean for the caller."""
    text = str(error)
    lowered = text.lower()
    if "lock" in lowered and ("resource temporarily unavailable" in lowered or "lock hold" in lowered):
        return StoreLocked(f"{path} is in use by another process")
    if "fsync" in lowered or "fdatasync" in lowered or "while sync" in lowered:
        return StoreFailed(f"{path}: {text}")
    return StoreUnavailable(f"{path}: {text}")
