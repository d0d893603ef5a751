"""An event loop without a clock: when nothing is ready, it is as late as the next timer wants it to be.

So a minute takes as long as what happens in it, and the same calls in the same order happen every time.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")

EPOCH = 1_790_000_000.0
"""The wall clock at the beginning, in seconds since 1970."""


class VirtualLoop(asyncio.BaseEventLoop):
    """A loop whose time is made of its timers. It has no sockets, and ends with an error when nothing is left to do."""

    def __init__(self) -> None:
        super().__init__()
        self.virtual = 0.0
        self._selector = self

    def time(self) -> float:
        """Return the seconds since the beginning."""
        return self.virtual

    def select(self, timeout: float | None) -> list[Any]:
        """Wait, which is to be later."""
        if timeout is None:
            raise RuntimeError("nothing will ever happen again")
        self.virtual += timeout
        return []

    def _process_events(self, event_list: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass


@contextmanager
def determined(loop: VirtualLoop, random: Random) -> Iterator[None]:
    """Let ``time.time()`` be the loop's, and what nodes choose by chance follow from the seed."""
    real = time.time, secrets.randbelow
    time.time = lambda: EPOCH + loop.virtual
    secrets.randbelow = random.randrange  # type: ignore[assignment]
    try:
        yield
    finally:
        time.time, secrets.randbelow = real


def run(main: Callable[[VirtualLoop], Coroutine[Any, Any, T]], random: Random) -> T:
    """Run a coroutine to its end in virtual time."""
    loop = VirtualLoop()
    try:
        with determined(loop, random):
            return loop.run_until_complete(main(loop))
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
