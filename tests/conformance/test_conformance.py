"""The conformance kit: this server keeps every promise, and one that does not is told which."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession, WSMsgType, web

from tests.harness.server import ServerProcess
from tideline.conformance import PROMISES, Result, run

Frame = dict[str, Any]


async def results(url: str, server: ServerProcess, fresh: Callable[[str], str], *texts: str) -> list[Result]:
    tokens = [server.token(fresh("conf-a"), days=1), server.token(fresh("conf-b"), days=1)]
    chosen = [promise for promise in PROMISES if not texts or any(text in promise.text for text in texts)]
    assert chosen
    return [result async for result in run(url, tokens, chosen)]


async def test_this_server_keeps_every_promise(server: ServerProcess, fresh: Callable[[str], str]) -> None:
    found = await results(server.url, server, fresh)
    assert [(result.promise.text, result.detail) for result in found if result.held is not True] == []


async def test_with_one_token_what_takes_two_users_is_not_checked(
    server: ServerProcess, fresh: Callable[[str], str]
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tideline", "conformance", server.url, "--token", server.token(fresh("conf"))),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    assert f"0 are broken, {sum(promise.users > 1 for promise in PROMISES)} were not checked" in out.decode()


Spoil = Callable[[list[Frame]], list[Frame]]


@asynccontextmanager
async def spoiling(server: ServerProcess, spoil: Spoil) -> AsyncIterator[str]:
    """A proxy that passes on what it should not touch, and spoils what the server says."""

    async def websocket(request: web.Request) -> web.WebSocketResponse:
        near = web.WebSocketResponse(protocols=["tideline.v1"], max_msg_size=0)
        await near.prepare(request)
        async with ClientSession() as session, session.ws_connect(f"{server.url}/v1/ws", max_msg_size=0) as far:

            async def up() -> None:
                async for message in near:
                    await far.send_str(message.data)
                await far.close()

            upward = asyncio.create_task(up())
            async for message in far:
                if message.type is WSMsgType.TEXT:
                    found = json.loads(message.data)
                    frames = spoil(found if isinstance(found, list) else [found])
                    if frames:
                        await near.send_str(json.dumps(frames))
            await near.close(code=far.close_code or 1006)
            upward.cancel()
        return near

    application = web.Application()
    application.router.add_get("/v1/ws", websocket)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


def _only(kind: str, change: Callable[[Frame], Frame | None]) -> Spoil:
    def spoil(frames: list[Frame]) -> list[Frame]:
        changed = [change(frame) if frame.get("type") == kind else frame for frame in frames]
        return [frame for frame in changed if frame is not None]

    return spoil


def _twice(frames: list[Frame]) -> list[Frame]:
    return [frame for each in frames for frame in ([each, each] if each.get("type") == "push" else [each])]


@pytest.mark.parametrize(
    ("spoil", "broken"),
    [
        (_only("push", lambda frame: None), "a live connection is pushed every entry"),
        (_twice, "a live connection is pushed every entry"),
        (_only("page", lambda frame: {**frame, "more": False}), "pages give every entry once"),
        (_only("sent", lambda frame: {**frame, "duplicate": False}), "the same client_id is stored once"),
        (_only("sent", lambda frame: {**frame, "seq": 2 * frame["seq"]}), "numbers follow each other"),
        (_only("welcome", lambda frame: {**frame, "reset": None}), "gets a reset that says why"),
    ],
)
async def test_what_a_proxy_breaks_is_named(
    server: ServerProcess, fresh: Callable[[str], str], spoil: Spoil, broken: str
) -> None:
    async with spoiling(server, spoil) as url:
        (result,) = await results(url, server, fresh, broken)
    assert result.held is False
    assert result.detail
