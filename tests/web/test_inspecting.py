"""The inspector's stream and its page."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import pytest
from playwright.async_api import Browser, expect

from tests.harness.server import ServerProcess
from tests.harness.wire import device

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(60)]

Fresh = Callable[[str], str]
Start = Callable[..., AbstractAsyncContextManager[ServerProcess]]
Line = dict[str, Any]


class Lines:
    """The stream, line by line."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def next(self, **wanted: Any) -> Line:
        """Return the next line that has these members."""
        async with asyncio.timeout(10):
            while True:
                line: Line = json.loads(await self.response.content.readline())
                if wanted.items() <= line.items():
                    return line


@asynccontextmanager
async def inspecting(server: ServerProcess, user: str, token: str | None = None) -> AsyncIterator[Lines]:
    token = token or server.token("admin", scope="server")
    async with (
        aiohttp.ClientSession() as session,
        session.get(
            f"{server.url}/v1/inspect", params={"user": user}, headers={"Authorization": f"Bearer {token}"}
        ) as response,
    ):
        assert response.status == 200, await response.text()
        yield Lines(response)


async def test_a_commit_is_seen_with_its_place_in_every_timeline(server: ServerProcess, fresh: Fresh) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    async with inspecting(server, bob) as lines, device(server.url, server.token(alice), cursor=0) as one:
        hello = await lines.next(type="hello")
        assert hello["app"] == "main"
        assert hello["epoch"] == one.welcome["epoch"]
        sent = await one.say(bob, "hi")
        commit = await lines.next(type="commit")
        assert commit["messages"] == 1
        assert commit["users"] == 2
        assert commit["seconds"] > 0
        [post] = commit["posts"]
        assert post["at"] == {alice: sent["seq"], bob: 1}
        assert post["event"]["message"]["body"]["text"] == "hi"


async def test_a_device_is_seen_coming_being_pushed_to_stating_and_going(server: ServerProcess, fresh: Fresh) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    async with inspecting(server, bob) as lines, device(server.url, server.token(alice), cursor=0) as one:
        async with device(server.url, server.token(bob), name="tab", cursor=0) as other:
            seen = await lines.next(type="device", user=bob, why="page")
            assert seen["state"] == "live"
            await one.say(bob, "hi")
            seen = await lines.next(type="device", user=bob, why="commit")
            assert (seen["state"], seen["position"], seen["head"]) == ("live", 1, 1)
            await other.ask("ping", cursor=1)
            seen = await lines.next(type="device", user=bob, why="stated")
            assert seen["cursor"] == 1
        seen = await lines.next(type="device", user=bob, why="offline")
        assert seen["state"] is None


async def test_a_hinted_device_is_seen_behind_and_then_pulling(server: ServerProcess, fresh: Fresh) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    async with (
        inspecting(server, bob) as lines,
        device(server.url, server.token(alice), cursor=0) as one,
        device(server.url, server.token(bob), name="tab", cursor=0, delivery="hint") as other,
    ):
        await one.say(bob, "hi")
        seen = await lines.next(type="device", user=bob, why="commit")
        assert (seen["state"], seen["hint"], seen["position"]) == ("behind", True, 0)
        await other.ask("pull", after=0)
        seen = await lines.next(type="device", user=bob, why="page", position=1)
        assert seen["state"] == "live"


@pytest.mark.parametrize("scope", ["user", None])
async def test_only_a_server_token_inspects(server: ServerProcess, scope: str | None) -> None:
    headers = {"Authorization": f"Bearer {server.token('alice')}"} if scope else {}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{server.url}/v1/inspect", headers=headers) as response,
    ):
        assert response.status == (403 if scope else 401)


