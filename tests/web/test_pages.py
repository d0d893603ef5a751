"""How pages are served: strictly, from memory, cached by version. And a demo's tokens."""

import asyncio
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import aiohttp
import pytest

from tests.harness.server import ServerProcess

pytestmark = pytest.mark.asyncio(loop_scope="session")

Start = Callable[..., AbstractAsyncContextManager[ServerProcess]]


@pytest.mark.parametrize("path", ["/", "/inspect"])
async def test_a_page_is_held_to_itself(server: ServerProcess, path: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(server.url + path) as page:
        text = await page.text()
        assert page.status == 200
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert page.headers["Cache-Control"] == "no-cache"
        assert "{{" not in text
        assert 'name="tideline-demo" content="0"' in text
        files = re.findall(r'(?:src|href)="(/web/[^"]+)"', text)
        assert len(files) > 20
        for file in files:
            async with session.get(server.url + file) as found:
                assert found.status == 200, file
                assert "immutable" in found.headers["Cache-Control"]
                assert "Content-Security-Policy" in found.headers


async def test_an_unchanged_page_is_not_sent_again(server: ServerProcess) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.get(server.url) as page:
            tag = page.headers["ETag"]
        async with session.get(server.url, headers={"If-None-Match": tag}) as again:
            assert again.status == 304


async def test_a_file_of_another_version_is_not_kept(server: ServerProcess) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{server.url}/web/old/client/src/index.js") as found,
    ):
        assert found.status == 200
        assert found.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        "/web/x/../../pyproject.toml",
        "/web/x/%2e%2e/%2e%2e/pyproject.toml",
        "/web/x/client/package.json",
        "/web/x/client/test/server.js",
        "/web/x/client/src/",
        "/web/x//etc/passwd",
        "/web/x/chat%00/index.html",
    ],
)
async def test_only_what_belongs_to_the_pages_is_served(server: ServerProcess, path: str) -> None:
    host, port = "127.0.0.1", server.port
    # Spoken by hand: a client would tidy the path up.

    reader, writer = await asyncio.open_connection(host, port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    assert answer.split(b" ")[1] in (b"404", b"400")


async def test_a_demo_gives_tokens_by_name(demo: ServerProcess) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{demo.url}/v1/demo/token", json={"user": "alice"}) as answer:
            token = (await answer.json())["token"]
        headers = {"Authorization": f"Bearer {token}"}
        async with session.post(f"{demo.url}/v1/devices", json={}, headers=headers) as answer:
            assert answer.status == 200


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Host": "rebound.example"}, '{"user":"alice"}', 403),
        ({"Host": "[bad"}, '{"user":"alice"}', 403),
        ({"Origin": "https://elsewhere.example"}, '{"user":"alice"}', 403),
        ({}, '{"user":"no spaces"}', 400),
        ({}, '{"user":"alice","scope":"root"}', 400),
        ({}, "nonsense", 400),
        ({}, '{"user":"%s"}' % ("x" * 5000), 413),
    ],
)
async def test_a_demo_refuses_pages_of_elsewhere_and_nonsense(
    demo: ServerProcess, headers: dict[str, str], body: str, status: int
) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{demo.url}/v1/demo/token", data=body, headers=headers) as answer,
    ):
        assert answer.status == status


async def test_without_demo_there_are_no_tokens_for_the_asking(server: ServerProcess) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{server.url}/v1/demo/token", json={"user": "alice"}) as answer,
    ):
        assert answer.status in (400, 404)
