"""The floor's records: what any store of this design has to write and read, and nothing else.

A message is one content record (`m` + conversation + NUL + message_seq) and, per member, one reference
(`s` + user + NUL + seq) that holds the content's key. A commit is one batch and one fsync.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import cast

from rocksdict import Options, Rdict, WriteBatch, WriteOptions


class FloorStore:
    """RocksDB with the two kinds of records."""

    def __init__(self, folder: Path) -> None:
        self._db = Rdict(str(folder), Options(raw_mode=True))
        self._synced = WriteOptions()
        self._synced.sync = True

    def commit(self, batch: WriteBatch) -> None:
        """Write the batch, durable on return."""
        self._db.write(batch, self._synced)

    def page(self, timeline: bytes, numbers: Iterable[int]) -> list[bytes]:
        """Return the contents that the references with these numbers point to (two multi-gets)."""
        references = self._many([timeline + seq.to_bytes(8, "big") for seq in numbers])
        return self._many(references)

    def _many(self, keys: list[bytes]) -> list[bytes]:
        return cast(list[bytes], self._db[cast(list[str | int | float | bytes | bool], keys)])

    def close(self) -> None:
        self._db.close()


def timeline_key(user: str) -> bytes:
    """The prefix of a user's references."""
    return b"s" + user.encode() + b"\0"


def conversation_key(conversation: str) -> bytes:
    """The prefix of a conversation's contents."""
    return b"m" + conversation.encode() + b"\0"