async def test_one_app_does_not_see_another(start_server: Start) -> None:
    async with start_server(**{"apps.other": "a-secret-of-at-least-thirty-two-bytes"}) as server:
        from tideline.gateway.auth import Key, make_token

        key = Key("a-secret-of-at-least-thirty-two-bytes")
        other = make_token(key, "admin", scope="server", app="other")
        async with (
            inspecting(server, "bob", other) as lines,
            device(server.url, server.token("alice"), cursor=0) as one,
            device(server.url, make_token(key, "alice", app="other"), cursor=0) as two,
        ):
            await one.say("bob", "of main")
            await two.say("bob", "of other")
            commit = await lines.next(type="commit")
            assert commit["posts"][0]["event"]["message"]["body"]["text"] == "of other"


async def test_inspectors_are_bounded_and_make_room_when_they_go(start_server: Start) -> None:
    async with start_server() as server, AsyncExitStack() as stack:
        for _ in range(8):
            await stack.enter_async_context(inspecting(server, ""))
        token = server.token("admin", scope="server")
        async with aiohttp.ClientSession() as session:
            headers = {"Authorization": f"Bearer {token}"}
            async with session.get(f"{server.url}/v1/inspect", headers=headers) as refused:
                assert refused.status == 429
        await stack.aclose()
        async with asyncio.timeout(10):
            while True:
                try:
                    async with inspecting(server, "") as lines:
                        await lines.next(type="rates")
                    break
                except AssertionError:
                    continue


async def test_a_stop_ends_the_streams(start_server: Start) -> None:
    async with start_server() as server, inspecting(server, "") as lines:
        await lines.next(type="hello")
        assert await server.stop(timeout=10) == 0


async def test_the_page_shows_every_device_as_a_cursor_that_moves(
    demo: ServerProcess, browser: Browser, fresh: Fresh
) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    context = await browser.new_context(viewport={"width": 1280, "height": 820})
    page = await context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    async with device(demo.url, demo.token(alice), cursor=0) as one:
        async with device(demo.url, demo.token(bob), name="phone", cursor=0):
            async with device(demo.url, demo.token(bob), name="tablet", cursor=0):
                await page.goto(f"{demo.url}/inspect#{bob}")
                await expect(page.locator(".status")).to_have_text("live")
                phone, tablet = page.locator(".lane", has_text="phone"), page.locator(".lane", has_text="tablet")
                for n in range(3):
                    await one.say(bob, f"number {n}")
                for lane in (phone, tablet):
                    await expect(lane.locator(".lag")).to_have_text("up to date")
                    await expect(lane.locator(".flag")).to_have_text("3")
                    await expect(lane.locator(".pill")).to_have_text("live")
            await expect(tablet.locator(".pill")).to_have_text("offline")
            await one.say(bob, '<img src=x onerror="window.pwned=1">')
            await expect(tablet.locator(".lag")).to_have_text("1 behind")
            await expect(phone.locator(".lag")).to_have_text("up to date")
            rows = page.locator(".trace-row")
            await expect(rows.filter(has_text=f"{bob} · phone")).to_contain_text("pushed")
            await expect(rows.filter(has_text=f"{bob} · tablet")).to_contain_text("waits in the timeline")
        async with device(demo.url, demo.token(bob), name="tablet", cursor=3):
            await expect(rows.filter(has_text=f"{bob} · tablet")).to_contain_text("pulled")
            await expect(tablet.locator(".lag")).to_have_text("up to date")
    await page.locator(".cell", has_text="2").first.click()
    await expect(page.locator(".event")).to_contain_text("number 1")
    assert await page.evaluate("window.pwned") is None
    assert errors == []
    await context.close()


async def test_looking_changes_nothing(demo: ServerProcess, browser: Browser, fresh: Fresh) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    async with device(demo.url, demo.token(alice), cursor=0) as one:
        await one.say(bob, "unread")
        context = await browser.new_context()
        page = await context.new_page()
        await page.goto(f"{demo.url}/inspect#{bob}")
        await page.locator(".cell").first.wait_for()
        await context.close()
    async with device(demo.url, demo.token(bob), name="phone", cursor=0) as other:
        devices = (await other.ask("devices"))["devices"]
        assert [each["device"] for each in devices] == ["phone"]
        state = (await other.ask("snapshot"))["conversations"][0]
        assert state["unread"] == 1
