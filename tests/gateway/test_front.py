"""The handshake: who may connect, and how (protocol, section 2). Holds picows to what the front relies on."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from tests.harness.raw import frame, raw
from tests.harness.server import ServerProcess
from tests.harness.wire import wire

Fresh = Callable[[str], str]
Start = Callable[..., AbstractAsyncContextManager[ServerProcess]]


async def status(server: ServerProcess, **headers: str) -> int:
    async with raw(server.url) as client:
        head = await client.upgrade(**headers)
        return int(head.split(b" ")[1])


@pytest.mark.parametrize(
    "connection",
    ["Upgrade", "upgrade", "keep-alive, Upgrade", "Upgrade, keep-alive", "keep-alive,Upgrade", "keep-alive, upgrade "],
)
async def test_a_browser_may_list_other_words_beside_upgrade(server: ServerProcess, connection: str) -> None:
    assert await status(server, Connection=connection) == 101


@pytest.mark.parametrize(
    "headers",
    [
        {"Upgrade": ""},
        {"Upgrade": "h2c"},
        {"Connection": ""},
        {"Connection": "keep-alive"},
        {"Sec_WebSocket_Key": ""},
        {"Sec_WebSocket_Key": "short"},
        {"Sec_WebSocket_Version": "12"},
        {"Sec_WebSocket_Version": ""},
        {"Content_Length": "5"},
        {"Transfer_Encoding": "chunked"},
    ],
)
async def test_what_is_no_handshake_is_a_bad_request(server: ServerProcess, headers: dict[str, str]) -> None:
    assert await status(server, **headers) == 400


async def test_a_query_in_the_url_changes_nothing(server: ServerProcess) -> None:
    async with raw(server.url) as client:
        assert (await client.upgrade("/v1/ws?x=1")).startswith(b"HTTP/1.1 101")


# Subprotocol


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [("tideline.v1", True), ("x, tideline.v1", True), ("tideline.v1,x", True), ("x", False), ("tideline.v2", False)],
)
async def test_the_subprotocol_is_chosen_if_it_is_offered(
    server: ServerProcess, fresh: Fresh, offered: str, chosen: bool
) -> None:
    async with raw(server.url) as client:
        head = await client.upgrade(Sec_WebSocket_Protocol=offered)
        assert head.startswith(b"HTTP/1.1 101")
        assert (b"sec-websocket-protocol: tideline.v1\r\n" in head.lower()) == chosen
        await client.send({"type": "hello", "id": 1, "token": server.token(fresh("alice")), "device": "phone"})
        assert (await client.next())["type"] == "welcome"


async def test_a_client_that_offers_no_subprotocol_is_served_all_the_same(server: ServerProcess, fresh: Fresh) -> None:
    async with wire(server.url) as phone:
        assert phone.socket.protocol is None
        answer = await phone.ask("hello", token=server.token(fresh("alice")), device="phone")
        assert answer["type"] == "welcome"
    async with wire(server.url, protocols=["tideline.v1"]) as phone:
        assert phone.socket.protocol == "tideline.v1"


# Origin


ORIGINS = {
    None: True,
    "OWN": True,
    "https://chat.example": True,
    "https://evil.example": False,
    "http://chat.example": False,
    "https://chat.example.evil.example": False,
    "https://chat.example:444": False,
    "null": False,
    "nonsense": False,
    "http://[": False,
    "http://[::1": False,
    "https://": False,
}


async def test_a_page_of_elsewhere_may_not_connect_unless_it_is_on_the_list(start_server: Start) -> None:
    async with start_server(origins="https://chat.example") as server:
        for origin, allowed in ORIGINS.items():
            headers = {} if origin is None else {"Origin": server.url if origin == "OWN" else origin}
            assert await status(server, **headers) == (101 if allowed else 403), origin
            async with raw(server.url) as client:
                lines = [
                    "POST /v1/ping HTTP/1.1",
                    f"Host: {client.host}",
                    f"Authorization: Bearer {server.token('alice')}",
                    "Content-Length: 2",
                    *(f"{name}: {value}" for name, value in headers.items()),
                ]
                await client.write(("\r\n".join(lines) + "\r\n\r\n{}").encode())
                head = await client.reader.readuntil(b"\r\n")
                assert head.startswith(b"HTTP/1.1 200" if allowed else b"HTTP/1.1 403"), origin
        assert "defect" not in server.log()


async def test_an_origin_without_a_host_to_compare_with_is_elsewhere(server: ServerProcess) -> None:
    assert await status(server, Origin="null", Host="") in (400, 403)


# What comes with the handshake


async def test_frames_that_come_with_the_handshake_are_taken(server: ServerProcess, fresh: Fresh) -> None:
    async with raw(server.url) as client:
        hello = f'{{"type":"hello","id":1,"token":"{server.token(fresh("alice"))}","device":"phone","cursor":0}}'
        await client.write(client.upgrade_request() + frame(hello.encode()) + frame(b'{"type":"ping","id":2}'))
        head = await client.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101")
        assert (await client.next())["type"] == "welcome"
        assert (await client.next())["type"] == "pong"


async def test_a_frame_that_comes_with_the_handshake_may_be_large_or_too_large(server: ServerProcess) -> None:
    for size, code in ((200_000, 4401), (300_000, 4413)):
        async with raw(server.url) as client:
            await client.write(client.upgrade_request() + frame(b'{"x":"' + b"x" * (size - 8) + b'"}'))
            await client.reader.readuntil(b"\r\n\r\n")
            assert await client.closed() == code


async def test_a_handshake_may_come_in_pieces(server: ServerProcess, fresh: Fresh) -> None:
    async with raw(server.url) as client:
        text = client.upgrade_request()
        for place in range(0, len(text), 7):
            await client.write(text[place : place + 7])
        assert (await client.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        await client.send({"type": "hello", "id": 1, "token": server.token(fresh("alice")), "device": "phone"})
        assert (await client.next())["type"] == "welcome"
