"""A device of the load generator: counts what arrives by its markers, and follows the numbers.

The hot path never decodes. In the bytes of a WebSocket message it counts the `"seq":` markers and reads the
last number; with n markers that number must be the cursor + n. Anything else (a gap, a repetition, a
`notify`, an error) takes the decoded path, which pulls as a device does (protocol, section 6, with a stash
of 0). So the cursor at the end proves that every entry came, once, in order. Every `AUDIT_EVERY`-th message
is decoded on top, to show that the markers count right and that the contents are those that were sent.
"""

import asyncio
import re
from collections.abc import Callable

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from bench import wire

_digits = re.compile(rb"[0-9]+")

AUDIT_EVERY = 64
PAGE = 1000


class LoadError(Exception):
    """The server answered something that makes the figures worthless."""


class Device(WSListener):
    """One connection. Create it with `connect`, then `sync` until it is live."""

    def __init__(self, user: str) -> None:
        self.user = user
        self.cursor = 0
        self.acknowledged = 0
        self.sent = 0
        self.audited = 0
        self.pulls = 0
        self.template: wire.SendTemplate | None = None
        self.expected_body: bytes | None = None
        self.on_sent: Callable[[int], None] | None = None
        self.on_entries: Callable[[bytes, int], None] | None = None
        self.failure: str | None = None
        self._messages = 0
        self._next_id = 1
        self._waiting: dict[int, asyncio.Future[wire.Frame]] = {}
        self._epoch: str | None = None
        self._pulling = False
        self._closing = False
        self._raw: asyncio.Future[bytes] | None = None

    async def connect(self, url: str, secret: str) -> wire.Frame:
        """Open the connection and say hello as a device that holds nothing."""
        transport, _ = await ws_connect(lambda: self, url, read_buffer_init_size=4096, max_frame_size=1 << 24)
        self._transport = transport
        self._write = transport.underlying_transport.write
        welcome = await self.request(
            type="hello",
            token=wire.token(self.user, secret),
            device="bench",
            cursor=None,
            epoch=None,
        )
        self._epoch = welcome.epoch
        return welcome

    async def request(self, **fields: object) -> wire.Frame:
        """Send one request and wait for its response.

        Raises:
            LoadError: if the connection is lost, or there is no response within 30 s.
        """
        if self._transport.is_disconnected:
            raise LoadError(f"{self.user}: {self.failure}")
        number = self._next_id
        self._next_id += 1
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._transport.send(WSMsgType.TEXT, wire.encode(id=number, **fields))
        try:
            return await asyncio.wait_for(waiting, 30)
        except TimeoutError:
            raise LoadError(f"{self.user}: no answer to {fields['type']} within 30 s") from None

    async def sync(self) -> None:
        """Pull until nothing is left: this is what makes a new connection live."""
        while (await self._pull()).more:
            pass

    async def settle(self) -> None:
        """Ask for the head, and pull when the cursor is behind it."""
        if (await self.request(type="ping")).head > self.cursor and not self._pulling:
            await self.sync()

    async def raw_page(self) -> bytes:
        """Pull one page after the cursor and return its bytes, moving the cursor but checking nothing."""
        self._raw = asyncio.get_running_loop().create_future()
        self._transport.send(
            WSMsgType.TEXT,
            b'{"type":"pull","id":1,"after":%d,"limit":%d}' % (self.cursor, PAGE),
        )
        payload = await asyncio.wait_for(self._raw, 30)
        last = payload.rfind(wire.ENTRY_SEQ)
        if last >= 0:
            self.cursor = _number(payload, last)
        return payload

    def send(self, count: int) -> None:
        """Write the next `count` sends: a WebSocket message each, one system call for all."""
        template, first = self.template, self.sent
        if template is None:
            raise LoadError("a device without a template can't send")
        self.sent = first + count
        if count == 1:
            self._write(template.frame(first))
        else:
            self._write(b"".join(map(template.frame, range(first, first + count))))

    def close(self) -> None:
        self._closing = True
        self._transport.disconnect()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type != WSMsgType.TEXT:
            if frame.msg_type == WSMsgType.CLOSE:
                self._fail(f"closed by the server: {frame.get_close_code()} {frame.get_close_reason()}")
                transport.disconnect()
            return
        try:
            self._take(frame.get_payload_as_bytes())
        except Exception as error:
            self._fail(repr(error))
            raise

    def _take(self, payload: bytes) -> None:
        if self._raw is not None and not self._raw.done():
            self._raw.set_result(payload)
            return
        count = payload.count(wire.ENTRY_SEQ)
        if not count or self._waiting:  # an answer may stand among the pushes
            self._decoded(payload)
            return
        last = _number(payload, payload.rfind(wire.ENTRY_SEQ))
        if last != self.cursor + count or payload.find(wire.NOTIFY, -64) >= 0:
            self._decoded(payload)
            return
        self.cursor = last
        self._messages += 1
        if not self._messages % AUDIT_EVERY:
            self._audit(payload, count)
        if self.on_entries is not None:
            self.on_entries(payload, count)
        if self.on_sent is not None:
            sent = payload.count(wire.SENT)
            if payload.find(wire.ERROR) >= 0:
                self._fail(payload[-500:].decode())
            self.acknowledged += sent
            self.on_sent(sent)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if not self._closing:
            self._fail("connection lost")
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(LoadError(f"{self.user}: {self.failure}"))

    def _decoded(self, payload: bytes) -> None:
        """Follow the protocol frame by frame."""
        before, sent = self.cursor, 0
        for frame in wire.decode(payload):
            match frame.type:
                case "sent":
                    sent += 1
                    self._apply(frame.seq)
                case "push":
                    for entry in frame.entries:
                        self._apply(entry.seq)
                case "page":
                    for entry in frame.entries:
                        self._apply(entry.seq)
                    self._answered(frame)
                case "notify":
                    if frame.head > self.cursor:
                        self._pull_soon()
                case "error":
                    self._fail(f"{frame.code}: {frame.message}")
                    self._answered(frame)
                case "bye":
                    self._fail(f"bye {frame.code}: {frame.reason}")
                case _:
                    self._answered(frame)
        if self.on_entries is not None and self.cursor > before:
            self.on_entries(payload, self.cursor - before)
        if sent and self.on_sent is not None:
            self.acknowledged += sent
            self.on_sent(sent)

    def _apply(self, seq: int) -> None:
        if seq == self.cursor + 1:
            self.cursor = seq
        elif seq > self.cursor:
            self._pull_soon()

    def _answered(self, frame: wire.Frame) -> None:
        waiting = self._waiting.pop(frame.id or 0, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(frame)

    def _pull_soon(self) -> None:
        if not self._pulling:
            self._pulling = True
            self._task = asyncio.get_running_loop().create_task(self.sync())

    async def _pull(self) -> wire.Frame:
        self._pulling = True
        self.pulls += 1
        try:
            return await self.request(type="pull", after=self.cursor, epoch=self._epoch, limit=PAGE)
        finally:
            self._pulling = False

    def _audit(self, payload: bytes, count: int) -> None:
        """Decode one WebSocket message in full and compare it with what the markers said."""
        self.audited += 1
        seq = self.cursor - count
        for frame in wire.decode(payload):
            for number in [entry.seq for entry in frame.entries] or ([frame.seq] if frame.seq else []):
                seq += 1
                if number != seq:
                    self._fail(f"entry {number} stands where {seq} belongs")
            for entry in frame.entries:
                self._audit_message(entry.event)
        if seq != self.cursor:
            self._fail(f"{self.cursor - seq} markers in a message that are no entries")

    def _audit_message(self, event: dict[str, object]) -> None:
        message = event.get("message")
        if event.get("type") != "message" or not isinstance(message, dict):
            return
        number = int(message["client_id"][-8:])
        if number != message["message_seq"] - 1:
            self._fail(f"message_seq {message['message_seq']} holds the message sent as number {number}")
        if self.expected_body is not None and wire.encode(**message["body"]) != self.expected_body:
            self._fail("a body that nobody sent")

    def _fail(self, reason: str) -> None:
        self.failure = self.failure or reason


def _number(payload: bytes, marker: int) -> int:
    digits = _digits.match(payload, marker + len(wire.ENTRY_SEQ))
    if digits is None:
        raise LoadError("a number is missing")
    return int(digits[0])
