"""The engine: all that the gateway knows of storing and numbering, through one narrow interface.

Batch-shaped and without callbacks into the middle: commands go in, commits come out, and reads are questions with
answers. So that gateways can run in processes of their own in front of one engine.
"""

import time
from collections.abc import Callable, Collection
from typing import Literal, Protocol

import msgspec

from tideline.observe import Observer
from tideline.protocol import splice
from tideline.protocol.errors import RequestError
from tideline.protocol.limits import Limits
from tideline.protocol.requests import Devices, History, Members, Request, Snapshot
from tideline.timeline.contract import Span, Store, StoreFailed
from tideline.timeline.records import Device

from .commands import Command, Commit
from .devices import DeviceBook
from .pages import Slice, read_slice
from .peers import AnyNote
from .queries import Queries
from .sequencer import Sequencer

_encode = msgspec.json.Encoder().encode

PositionReason = Literal["epoch_changed", "cursor_ahead", "cursor_too_old"]


class Engine(Protocol):
    """One app's sequencer and store, as a gateway sees them."""

    app: str
    epoch: str
    limits: Limits

    def submit(self, command: Command) -> None:
        """Take a command; the outcome comes with a commit."""
        ...

    def listen(self, listener: Callable[[Commit], None], hear: Callable[[str, AnyNote], None] | None = None) -> None:
        """Announce every commit, in order, once it is durable; pass on what other nodes say of a user."""
        ...

    async def watch(self, user: str) -> None:
        """Announce other nodes' commits to this user's timeline too, from the head that it has now.

        Connections ask for it before their first read, and as often as they like.
        """
        ...

    def unwatch(self, user: str) -> None:
        """Stop that."""
        ...

    def tell(self, user: str, note: AnyNote) -> None:
        """Tell the other nodes something about a user; it may be lost."""
        ...

    async def span(self, user: str) -> Span:
        """Return what a user's sync timeline holds now."""
        ...

    async def head(self, user: str) -> int:
        """Return a head for a heartbeat: everything up to it was announced, and it is seconds old at most."""
        ...

    async def slice(self, user: str, after: int, limit: int) -> tuple[Slice, int]:
        """Return entries after a position, and the head when they were read."""
        ...

    async def answer(self, user: str, request: Request, id: int | None, online: Collection[str]) -> bytes:
        """Answer a request that reads; ``online`` are the devices that are connected."""
        ...

    async def snapshot(self, user: str, request: Snapshot, id: int | None) -> tuple[bytes, int]:
        """Answer a snapshot request; also return the snapshot's cursor."""
        ...

    async def receivers(self, user: str, conversation: str) -> list[str]:
        """Return whom a signal of this user is for."""
        ...

    async def admit(self, user: str, device: str, issued: float) -> Device:
        """Return a device's record, made on first sight."""
        ...

    def seen(self, user: str, name: str, device: Device, cursor: int | None = None) -> None:
        """Note that a device showed itself."""
        ...

    async def forget(self, user: str, device: str) -> None:
        """Drop a device."""
        ...


def judge(span: Span, epoch: str, after: int, theirs: str | None) -> PositionReason | None:
    """Say why a position is of no use, the first reason that is true; None when it is usable (section 4)."""
    if theirs is not None and theirs != epoch:
        return "epoch_changed"
    if after > span.head:
        return "cursor_ahead"
    if after + 1 < span.first:
        return "cursor_too_old"
    return None


class LocalEngine:
    """The engine in this process (implements ``Engine``)."""

    def __init__(
        self,
        store: Store,
        limits: Limits,
        observer: Observer,
        *,
        batch_records: int,
        failed: Callable[[StoreFailed], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.app = store.app
        self.epoch = store.epoch
        self.limits = limits
        self._store = store
        self._observer = observer
        self._listeners: list[Callable[[Commit], None]] = []
        self._hearers: list[Callable[[str, AnyNote], None]] = []
        self._sequencer = Sequencer(
            store,
            limits,
            observer,
            batch_records=batch_records,
            listener=self._announce,
            failed=failed,
            clock=clock,
        )
        self._queries = Queries(store, limits)
        self.devices = DeviceBook(store, limits.devices)
        self.submit = self._sequencer.submit

    def listen(self, listener: Callable[[Commit], None], hear: Callable[[str, AnyNote], None] | None = None) -> None:
        """Announce every commit to a listener, and pass on what other nodes say."""
        self._listeners.append(listener)
        if hear is not None:
            self._hearers.append(hear)

    def _announce(self, commit: Commit) -> None:
        for listener in self._listeners:
            try:
                listener(commit)
            except Exception as error:
                # It is committed all the same: the others hear of it, and the sequencer goes on.
                self._observer.defect("listener", error)

    def heard(self, user: str, note: AnyNote) -> None:
        """Pass on what another node says of a user."""
        for hear in self._hearers:
            hear(user, note)

    async def watch(self, user: str) -> None:
        """There are no other nodes."""

    def unwatch(self, user: str) -> None:
        """There are no other nodes."""

    def tell(self, user: str, note: AnyNote) -> None:
        """There are no other nodes."""

    async def span(self, user: str) -> Span:
        """Return what a user's sync timeline holds."""
        return await self._store.span(user)

    async def head(self, user: str) -> int:
        """Return a user's head."""
        return (await self._store.span(user)).head

    async def slice(self, user: str, after: int, limit: int) -> tuple[Slice, int]:
        """Return entries after a position, and the head."""
        limit = min(limit, self.limits.page)
        found = await read_slice(self._store, user, after, limit, self.limits.page_bytes)
        return found, (await self._store.span(user)).head

    async def answer(self, user: str, request: Request, id: int | None, online: Collection[str]) -> bytes:
        """Answer a request that reads."""
        if isinstance(request, History):
            return await self._queries.history(user, request, id)
        if isinstance(request, Members):
            return await self._queries.members(user, request, id)
        if isinstance(request, Snapshot):
            return (await self._queries.snapshot(user, request, id))[0]
        if isinstance(request, Devices):
            listing = await self.devices.listing(user, (await self.span(user)).head, online)
            return b'%b"devices":%b}' % (splice.answer(b"devices", id), _encode(listing))
        raise RequestError("internal", f"{type(request).__name__} is no question")

    async def snapshot(self, user: str, request: Snapshot, id: int | None) -> tuple[bytes, int]:
        """Answer a snapshot request."""
        return await self._queries.snapshot(user, request, id)

    async def receivers(self, user: str, conversation: str) -> list[str]:
        """Return whom a signal is for."""
        return await self._queries.receivers(user, conversation)

    async def admit(self, user: str, device: str, issued: float) -> Device:
        """Return a device's record."""
        return await self.devices.admit(user, device, issued)

    def seen(self, user: str, name: str, device: Device, cursor: int | None = None) -> None:
        """Note that a device showed itself."""
        self.devices.seen(user, name, device, cursor)

    async def forget(self, user: str, device: str) -> None:
        """Drop a device."""
        await self.devices.forget(user, device)

    async def close(self) -> None:
        """Let go of what it holds besides the store."""

    async def drain(self) -> None:
        """Finish what was submitted, and write what is known of devices."""
        await self._sequencer.drain()
        await self.devices.flush()
