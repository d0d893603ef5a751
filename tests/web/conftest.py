"""A real browser: Debian's Chromium, driven by Playwright. Pictures are written to the folder ``screenshots``."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.harness.server import ServerProcess, server_process
from tests.web.chat import Chat

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SCREENSHOTS = Path(os.environ.get("TIDELINE_SCREENSHOTS", "screenshots"))

OpenChat = Callable[..., Awaitable[Chat]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def demo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServerProcess]:
    """A demo without its scene, that all tests share: use fresh names."""
    async with server_process(tmp_path_factory.mktemp("demo") / "data", demo="true", scene="false") as running:
        yield running
        assert "defect" not in running.log(), running.log()[-4000:]


@pytest_asyncio.fixture(loop_scope="session")
async def chat(browser: Browser) -> AsyncIterator[OpenChat]:
    """Open the chat of a user on a new device: ``await chat(server, "alice")``; errors of the page fail the test."""
    async with AsyncExitStack() as stack:
        opened: list[Chat] = []

        async def open_chat(server: ServerProcess, user: str, **options: Any) -> Chat:
            context = await browser.new_context(viewport={"width": 1100, "height": 760}, **options)
            stack.push_async_callback(context.close)
            one = await Chat.open(await context.new_page(), server, user)
            opened.append(one)
            return one

        yield open_chat
        for one in opened:
            assert one.errors == []


@pytest.fixture
def screenshots() -> Path:
    """Where pictures of pages go, to be looked at."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    return SCREENSHOTS
