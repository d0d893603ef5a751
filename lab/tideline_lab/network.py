"""The network between a device and the server: real WebSockets over loopback, made slow and lossy on purpose.

Every connection has a line that holds what passes for half a round trip in each direction, keeping the order, and
loses some of what the server sends by itself (never a request or its answer: those stand for what is repeated until
it arrives). Losses are decided by a generator of the device's own, seeded by its name, so a run can be repeated.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from .frames import UNASKED, Down, Traffic, Up, bundle, decode_down, encode

T = TypeVar("T")


class Delay(Generic[T]):
    """Hands on everything after a while, in order."""

    def __init__(self, seconds: float, hand_on: Callable[[T], None]) -> None:
        self._seconds = seconds
        self._hand_on = hand_on
        self._under_way: deque[T] = deque()
        self._loop = asyncio.get_running_loop()

    def put(self, item: T) -> None:
        """Take something."""
        if self._seconds:
            self._under_way.append(item)
            self._loop.call_later(self._seconds, self._arrive)
        else:
            self._hand_on(item)

    def _arrive(self) -> None:
        # The order is the queue's, whatever the timers' is.
        self._hand_on(self._under_way.popleft())


class Network:
    """What all lines of a run share."""

    def __init__(self, port: int, *, round_trip: float, loss: float, seed: int) -> None:
        self.url = f"ws://127.0.0.1:{port}/"
        self.delay = round_trip / 2
        self.loss = loss
        self.seed = seed
        self.traffic = Traffic()
        """What devices sent."""
        self.lost = 0
        """Frames that were lost on their way to a device."""

    def chance(self, name: str) -> random.Random:
        """Return a device's own source of chance."""
        return random.Random(f"{self.seed}/{name}")


class Wire(WSListener):
    """One connection of a device, through a line."""

    def __init__(
        self, network: Network, chance: random.Random, receive: Callable[[Down], None], lost: Callable[[], None]
    ) -> None:
        self._network = network
        self._chance = chance
        self._lost = lost
        self._out: Delay[bytes] = Delay(network.delay, self._leave)
        self._in: Delay[Down] = Delay(network.delay, self._take)
        self._receive: Callable[[Down], None] | None = receive
        self._transport: WSTransport | None = None

    async def open(self) -> None:
        """Connect."""
        await ws_connect(lambda: self, self._network.url)

    def close(self) -> None:
        """End the connection: what is under way does not arrive."""
        self._receive = None
        if self._transport is not None:
            self._transport.disconnect()

    def send(self, frame: Up) -> None:
        """Send a frame."""
        text = encode(frame)
        self._network.traffic.count(frame, len(text))
        self._out.put(text)

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Take the connection from the handshake."""
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take one WebSocket message, without what is lost of it."""
        if frame.msg_type is WSMsgType.CLOSE:
            transport.disconnect()
            return
        for arrived in decode_down(frame.get_payload_as_bytes()):
            if isinstance(arrived, UNASKED) and self._chance.random() < self._network.loss:
                self._network.lost += 1
            else:
                self._in.put(arrived)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Tell the device, unless it has closed the connection itself."""
        if self._receive is not None:
            self._receive = None
            self._lost()

    def _leave(self, text: bytes) -> None:
        if self._receive is not None and self._transport is not None:
            self._transport.send(WSMsgType.TEXT, bundle([text]))

    def _take(self, frame: Down) -> None:
        if self._receive is not None:
            self._receive(frame)
