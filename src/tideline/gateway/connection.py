"""One WebSocket connection of one device: a thin shell around the outbox (protocol, sections 2, 4 and 5).

What comes in is decoded and either submitted to the sequencer at once (commands, so that a batch gathers what all
connections say in one turn of the event loop) or queued for one worker (everything that reads, one at a time, so
that a connection never has more than one page in the making). What goes out gathers and leaves as one WebSocket
message per turn.

Bounds: a frame by ``limits.frame``; requests in flight by ``max_in_flight``, at which the socket is not read from
until they are answered; the outgoing buffer by ``high_water``, over which nothing is pushed, read or answered until
it drains, and after ``drain_timeout`` of that the connection is closed.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from tideline.delivery.commands import Command
from tideline.delivery.outbox import Outbox
from tideline.delivery.sequencer import COMMANDS
from tideline.protocol import codec, ijson, splice
from tideline.protocol.errors import Close, RequestError
from tideline.protocol.limits import HELLO_BYTES
from tideline.protocol.requests import Hello, Request, Signal
from tideline.protocol.table import REQUESTS
from tideline.timeline.changes import Run
from tideline.timeline.records import Device

from . import intake
from .addressing import address
from .auth import Identity
from .bucket import Bucket
from .deliver import deliver
from .frames import pack, send_text
from .host import Host
from .hub import Hub

_TEXT = WSMsgType.TEXT
_SHARE = 65_536
"""Bytes of answers that a connection makes before others have their turn; each costs ``_EFFORT`` at least."""
_EFFORT = 2048
_CLOSE_TIMEOUT = 2.0
"""Seconds that a peer has to answer a close."""

_COMMANDS: dict[type, str] = {REQUESTS[kind].request: kind for kind in COMMANDS} | {codec.PlainSend: "send"}
"""The requests that go to the sequencer."""


class Connection(WSListener):
    """A device that is connected, or is about to be (implements ``hub.Device`` and ``commands.Origin``)."""

    __slots__ = (
        "_bucket",
        "_in_flight",
        "_out",
        "_paused",
        "_placed",
        "_queue",
        "_worker",
        "backlog",
        "closing",
        "device",
        "direct",
        "fragments",
        "full_since",
        "gateway",
        "heard",
        "hub",
        "identity",
        "name",
        "opening",
        "outbox",
        "since",
        "transport",
        "user",
        "welcomed",
    )

    hub: Hub
    device: Device
    transport: WSTransport

    def __init__(self, gateway: Host["Connection"]) -> None:
        self.gateway = gateway
        self.identity: Identity | None = None
        self.user = ""
        self.name = ""
        self.outbox = Outbox()
        self.opening = False
        """Whether hello was said; whatever follows it waits until it is answered."""
        self.welcomed = False
        self.direct = False
        """Whether commands go straight to the sequencer: once none waits that was said before the welcome."""
        self.closing = False
        self.since = self.heard = gateway.now
        self.full_since: float | None = None
        """Since when the outgoing buffer has been over its high-water mark."""
        self._out: list[bytes] = []
        self._queue: deque[Request] | None = None
        self._worker: asyncio.Task[None] | None = None
        self._in_flight = 0
        self._placed = 0
        """Sends in flight, whose answers stand among the pushes."""
        self._paused = False
        self.fragments: bytearray | None = None
        self.backlog: deque[bytes] | None = None
        self._bucket: Bucket | None = None

    # from the transport

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Take the connection from the handshake."""
        self.transport = transport
        transport.underlying_transport.set_write_buffer_limits(high=self.gateway.settings.high_water)
        # The handshake is over; its headers would stay as long as the connection.
        transport.request.headers.clear()
        transport.response.headers.clear()
        self.gateway.add(self)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Let go of everything."""
        self.closing = True
        if self.identity is not None:
            self.hub.detach(self.identity.user, self.name, self)
            if self.welcomed:
                self.hub.engine.seen(self.identity.user, self.name, self.device)
        if self._worker is not None:
            self._worker.cancel()
        self._queue = None
        self.gateway.discard(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take a WebSocket frame; a message in fragments is put together first."""
        self.heard = self.gateway.now
        kind = frame.msg_type
        if self.closing:
            if kind == WSMsgType.CLOSE:
                transport.disconnect()
            return
        if kind == _TEXT and frame.fin and self.fragments is None:
            self._receive(frame.get_payload_as_bytes())
        elif kind == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif kind == WSMsgType.CLOSE:
            self.closing = True
            transport.send_close(frame.get_close_code() if frame.payload_size >= 2 else WSCloseCode.OK)
            transport.disconnect()
        elif kind != WSMsgType.PONG:
            message = intake.reassemble(self, frame, self.gateway.limits.frame)
            if message is not None:
                self._receive(message)

    def oversized(self) -> None:
        """End, because a message is larger than ``limits.frame``."""
        intake.oversized(self, self.gateway.limits.frame)

    def pause_writing(self) -> None:
        """Learn that the outgoing buffer is over its high-water mark."""
        self.full_since = self.gateway.now
        self.throttle()

    def resume_writing(self) -> None:
        """Learn that the outgoing buffer has drained."""
        self.full_since = None
        if self._queue and self._worker is None and not self.closing:
            self._worker = asyncio.ensure_future(self._work())
        self.throttle()

    def throttle(self) -> None:
        """Read from the socket, or don't: too much is in flight, the peer does not read either, or it is the end."""
        bound = self.gateway.settings.max_in_flight
        laden = self._in_flight >= (bound // 2 if self._paused else bound)
        pause = laden or self.full_since is not None or self.gateway.stopping
        if pause != self._paused and not self.closing:
            self._paused = pause
            if pause:
                self.transport.underlying_transport.pause_reading()
            else:
                self.transport.underlying_transport.resume_reading()
                if self.backlog is not None:
                    intake.go_on(self)

    # requests

    def _receive(self, message: bytes) -> None:
        if message[:1] == b"{" and self.backlog is None:
            self.take(message)
        else:
            intake.receive(self, message)
        if self._in_flight >= self.gateway.settings.max_in_flight:
            self.throttle()

    @property
    def laden(self) -> bool:
        """Whether as much is in flight as may be, answers that are not sent yet included."""
        bound = self.gateway.settings.max_in_flight
        return self._in_flight >= bound or len(self._out) >= bound

    def relieve(self, go_on: Callable[[], None]) -> None:
        """Send what has gathered, and go on: at once after others had their turn, or once there is room."""
        if self._in_flight >= self.gateway.settings.max_in_flight:
            self.throttle()
            return
        self.flush()
        if self.full_since is None:
            self.gateway.loop.call_soon(go_on)

    def take(self, text: bytes) -> None:
        """Take the text of one frame."""
        try:
            request = codec.decode_request(text)
        except RequestError as error:
            self.misread(error)
            return
        except ijson.NotJSON:
            intake.no_json(self)
            return
        if self.direct:
            self._dispatch(request)
        elif self.opening:
            self._enqueue(request)
        elif not isinstance(request, Hello):
            self.refuse(getattr(request, "id", None), "the first request is hello")
        elif len(text) > HELLO_BYTES:
            self.refuse(request.id, f"hello is over {HELLO_BYTES} bytes")
        else:
            self.opening = True
            self._enqueue(request)

    def misread(self, error: RequestError) -> None:
        """Answer what is no request; before hello that is the end."""
        if self.opening:
            self.fail(error.id, error)
        else:
            self.refuse(error.id, "the first request is a well-formed hello")

    def _dispatch(self, request: Request | Signal) -> None:
        """Submit what changes something, queue what reads."""
        kind = _COMMANDS.get(type(request))
        if kind is None or isinstance(request, Signal):
            self._enqueue(request)
            return
        placed = kind == "send"
        try:
            if placed and self.gateway.limits.sends_per_second:
                self._limit_rate()
            conversation = address(self.user, request)
        except RequestError as error:
            self.fail(request.id, error)
            return
        self._in_flight += 1
        self._placed += placed
        self.hub.engine.submit(Command(kind, self.user, conversation, request, self, request.id, placed))

    def _limit_rate(self) -> None:
        now = self.gateway.loop.time()
        self._bucket = self._bucket or Bucket(self.gateway.limits.sends_per_second, now)
        self._bucket.demand(now)

    def _enqueue(self, request: Request | Signal) -> None:
        if self._queue is None:
            self._queue = deque()
        self._queue.append(request)  # type: ignore[arg-type]
        self._in_flight += 1
        if self._worker is None and self.full_since is None:
            self._worker = asyncio.ensure_future(self._work())

    async def _work(self) -> None:
        """Answer what is queued, one by one, as long as the answers drain, and let others have their turn."""
        share = 0
        try:
            while self._queue and self.full_since is None and not self.closing:
                request = self._queue.popleft()
                if self.welcomed and type(request) in _COMMANDS:
                    self._in_flight -= 1
                    self._dispatch(request)
                    continue
                await self.gateway.handle(self, request)
                self._in_flight -= 1
                share += _EFFORT + len(self._out[-1]) if self._out else _EFFORT
                if share > _SHARE:
                    # A store that never makes one wait would let all answers gather here.
                    share = 0
                    self.flush()
                    await asyncio.sleep(0)
        finally:
            self._worker = None
            if not self._queue:
                self.direct = self.welcomed
                self._queue = None  # an empty one is half a kilobyte, and most connections are idle
            if not self.closing and self._paused:
                self.throttle()

    # what a commit brings

    def deliver(self, run: Run) -> int:
        """Take new entries of the user's timeline; return how many of them are pushed."""
        if self.closing:
            return 0
        delivery = deliver(
            self.outbox,
            run,
            self,
            owning=self._placed > 0,
            full=self.full_since is not None,
            max_bytes=self.gateway.limits.page_bytes,
        )
        # Before its welcome a connection is told nothing: the welcome's `more` says it.
        if delivery.frames and self.welcomed:
            self.hub.hints += delivery.hints
            self.gather(*delivery.frames)
        if delivery.own:
            self._settle(delivery.own, placed=True)
        return delivery.pushed

    def answered(self, command: Command, frame: bytes) -> None:
        """Take the response to a command."""
        self._settle(1, placed=command.placed)
        self.gather(frame)

    def refused(self, command: Command, error: RequestError) -> None:
        """Take the error of a command."""
        self._settle(1, placed=command.placed)
        self.gather(splice.error(command.id, error))

    def _settle(self, commands: int, *, placed: bool) -> None:
        """Note that commands are no longer in flight."""
        self._in_flight -= commands
        if placed:
            self._placed -= commands
        if self._paused:
            self.throttle()

    # what goes out

    def gather(self, *frames: bytes) -> None:
        """Have frames sent with whatever else this turn brings."""
        if not self._out:
            self.gateway.gathered(self)
        self._out += frames

    def fail(self, id: int | None, error: RequestError) -> None:
        """Answer by an error."""
        self.gateway.observer.refused(error.code)
        self.gather(splice.error(id, error))

    def refuse(self, id: int | None, reason: str) -> None:
        """Answer by ``unauthorized``, and end."""
        self.fail(id, RequestError("unauthorized", reason))
        self.close(Close.UNAUTHORIZED, reason)

    def flush(self) -> None:
        """Send what has gathered."""
        out = self._out
        if not out:
            return
        self._out = []
        if not self.closing:
            for message in pack(out, self.gateway.limits.page_bytes):
                send_text(self.transport, message)

    def signal(self, frame: bytes) -> None:
        """Forward a signal, unless there is too much to send already."""
        if self.full_since is None and self.welcomed:
            self.gather(frame)

    # ends

    def replaced(self, by: str | None) -> None:
        """Make room for a later connection of the same device."""
        self.close(Close.REPLACED, "the device connected again", by=by)

    def forgotten(self) -> None:
        """End, because the device was forgotten; that it was here until now is not noted."""
        self.close(Close.FORGOTTEN, "the device was forgotten")
        self.welcomed = False

    def failed(self) -> None:
        """End, because of a defect."""
        self.close(Close.INTERNAL, "a defect")

    def close(self, code: int, reason: str, *, retry_after: float | None = None, by: str | None = None) -> None:
        """Say ``bye`` after all that has gathered, and close; nothing more is read."""
        if self.closing:
            return
        identity = self.identity
        self.gateway.observer.closed(code, identity.user if identity else None, self.name or None, reason)
        self.gather(splice.bye(code, reason, retry_after, by))
        self.flush()
        self.closing = True
        self.transport.send_close(code, reason)  # type: ignore[arg-type]
        if self._paused:
            self.transport.underlying_transport.resume_reading()
        self.gateway.loop.call_later(_CLOSE_TIMEOUT, self.transport.disconnect, False)
        if identity is not None:
            self.hub.detach(identity.user, self.name, self)
