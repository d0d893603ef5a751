"""The same requests over HTTP: statuses, long polls, and what a client of HTTP/1.1 may do (protocol, section 2)."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.harness.raw import raw
from tests.harness.server import ServerProcess
from tests.harness.wire import device, message
from tideline.protocol.table import REQUESTS

Fresh = Callable[[str], str]
Start = Callable[..., AbstractAsyncContextManager[ServerProcess]]
Frame = dict[str, Any]


class Client:
    """A user who speaks HTTP."""

    def __init__(self, session: aiohttp.ClientSession, server: ServerProcess, user: str, device: str | None) -> None:
        self.session = session
        self.server = server
        self.user = user
        self.headers = {"Authorization": f"Bearer {server.token(user)}"}
        if device is not None:
            self.headers["Tideline-Device"] = device

    async def call(self, kind: str, *, headers: dict[str, str] | None = None, **fields: Any) -> tuple[int, Frame]:
        """Return the status and the answer."""
        return await self.post(kind, json.dumps(fields).encode(), headers)

    async def post(self, kind: str, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, Frame]:
        async with self.session.post(
            f"{self.server.url}/v1/{kind}", data=body, headers=self.headers if headers is None else headers
        ) as response:
            assert response.content_type == "application/json"
            answer: Frame = await response.json()
            if "code" in answer and answer["retry_after"]:
                assert int(response.headers["Retry-After"]) >= 1
            return response.status, answer

    async def ok(self, kind: str, **fields: Any) -> Frame:
        status, answer = await self.call(kind, **fields)
        assert status == 200, answer
        assert "id" not in answer
        return answer


Connect = Callable[..., Client]


@pytest_asyncio.fixture(name="connect")
async def a_session(server: ServerProcess) -> AsyncIterator[Connect]:
    async with aiohttp.ClientSession() as session:
        yield lambda user, device=None: Client(session, server, user, device)


async def test_every_request_type_works_over_http(connect: Connect, fresh: Fresh) -> None:
    name, bob, team = fresh("alice"), fresh("bob"), f"g:{fresh('team')}"
    alice = connect(name, "script")
    state = (await alice.ok("create", conversation=team, title="Team", members=[bob]))["state"]
    assert (state["role"], state["members"]) == ("admin", 2)
    assert await alice.ok("add", conversation=team, members=["carol"]) == {"type": "ok"}
    assert await alice.ok("role", conversation=team, user=bob, role="admin") == {"type": "ok"}
    assert await alice.ok("update", conversation=team, title="New", pinned=True) == {"type": "ok"}
    assert await alice.ok("remove", conversation=team, members=["carol"]) == {"type": "ok"}
    sent = await alice.ok("send", conversation=team, **message("hi"))
    assert (sent["type"], sent["message_seq"], sent["duplicate"]) == ("sent", 1, False)
    assert await connect(bob).ok("read", conversation=team, message_seq=1) == {"type": "ok"}
    history = await alice.ok("history", conversation=team, limit=1)
    assert history["messages"][0]["body"]["text"] == "hi"
    members = await alice.ok("members", conversation=team)
    assert [member["user"] for member in members["members"]] == [name, bob]
    page = await alice.ok("pull", after=0)
    assert [entry["seq"] for entry in page["entries"]] == list(range(1, page["head"] + 1))
    assert page["more"] is False
    snapshot = await alice.ok("snapshot")
    assert snapshot["conversations"][0]["title"] == "New"
    assert await alice.ok("ping", cursor=2) == {"type": "pong", "head": page["head"]}
    (script,) = (await alice.ok("devices"))["devices"]
    assert (script["device"], script["cursor"], script["online"]) == ("script", 2, False)
    assert await connect(name).ok("forget", device="script") == {"type": "ok"}
    served = {kind for kind, spec in REQUESTS.items() if spec.http and not spec.later}
    assert served == {
        *("create", "add", "role", "update", "remove", "send", "read", "history", "members", "pull"),
        *("snapshot", "ping", "devices", "forget"),
    } | (served & {"edit", "recall", "react"})


@pytest.mark.parametrize(
    ("kind", "body", "status", "code"),
    [
        ("send", b"", 400, "bad_request"),
        ("send", b"{", 400, "bad_request"),
        ("send", b"[]", 400, "bad_request"),
        ("send", b'{"to":"bob","client_id":"c","body":{},"to":"eve"}', 400, "bad_request"),
        ("send", b'{"to":"bob","client_id":"c","body":{"x":"\\ud800"}}', 400, "bad_request"),
        ("send", b'{"to":"bob","client_id":"c","body":{"x":"\xff"}}', 400, "bad_request"),
        ("send", b'{"to":"bob","client_id":"c","body":' + b"[" * 200 + b"]" * 200 + b"}", 400, "bad_request"),
        ("send", b'{"to":"bob","client_id":"c"}', 400, "bad_request"),
        ("send", b'{"conversation":"d:z~a","client_id":"c","body":{}}', 400, "bad_request"),
        ("send", b'{"conversation":"g:none","client_id":"c","body":{}}', 403, "forbidden"),
        ("send", b'{"to":"bob","client_id":"c","body":{"x":"' + b"x" * 32_768 + b'"}}', 413, "too_large"),
        ("send", b" " * 262_145, 413, "too_large"),
        ("send", b" " * 1_000_000, 413, "too_large"),
        ("forget", b'{"device":"none"}', 404, "not_found"),
        ("pull", b'{"after":99}', 410, "cursor_ahead"),
        ("pull", b'{"after":0,"epoch":"another"}', 410, "epoch_changed"),
        ("pull", b'{"after":0,"wait":-1}', 400, "bad_request"),
        ("pull", b'{"after":0,"wait":"long"}', 400, "bad_request"),
        ("pull", b'{"after":0,"wait":true}', 400, "bad_request"),
        ("pull", b'{"after":0,"limit":0}', 400, "bad_request"),
        ("devices", b'{"as":"bob"}', 403, "forbidden"),
        ("hello", b'{"token":"t","device":"x"}', 400, "bad_request"),
        ("renew", b'{"token":"t"}', 400, "bad_request"),
        ("signal", b'{"conversation":"d:a~b","signal":"x"}', 400, "bad_request"),
        ("dance", b"{}", 400, "bad_request"),
    ],
)
async def test_an_error_has_the_status_of_its_code_and_stores_nothing(
    connect: Connect, fresh: Fresh, kind: str, body: bytes, status: int, code: str
) -> None:
    alice = connect(fresh("alice"))
    got, answer = await alice.post(kind, body)
    assert (got, answer["code"], answer["type"]) == (status, code, "error")
    assert "id" not in answer
    assert answer["retry"] is False
    assert (await alice.ok("ping"))["head"] == 0


@pytest.mark.parametrize("kind", ["conflict"])
async def test_a_conflict_is_409(connect: Connect, fresh: Fresh, kind: str) -> None:
    alice = connect(fresh("alice"))
    await alice.ok("send", to="bob", client_id="c", body={})
    status, answer = await alice.call("send", to="bob", client_id="c", body={"x": 1})
    assert (status, answer["code"]) == (409, kind)


async def test_without_a_good_token_everything_is_401(connect: Connect, server: ServerProcess, fresh: Fresh) -> None:
    alice = connect(fresh("alice"))
    token = server.token(alice.user)
    bad: list[dict[str, str]] = [
        {},
        {"Authorization": ""},
        {"Authorization": token},
        {"Authorization": f"Basic {token}"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Bearer {token[:-2]}"},
        {"Authorization": f"Bearer {server.token(alice.user, days=-1)}"},
        {"Authorization": f"Bearer {server.token(alice.user, device='tv')}", "Tideline-Device": "phone"},
    ]
    for headers in bad:
        status, answer = await alice.call("ping", headers=headers)
        assert (status, answer["code"]) == (401, "unauthorized"), headers
    status, _ = await alice.call("ping", headers={"authorization": f"bearer  {token}"})
    assert status == 200
    async with alice.session.post(f"{server.url}/v1/ping?token={token}", json={}) as response:
        assert response.status == 401


async def test_a_device_is_known_by_its_header_or_its_token(
    connect: Connect, server: ServerProcess, fresh: Fresh
) -> None:
    alice = connect(fresh("alice"))
    await alice.ok("send", to=alice.user, **message("1"))
    await alice.ok("pull", after=1)
    assert (await alice.ok("devices"))["devices"] == []
    await connect(alice.user, "script").ok("pull", after=1)
    bound = {"Authorization": f"Bearer {server.token(alice.user, device='bound')}"}
    status, _ = await alice.call("pull", headers=bound, after=0)
    assert status == 200
    found = {each["device"]: each["cursor"] for each in (await alice.ok("devices"))["devices"]}
    assert found == {"script": 1, "bound": 0}
    for name in ("a b", "", "x" * 65, "é"):
        status, answer = await alice.call("ping", headers={**alice.headers, "Tideline-Device": name})
        assert (status, answer["code"]) == (400, "bad_request")


async def test_a_back_end_speaks_for_whom_it_names(connect: Connect, server: ServerProcess, fresh: Fresh) -> None:
    name, bob = fresh("alice"), fresh("bob")
    back_end = connect("the-app")
    back_end.headers = {"Authorization": f"Bearer {server.token('the-app', scope='server')}"}
    sent = await back_end.ok("send", **{"as": name, "to": bob}, **message("from the app"))
    assert sent["conversation"] == "d:" + "~".join(sorted([name, bob]))
    page = await connect(bob).ok("pull", after=0)
    assert page["entries"][0]["event"]["message"]["sender"] == name
    for wrong in ({}, {"as": "a b"}, {"as": 5}, {"as": None}):
        status, answer = await back_end.call("ping", **wrong)
        assert (status, answer["code"]) == (400, "bad_request")
        assert "`as`" in answer["message"]


async def test_a_forgotten_device_is_refused_over_http_too(connect: Connect, fresh: Fresh) -> None:
    alice = connect(fresh("alice"), "script")
    await alice.ok("ping")
    await connect(alice.user).ok("forget", device="script")
    status, answer = await alice.call("ping")
    assert (status, answer["code"]) == (401, "unauthorized")


# Long polls


async def test_a_poll_answers_at_once_when_there_is_something(connect: Connect, fresh: Fresh) -> None:
    alice = connect(fresh("alice"))
    await alice.ok("send", to=alice.user, **message("1"))
    page = await alice.ok("pull", after=0, wait=60)
    assert [entry["seq"] for entry in page["entries"]] == [1]


async def test_a_poll_wakes_at_a_commit_and_answers_with_what_it_brought(
    connect: Connect, server: ServerProcess, fresh: Fresh
) -> None:
    alice, bob = connect(fresh("alice"), "script"), fresh("bob")
    async with device(server.url, server.token(bob)) as other:
        for number in range(5):
            polling = asyncio.create_task(alice.ok("pull", after=number, wait=60))
            while not (await alice.ok("devices"))["devices"]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await other.say(alice.user, str(number))
            async with asyncio.timeout(5):
                page = await polling
            assert [entry["seq"] for entry in page["entries"]] == [number + 1]
            assert (page["head"], page["more"]) == (number + 1, False)


async def test_a_poll_ends_empty_when_its_time_is_over(connect: Connect, fresh: Fresh) -> None:
    alice = connect(fresh("alice"))
    async with asyncio.timeout(5):
        page = await alice.ok("pull", after=0, wait=0.2)
    assert (page["entries"], page["head"], page["more"]) == ([], 0, False)


async def test_a_second_poll_of_a_device_ends_the_first_and_no_other_device_s(connect: Connect, fresh: Fresh) -> None:
    name = fresh("alice")
    one, other = connect(name, "one"), connect(name, "other")
    first = asyncio.create_task(one.ok("pull", after=0, wait=60))
    bystander = asyncio.create_task(other.ok("pull", after=0, wait=60))
    while len((await one.ok("devices"))["devices"]) < 2:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    second = asyncio.create_task(one.ok("pull", after=0, wait=60))
    async with asyncio.timeout(5):
        assert (await first)["entries"] == []
    assert not bystander.done()
    await one.ok("send", to=name, **message("1"))
    async with asyncio.timeout(5):
        for each in (second, bystander):
            assert [entry["seq"] for entry in (await each)["entries"]] == [1]


async def test_a_poll_that_its_client_gave_up_leaves_nothing_behind(
    connect: Connect, server: ServerProcess, fresh: Fresh
) -> None:
    alice = connect(fresh("alice"), "script")
    for _ in range(5):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await alice.ok("pull", after=0, wait=60)
    await alice.ok("send", to=alice.user, **message("1"))
    assert (await alice.ok("pull", after=0, wait=60))["head"] == 1


# HTTP itself


def request(server: ServerProcess, path: str, body: bytes = b"{}", **headers: str) -> bytes:
    fields = {"Host": "x", "Content-Length": str(len(body)), **headers}
    lines = [f"POST {path} HTTP/1.1", *(f"{name.replace('_', '-')}: {value}" for name, value in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


async def test_requests_may_be_pipelined_and_a_connection_kept(server: ServerProcess, fresh: Fresh) -> None:
    authorization = f"Bearer {server.token(fresh('alice'))}"
    async with raw(server.url) as client:
        one = request(server, "/v1/ping", Authorization=authorization)
        for _ in range(3):
            await client.write(one * 20)
            for _ in range(20):
                async with asyncio.timeout(5):
                    head = await client.reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200")
                size = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                assert json.loads(await client.reader.readexactly(size)) == {"type": "pong", "head": 0}


async def test_a_head_may_come_byte_by_byte(server: ServerProcess, fresh: Fresh) -> None:
    text = request(server, "/v1/ping", Authorization=f"Bearer {server.token(fresh('alice'))}")
    async with raw(server.url) as client:
        for place in range(len(text)):
            await client.write(text[place : place + 1])
            if place % 16 == 0:
                await asyncio.sleep(0)
        async with asyncio.timeout(5):
            assert (await client.reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "text",
    [
        b"GET /v1/info HTTP/1.1\r\nX: " + b"x" * 20_000,
        b"GET /v1/info HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        b"x" * 20_000,
        b"GET /v1/ws HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
        b"GET /v1/info HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 9_000 + b"\r\n\r\n",
        b"POST /v1/ping HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + b"x" * 15_000 + b"\r\n\r\n",
        b"\r\n\r\nnonsense\r\n\r\n",
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 TLS here?\r\n\r\n",
        b"GET /v1/info HTTP/9.9\r\n\r\n",
        b"POST /v1/ping HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/ping HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
async def test_a_head_that_is_none_or_too_large_ends_its_connection_and_nobody_else_s(
    server: ServerProcess, fresh: Fresh, text: bytes
) -> None:
    async with raw(server.url) as client, device(server.url, server.token(fresh("alice"))) as phone:
        try:
            await client.write(text)
            answer = await client.ended(15)
        except ConnectionError:
            answer = b""
        assert b" 200 " not in answer.split(b"\r\n")[0]
        assert b" 500 " not in answer.split(b"\r\n")[0]
        assert (await phone.ask("ping"))["type"] == "pong"


async def test_what_there_is_to_get(server: ServerProcess, connect: Connect) -> None:
    session = connect("x").session
    async with session.get(f"{server.url}/healthz") as response:
        assert (response.status, await response.json()) == (200, {"status": "ok"})
    async with session.get(f"{server.url}/v1/info") as response:
        info = await response.json()
        assert info["limits"]["body"] == 32768
        assert info["version"]
    async with session.get(f"{server.url}/metrics") as response:
        text = await response.text()
        assert response.headers["Content-Type"].startswith("text/plain")
        assert "tideline_messages_total" in text
    for method, path, status in (
        ("GET", "/v1/nothing/here", 404),
        ("GET", "/v1/send", 400),
        ("DELETE", "/v1/send", 400),
        ("POST", "/healthz", 400),
        ("GET", "/v1/ws", 400),
        ("POST", "/v1/ws", 400),
    ):
        async with session.request(method, f"{server.url}{path}", json={}) as response:
            assert response.status in (status, 405), path
