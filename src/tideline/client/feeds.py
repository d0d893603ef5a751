"""The iterators that an application has over a client, and when they are full."""

import asyncio
import weakref
from collections.abc import Callable
from typing import Any, Final, Literal, TypeVar

from tideline.protocol.responses import Signalled

from .apply import Happened
from .stream import Stream

T = TypeVar("T")

Status = Literal["offline", "connecting", "syncing", "live", "stopped"]
"""``offline``: waiting for the next attempt; ``syncing``: catching up; ``live``: nothing is known to be missing;
``stopped``: it will not connect again by itself."""

LOSSY: Final = 100
"""Signals, and changes of status, kept for a consumer; over it the oldest is dropped."""


class Feeds:
    """Streams of events, signals and statuses; ``on_flow`` is called when it may be time to pause or to go on."""

    def __init__(self, buffer: int, on_flow: Callable[[], None]) -> None:
        self._buffer = buffer
        self._on_flow = on_flow
        self._events: weakref.WeakSet[Stream[Happened]] = weakref.WeakSet()
        self._signals: weakref.WeakSet[Stream[Signalled]] = weakref.WeakSet()
        self._statuses: weakref.WeakSet[Stream[Status]] = weakref.WeakSet()
        self._over = False
        self._error: BaseException | None = None

    def events(self) -> Stream[Happened]:
        """Make a stream of what happens, which holds things up when it is full."""
        stream = Stream[Happened](self._buffer, lossy=False, on_taken=self._on_flow)
        self._events.add(stream)
        # One that was left without being closed must not hold up the others for ever.
        loop, flow = asyncio.get_running_loop(), weakref.WeakMethod(self._on_flow)
        weakref.finalize(stream, _soon, loop, flow).atexit = False
        return self._begun(stream)

    def signals(self) -> Stream[Signalled]:
        """Make a stream of signals."""
        stream = Stream[Signalled](LOSSY, lossy=True)
        self._signals.add(stream)
        return self._begun(stream)

    def statuses(self) -> Stream[Status]:
        """Make a stream of statuses."""
        stream = Stream[Status](LOSSY, lossy=True)
        self._statuses.add(stream)
        return self._begun(stream)

    def _begun(self, stream: Stream[T]) -> Stream[T]:
        """Return a new stream, which ends at once when nothing will come any more."""
        if self._over:
            stream.end(self._error)
        return stream

    @property
    def full(self) -> bool:
        """Whether a consumer of events is behind by the whole buffer."""
        return any(stream.full for stream in self._events)

    @property
    def drained(self) -> bool:
        """Whether all consumers of events have caught up with half of it."""
        return all(stream.drained for stream in self._events)

    def happened(self, happened: list[Happened]) -> None:
        """Tell of events, and see whether that was enough."""
        for stream in self._events:
            stream.feed(happened)
        self._on_flow()

    def signalled(self, signal: Signalled) -> None:
        """Tell of a signal."""
        for stream in self._signals:
            stream.feed([signal])

    def status(self, status: Status) -> None:
        """Tell of a new status."""
        for stream in self._statuses:
            stream.feed([status])

    def begin(self) -> None:
        """Note that something may come again; streams that have ended stay so."""
        self._over, self._error = False, None

    def end(self, error: BaseException | None) -> None:
        """End all of them, and those that are made later, until there is a new beginning."""
        self._over, self._error = True, error
        streams: list[Stream[Any]] = [*self._events, *self._signals, *self._statuses]
        for stream in streams:
            stream.end(error)


def _soon(loop: asyncio.AbstractEventLoop, method: "weakref.WeakMethod[Any]") -> None:
    """Call a method in the loop's next turn, if there still are both: an object may end anywhere."""
    bound = method()
    if bound is not None and not loop.is_closed():
        loop.call_soon_threadsafe(bound)
