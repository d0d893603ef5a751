"""The network: links that are slow, break, or are silent for ever; each keeps the order of what it carries.

A link is a WebSocket between a device and a node. Its server end is what the gateway takes for a transport.
"""

import asyncio
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from picows import WSMsgType

if TYPE_CHECKING:
    from .device import SimDevice
    from .node import Node

ABNORMAL = 1006
_ORDER = 1e-6
"""Seconds between what one end sends at once: timers of the same time have no order."""


class TextFrame:
    """One WebSocket message as the gateway gets it."""

    msg_type = WSMsgType.TEXT
    fin = True

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self.payload_size = len(payload)

    def get_payload_as_bytes(self) -> bytes:
        return self._payload


class Link:
    """A connection. It is also the gateway's transport, and the transport under that."""

    def __init__(self, device: "SimDevice", node: "Node", random: Random, *, bandwidth: float | None) -> None:
        self.device = device
        self.node = node
        self.loop = asyncio.get_running_loop()
        self.random = random
        self.latency = random.choice((0.001, 0.01, 0.05, 0.2))
        self.bandwidth = bandwidth
        """Bytes per second that the device reads; None: as they come."""
        self.silent = False
        """Half open: what is sent is lost, and neither end is told."""
        self.buffered = 0
        self.most_buffered = 0
        self._high = 65_536
        self._full = False
        self._reading = True
        self._held: list[bytes] = []
        self._up_at = self._down_at = 0.0
        self.server_open = self.device_open = True
        self.connection: Any = None
        self.request = self.response = SimpleNamespace(headers={})

    def open(self) -> None:
        """Let the gateway have its end."""
        self.connection = self.node.accept(self)

    # the device's end

    def up(self, payload: bytes) -> None:
        """Send to the server."""
        if self.silent or not self.device_open:
            return
        self._up_at = max(self._up_at + _ORDER, self.loop.time() + self._delay())
        self.loop.call_at(self._up_at, self._arrive_up, payload)

    def _arrive_up(self, payload: bytes) -> None:
        if not self.server_open or self.silent:
            return
        if self._reading:
            self.node.run(self.connection.on_ws_frame, self, TextFrame(payload))
        else:
            self._held.append(payload)

    def leave(self) -> None:
        """Close the device's end; the server hears of it later, or, when the link is silent, never."""
        if not self.device_open:
            return
        self.device_open = False
        if not self.silent:
            self.loop.call_later(self._delay(), self._server_ends)

    # the server's end: WSTransport and the transport under it

    @property
    def underlying_transport(self) -> "Link":
        return self

    def set_write_buffer_limits(self, high: int) -> None:
        self._high = high

    def send(self, kind: WSMsgType, payload: bytes) -> None:
        if not self.server_open:
            return
        size = len(payload)
        self.buffered += size
        self.most_buffered = max(self.most_buffered, self.buffered)
        took = size / self.bandwidth if self.bandwidth else 0.0
        self._down_at = max(self._down_at + _ORDER, self.loop.time() + self._delay()) + took
        if not self.silent:
            self.loop.call_at(self._down_at, self._arrive_down, payload)
        if self.buffered > self._high and not self._full:
            self._full = True
            self.connection.pause_writing()

    def write(self, frame: bytes) -> None:
        """Take a WebSocket frame as bytes: a text message whole, of any size over 125."""
        assert frame[0] == 0x81
        self.send(WSMsgType.TEXT, frame[{126: 4, 127: 10}[frame[1]] :])

    def _arrive_down(self, payload: bytes) -> None:
        if self.silent:
            return
        self.buffered -= len(payload)
        if self._full and self.buffered <= self._high // 4 and self.server_open:
            self._full = False
            self.node.run(self.connection.resume_writing)
        if self.device_open:
            self.device.receive(self, payload)

    def send_close(self, code: int, reason: str = "") -> None:
        if self.silent or not self.server_open:
            return
        self._down_at = max(self._down_at + _ORDER, self.loop.time() + self._delay())
        self.loop.call_at(self._down_at, self._device_ends, int(code))

    def send_pong(self, payload: bytes) -> None:
        pass

    def disconnect(self, graceful: bool = True) -> None:
        self.loop.call_soon(self._server_ends)

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True
        held, self._held = self._held, []
        for payload in held:
            self.loop.call_soon(self._arrive_up, payload)

    # ends

    def cut(self) -> None:
        """Break, for both ends, each at its time."""
        self.loop.call_later(self._delay(), self._device_ends, ABNORMAL)
        self.loop.call_later(self._delay(), self._server_ends)

    def _device_ends(self, code: int) -> None:
        if self.device_open:
            self.device_open = False
            self.device.lost(self, code)
            if self.server_open:
                self.loop.call_later(self._delay(), self._server_ends)

    def _server_ends(self) -> None:
        if self.server_open:
            self.server_open = False
            self.node.links.discard(self)
            if self.node.alive:
                self.node.run(self.connection.on_ws_disconnected, self)
            if self.device_open and not self.silent:
                self.loop.call_later(self._delay(), self._device_ends, ABNORMAL)

    def die(self) -> None:
        """End with the node."""
        self.server_open = False
        if not self.silent:
            self.loop.call_later(self._delay(), self._device_ends, ABNORMAL)

    def _delay(self) -> float:
        return self.latency * (0.5 + self.random.random())
