"""Async iterators with a bounded memory."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Stream(Generic[T]):
    """What one consumer has yet to take; it begins when the stream is made.

    ``lossy`` decides what happens at the bound: the oldest item is dropped, or, when false, the stream says that it
    is ``full`` and whoever feeds it has to stop. One that is no longer iterated over should be closed.
    """

    def __init__(self, bound: int, *, lossy: bool, on_taken: Callable[[], None] | None = None) -> None:
        self._items: deque[T] = deque(maxlen=bound if lossy else None)
        self._bound = bound
        self._on_taken = on_taken
        self._waiting: asyncio.Future[None] | None = None
        self._closed = False
        self._error: BaseException | None = None

    @property
    def full(self) -> bool:
        """Whether the bound is reached."""
        return len(self._items) >= self._bound and not self._closed

    @property
    def drained(self) -> bool:
        """Whether it is time to feed it again."""
        return len(self._items) <= self._bound // 2 or self._closed

    def feed(self, items: list[T]) -> None:
        """Append items."""
        if not self._closed:
            self._items.extend(items)
            self._wake()

    def end(self, error: BaseException | None = None) -> None:
        """End the iteration after what is there already, by an error or not."""
        self._closed = True
        self._error = error
        self._wake()

    async def aclose(self) -> None:
        """Give up: nothing more is wanted."""
        self._items.clear()
        self.end()
        if self._on_taken is not None:
            self._on_taken()

    async def __aenter__(self) -> "Stream[T]":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __aiter__(self) -> "Stream[T]":
        return self

    async def __anext__(self) -> T:
        while not self._items:
            if self._closed:
                if self._error is not None:
                    raise self._error
                raise StopAsyncIteration
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        item = self._items.popleft()
        if self._on_taken is not None:
            self._on_taken()
        return item

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
