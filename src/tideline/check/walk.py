"""Walking several sorted listings side by side, with one chunk of each in memory."""

from collections.abc import AsyncIterator, Callable
from typing import Generic, TypeVar

T = TypeVar("T")
Progress = Callable[[int], None]
"""Told how many records were read since it was last told."""


class Walk(Generic[T]):
    """A listing that can be looked at before it is taken from; ``key`` is what it is sorted by."""

    def __init__(self, chunks: AsyncIterator[list[T]], key: Callable[[T], str], progress: Progress) -> None:
        self._chunks = chunks
        self._key = key
        self._progress = progress
        self._rows: list[T] = []
        self._at = 0

    async def peek(self) -> str | None:
        """Return the key of the next row; None at the end."""
        while self._at == len(self._rows):
            rows = await anext(self._chunks, None)
            if rows is None:
                return None
            self._progress(len(rows))
            self._rows, self._at = rows, 0
        return self._key(self._rows[self._at])

    async def take(self, key: str) -> AsyncIterator[T]:
        """Yield the rows of one key, which is the next."""
        while await self.peek() == key:
            row = self._rows[self._at]
            self._at += 1
            yield row


async def lowest(*walks: Walk[T]) -> str | None:
    """Return the lowest key that any of the listings goes on with; None when all have ended."""
    keys = [key for walk in walks if (key := await walk.peek()) is not None]
    return min(keys, default=None)
