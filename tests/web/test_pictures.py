"""Pictures of the pages, to be looked at: a demo with its scene, on wide and narrow screens, by day and by night."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.harness.server import ServerProcess
from tests.web.chat import Chat

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(110)]

Start = Callable[..., AbstractAsyncContextManager[ServerProcess]]


async def test_a_demo_shows_its_scene_at_once(start_server: Start, browser: Browser, screenshots: Path) -> None:
    async with start_server(demo="true") as server:
        context = await browser.new_context(viewport={"width": 1340, "height": 840})
        inspector = await context.new_page()
        await inspector.goto(f"{server.url}/inspect")
        lanes = inspector.locator(".lane")
        await expect(lanes).to_have_count(3, timeout=20_000)
        # Until a device is away while others go on: what the picture is about.
        tablet = inspector.locator(".lane", has_text="tablet")
        await expect(tablet.locator(".lag")).to_contain_text("behind", timeout=40_000)
        await expect(inspector.locator(".cell").nth(18)).to_be_visible(timeout=40_000)
        await expect(inspector.locator(".trace-row").nth(3)).to_be_visible()
        await expect(inspector.locator(".cell.fresh")).to_have_count(0)
        await inspector.screenshot(path=screenshots / "inspector.png")
        await inspector.emulate_media(color_scheme="dark")
        await inspector.screenshot(path=screenshots / "inspector-dark.png")
        await inspector.set_viewport_size({"width": 420, "height": 900})
        await inspector.reload()
        await expect(lanes).to_have_count(3, timeout=20_000)
        await expect(inspector.locator(".cell").first).to_be_visible()
        await expect(inspector.locator(".cell.fresh")).to_have_count(0)
        await inspector.screenshot(path=screenshots / "inspector-narrow.png")
        await inspector.close()

        page = await context.new_page()
        await page.set_viewport_size({"width": 1180, "height": 760})
        await page.goto(server.url)
        await page.screenshot(path=screenshots / "sign-in.png")
        await page.get_by_role("button", name="alice").click()
        chat = Chat(page, "alice")
        await chat.live()
        await chat.row("Harbour").click()
        await chat.say("How is the tide at the pier?")
        await chat.has("How is the tide at the pier?", "sent")
        await page.screenshot(path=screenshots / "chat.png")
        await page.emulate_media(color_scheme="dark")
        await page.screenshot(path=screenshots / "chat-dark.png")
        await context.set_offline(True)
        await chat.say("The gauge is hard to read from here.")
        await chat.has("The gauge is hard to read from here.", "pending")
        await expect(chat.banner).to_be_visible()
        await page.emulate_media(color_scheme="light")
        await page.screenshot(path=screenshots / "chat-offline.png")
        await context.set_offline(False)
        await chat.live()
        await page.get_by_role("button", name="About this conversation").click()
        await page.locator(".members li").nth(4).wait_for()
        await page.screenshot(path=screenshots / "group.png")
        await page.keyboard.press("Escape")
        await page.set_viewport_size({"width": 390, "height": 780})
        await page.screenshot(path=screenshots / "narrow-conversation.png")
        await page.get_by_role("button", name="Back to the list").click()
        await page.screenshot(path=screenshots / "narrow-list.png")
        assert chat.errors == []
        await context.close()
