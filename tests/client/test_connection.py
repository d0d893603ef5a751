"""Frames go over a WebSocket whole, in order, and within the limits, whatever the server does."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import picows
import pytest

from tideline.client.connection import Connection, websocket_url
from tideline.protocol.codec import UnknownFrame
from tideline.protocol.responses import Notify, Ok

TEXT, MORE, CLOSE = picows.WSMsgType.TEXT, picows.WSMsgType.CONTINUATION, picows.WSMsgType.CLOSE


class Peer(picows.WSListener):
    """The server's end, run by hand."""

    def __init__(self) -> None:
        self.got: asyncio.Queue[bytes] = asyncio.Queue()
        self.transport: picows.WSTransport | None = None

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type == TEXT:
            self.got.put_nowait(frame.get_payload_as_bytes())

    def send(self, *parts: bytes) -> None:
        assert self.transport is not None
        for place, part in enumerate(parts):
            self.transport.send(MORE if place else TEXT, part, fin=place == len(parts) - 1)

    def close(self, code: int, reason: bytes) -> None:
        assert self.transport is not None
        self.transport.send_close(code, reason)  # type: ignore[arg-type]
        self.transport.disconnect()


class Ear:
    """What the device's end hears."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[object] = asyncio.Queue()

    def frames(self, frames: list[object]) -> None:
        for frame in frames:
            self.heard.put_nowait(frame)

    def closed(self, code: int, reason: str) -> None:
        self.heard.put_nowait((code, reason))

    async def next(self) -> object:
        async with asyncio.timeout(5):
            return await self.heard.get()


@asynccontextmanager
async def pair() -> AsyncIterator[tuple[Connection, Peer, Ear]]:
    peer, ear = Peer(), Ear()
    server = await picows.ws_create_server(lambda _: peer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connection = Connection(ear.frames, ear.closed)  # type: ignore[arg-type]
    await connection.open(websocket_url(f"http://127.0.0.1:{port}"))
    try:
        yield connection, peer, ear
    finally:
        connection.close()
        server.close()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("http://chat.example", "ws://chat.example/v1/ws"),
        ("https://chat.example/", "wss://chat.example/v1/ws"),
        ("https://chat.example:8443/im/", "wss://chat.example:8443/im/v1/ws"),
        ("ws://[::1]:8420", "ws://[::1]:8420/v1/ws"),
    ],
)
def test_a_base_url_says_where_the_websocket_is(base: str, expected: str) -> None:
    assert websocket_url(base) == expected


@pytest.mark.parametrize("base", ["chat.example", "ftp://chat.example", "https://", ""])
def test_what_is_no_url_of_a_server_is_refused(base: str) -> None:
    with pytest.raises(ValueError, match="not the URL of a server"):
        websocket_url(base)


async def test_an_array_is_taken_apart_and_a_bad_element_fails_alone() -> None:
    async with pair() as (_, peer, ear):
        peer.send(b'[{"type":"ok","id":1},7,{"type":"hologram"},{"type":"notify","head":3}]')
        assert await ear.next() == Ok(id=1)
        assert isinstance(await ear.next(), UnknownFrame)
        assert isinstance(await ear.next(), UnknownFrame)
        assert await ear.next() == Notify(head=3)


async def test_a_message_in_fragments_is_put_together() -> None:
    async with pair() as (_, peer, ear):
        peer.send(b'{"type":"not', b'ify","he', b'ad":3}')
        peer.send(b'{"type":"ok","id":1}')
        assert await ear.next() == Notify(head=3)
        assert await ear.next() == Ok(id=1)


async def test_frames_leave_as_arrays_within_the_limit() -> None:
    async with pair() as (connection, peer, _):
        connection.send([b'"%03d"' % number for number in range(10)], 24)
        assert await peer.got.get() == b'["000","001","002"]'
        for _ in range(2):
            assert len(await peer.got.get()) <= 24
        assert await peer.got.get() == b'"009"'


async def test_one_frame_goes_alone_even_over_the_limit() -> None:
    """The server says what it thinks of it; nothing is held back for ever."""
    async with pair() as (connection, peer, _):
        connection.send([b'"too long"'], 4)
        assert await peer.got.get() == b'"too long"'


async def test_the_end_is_reported_once_with_its_code() -> None:
    async with pair() as (connection, peer, ear):
        peer.close(4409, "replaced — by another".encode())
        assert await ear.next() == (4409, "replaced — by another")
        assert not connection.is_open
        connection.send([b"{}"], 99)
        connection.close()
        await asyncio.sleep(0.02)
        assert ear.heard.empty()


async def test_an_end_without_a_close_frame_is_1006() -> None:
    async with pair() as (_, peer, ear):
        assert peer.transport is not None
        peer.transport.underlying_transport.abort()
        assert await ear.next() == (1006, "")


async def test_nothing_is_reported_after_closing() -> None:
    async with pair() as (connection, peer, ear):
        peer.send(b'{"type":"ok","id":1}')
        connection.close()
        await asyncio.sleep(0.05)
        assert ear.heard.empty()


@pytest.mark.parametrize("text", [b"hello", b"[1", b"[" * 100])
async def test_what_is_no_json_ends_the_connection(text: bytes) -> None:
    async with pair() as (_, peer, ear):
        peer.send(text)
        last = await ear.next()
        assert isinstance(last, UnknownFrame) or last[0] == 1002  # type: ignore[index]


async def test_one_that_is_given_up_at_any_moment_leaves_no_socket_behind() -> None:
    """What is left open is an error in these tests, when it is collected."""
    held: list[asyncio.StreamWriter] = []

    async def mute(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    peer, ear = Peer(), Ear()
    server = await picows.ws_create_server(lambda _: peer, "127.0.0.1", 0)
    silent = await asyncio.start_server(mute, "127.0.0.1", 0)
    for listening in (server, silent):
        port = listening.sockets[0].getsockname()[1]
        for turns in range(15):
            connection = Connection(ear.frames, ear.closed)  # type: ignore[arg-type]
            opening = asyncio.ensure_future(connection.open(f"ws://127.0.0.1:{port}/v1/ws"))
            for _ in range(turns):
                await asyncio.sleep(0)
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
            connection.close()
            del connection, opening
            await asyncio.sleep(0.01)
            gc.collect()
    assert ear.heard.empty()
    for writer in held:
        writer.close()
    server.close()
    silent.close()
    await asyncio.sleep(0.01)


async def test_who_can_t_be_reached_raises() -> None:
    ear = Ear()
    connection = Connection(ear.frames, ear.closed)  # type: ignore[arg-type]
    with pytest.raises(OSError, match="Connect call failed"):
        await connection.open("ws://127.0.0.1:9/v1/ws")
    assert not connection.is_open
    assert ear.heard.empty()
