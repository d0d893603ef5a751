"""The one store engine of all models: RocksDB, with every record counted that goes in or out.

Everything that one turn of the server's event loop brings is one batch and one commit (group commit), the same for
all models. A commit that stores a message is on the disk when it returns (``sync``); one that only deletes is not
waited for: what comes back after a crash is delivered again.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from msgspec import Struct
from rocksdict import Options, Rdict, WriteBatch, WriteOptions


class Counts(Struct):
    """Records by table: a table is the first byte of its keys."""

    puts: dict[str, int]
    put_bytes: dict[str, int]
    deletes: dict[str, int]
    reads: dict[str, int]
    commits: int


class Stored(Struct):
    """What the store holds at one moment."""

    records: dict[str, int]
    bytes: dict[str, int]
    """Keys and values, by table."""
    disk: int
    """Bytes of RocksDB's table files, after a flush and a compaction."""


class Store:
    """A folder of records, sorted by key."""

    def __init__(self, path: Path, *, sync: bool) -> None:
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_max_background_jobs(2)
        self._path = path
        self._rdict = Rdict(str(path), options)
        self._batch = WriteBatch(raw_mode=True)
        self._durable = WriteOptions()
        self._durable.sync = sync
        self._puts: Counter[str] = Counter()
        self._put_bytes: Counter[str] = Counter()
        self._deletes: Counter[str] = Counter()
        self._reads: Counter[str] = Counter()
        self._commits = 0
        self._fresh = False

    def put(self, key: bytes, value: bytes) -> None:
        """Write a record with the next commit."""
        table = chr(key[0])
        self._puts[table] += 1
        self._put_bytes[table] += len(key) + len(value)
        self._batch.put(key, value)
        self._fresh = True

    def delete(self, key: bytes) -> None:
        """Delete a record with the next commit."""
        self._deletes[chr(key[0])] += 1
        self._batch.delete(key)

    def commit(self) -> None:
        """Commit what was put and deleted, as one batch."""
        if self._batch.is_empty():
            return
        self._rdict.write(self._batch, self._durable if self._fresh else WriteOptions())
        self._batch = WriteBatch(raw_mode=True)
        self._fresh = False
        self._commits += 1

    def get(self, key: bytes) -> bytes | None:
        """Read one committed record."""
        self._reads[chr(key[0])] += 1
        return self._rdict.get(key)

    def scan(self, prefix: bytes, start: bytes, limit: int) -> Iterator[tuple[bytes, bytes]]:
        """Read committed records with this prefix, from ``start`` on, as rest of the key and value."""
        for key, value in self._items(start):
            if limit <= 0 or not key.startswith(prefix):
                return
            limit -= 1
            self._reads[chr(key[0])] += 1
            yield key[len(prefix) :], value

    def last(self, prefix: bytes) -> bytes | None:
        """Return the rest of the highest key with this prefix, None without one."""
        key = next(self._rdict.keys(backwards=True, from_key=prefix + b"\xff" * 9), None)
        return key[len(prefix) :] if isinstance(key, bytes) and key.startswith(prefix) else None

    def counts(self) -> Counts:
        """Return what was counted so far."""
        return Counts(dict(self._puts), dict(self._put_bytes), dict(self._deletes), dict(self._reads), self._commits)

    def stored(self) -> Stored:
        """Look at everything that is held."""
        records: Counter[str] = Counter()
        sizes: Counter[str] = Counter()
        for key, value in self._items():
            records[chr(key[0])] += 1
            sizes[chr(key[0])] += len(key) + len(value)
        self._rdict.flush()
        self._rdict.compact_range(None, None)
        disk = sum(file.stat().st_size for file in self._path.glob("*.sst"))
        return Stored(dict(records), dict(sizes), disk)

    def _items(self, start: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        # In raw mode everything is bytes, which the types don't say.
        return cast(Iterator[tuple[bytes, bytes]], self._rdict.items(from_key=start))

    def close(self) -> None:
        """Close the store; everything committed stays."""
        self._rdict.close()


def number(value: int) -> bytes:
    """Encode a number so that it sorts."""
    return value.to_bytes(8, "big")


def read_number(text: bytes) -> int:
    """Decode a number."""
    return int.from_bytes(text, "big")
