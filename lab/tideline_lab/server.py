"""The lab's server: a process of its own, the same around every model.

Group commit: what one turn of the event loop brings, from all connections, is one batch; it is committed and only
then told, and what a connection gets from it leaves as one WebSocket message. The process is controlled over a pipe:
it answers ``"figures"`` with what it has counted and ``"stored"`` with what its store holds, and ends with the pipe.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import uvloop
from msgspec import Struct
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

from .frames import Down, Hello, Message, Ping, Pong, Send, Sent, Traffic, bundle, decode_up, encode
from .models import MODELS
from .models.model import ServerModel
from .store import Counts, Store

TICKS = 4
"""Looks at what time demands, per ``patience``."""


class Order(Struct):
    """What a server process is started with."""

    model: str
    folder: str
    members: Mapping[str, Sequence[str]]
    patience: float
    sync: bool


class Figures(Struct):
    """What a server process has counted since its start."""

    frames: dict[str, int]
    bytes: dict[str, int]
    writes: int
    """WebSocket messages sent."""
    cpu: float
    """Seconds."""
    store: Counts


class Office:
    """What the connections of a server share: the model, and the batch in the making."""

    def __init__(self, model: ServerModel, store: Store) -> None:
        self.model = model
        self.store = store
        self.loop = asyncio.get_running_loop()
        self.traffic = Traffic()
        self.writes = 0
        self._waiting: list[tuple[Desk, Message]] = []
        self._filled: list[Desk] = []
        self._turn = False

    def submit(self, desk: "Desk", message: Message) -> None:
        """Take a message for the batch."""
        self._waiting.append((desk, message))

    def turn(self) -> None:
        """Have the batch committed, and what gathered sent, at the end of this turn of the event loop."""
        if not self._turn:
            self._turn = True
            self.loop.call_soon(self._end_turn)

    def filled(self, desk: "Desk") -> None:
        """Have what gathered on a connection sent."""
        self._filled.append(desk)
        self.turn()

    def tick(self) -> None:
        """Let the model do what time demands."""
        self.model.on_tick(self.loop.time())
        self.loop.call_later(self.model.patience / TICKS, self.tick)

    def _end_turn(self) -> None:
        waiting, self._waiting = self._waiting, []
        for _, message in waiting:
            self.model.on_send(message)
        self.store.commit()
        if waiting:
            for desk, message in waiting:
                desk.tell(Sent(message.id))
            self.model.on_commit(self.loop.time())
        filled, self._filled = self._filled, []
        for desk in filled:
            desk.flush()
        self._turn = False

    def figures(self) -> Figures:
        """Return what was counted."""
        traffic = self.traffic
        return Figures(dict(traffic.frames), dict(traffic.bytes), self.writes, time.process_time(), self.store.counts())


class Desk(WSListener):
    """One connection (implements ``Link``)."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.user = ""
        self.device = ""
        self.connected = False
        self._gathered: list[bytes] = []

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Take the connection from the handshake."""
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take one WebSocket message."""
        if frame.msg_type is WSMsgType.CLOSE:
            transport.disconnect()
            return
        office = self.office
        for request in decode_up(frame.get_payload_as_bytes()):
            match request:
                case Send(message):
                    office.submit(self, message)
                case Ping():
                    self.tell(Pong(office.model.head(self.user)))
                case Hello(user, device):
                    self.user, self.device, self.connected = user, device, True
                    office.model.connect(self, request, office.loop.time())
                case _:
                    office.model.on_frame(self, request, office.loop.time())
        office.turn()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Forget the connection."""
        if self.connected:
            self.connected = False
            self.office.model.disconnect(self)

    def tell(self, frame: Down) -> None:
        """Send a frame to this connection alone."""
        self.write(frame, encode(frame))

    def write(self, frame: Down, text: bytes) -> None:
        """Send a frame that is encoded already, with all else that this turn brings."""
        self.office.traffic.count(frame, len(text))
        if not self._gathered:
            self.office.filled(self)
        self._gathered.append(text)

    def flush(self) -> None:
        """Send what gathered as one WebSocket message."""
        self._transport.send(WSMsgType.TEXT, bundle(self._gathered))
        self.office.writes += 1
        self._gathered.clear()


def serve(order: Order, pipe: Connection) -> None:
    """Run a server until the pipe closes; its port is the first thing said on the pipe."""
    uvloop.run(_serve(order, pipe))


async def _serve(order: Order, pipe: Connection) -> None:
    store = Store(Path(order.folder), sync=order.sync)
    office = Office(MODELS[order.model].server(store, order.members, order.patience), store)
    office.tick()
    listener = await ws_create_server(lambda _: Desk(office), "127.0.0.1", 0)
    ended = asyncio.Event()

    def answer() -> None:
        try:
            asked = pipe.recv()
        except EOFError:
            office.loop.remove_reader(pipe.fileno())
            ended.set()
            return
        pipe.send(office.figures() if asked == "figures" else store.stored())

    office.loop.add_reader(pipe.fileno(), answer)
    pipe.send(listener.sockets[0].getsockname()[1])
    await ended.wait()
    listener.close()
    store.close()
