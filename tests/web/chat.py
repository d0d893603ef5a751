"""The chat as someone who uses it sees it."""

import asyncio
from typing import Any

from playwright.async_api import Locator, Page, expect

from tests.harness.server import ServerProcess


class Chat:
    """A page of the chat with a user signed in."""

    def __init__(self, page: Page, user: str) -> None:
        self.page = page
        self.user = user
        self.errors: list[str] = []
        self.asked: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda said: self.errors.append(said.text) if _matters(said.type, said.text) else None)
        page.on("request", lambda request: self.asked.append(request.url))

    @classmethod
    async def open(cls, page: Page, server: ServerProcess, user: str) -> "Chat":
        """Sign in to a demo."""
        chat = cls(page, user)
        await page.goto(server.url)
        await page.get_by_label("Another name").fill(user)
        await page.get_by_role("button", name="Sign in").click()
        await chat.live()
        return chat

    async def beside(self) -> "Chat":
        """Open another tab of the same browser."""
        page = await self.page.context.new_page()
        chat = Chat(page, self.user)
        await page.goto(self.page.url)
        await chat.live()
        return chat

    async def live(self) -> None:
        """Wait until the page is connected and has caught up."""
        await self.page.locator("#app[data-state=live]").wait_for(timeout=20_000)

    async def start(self, name: str) -> None:
        """Begin, or go on with, the conversation with someone."""
        search = self.page.get_by_role("searchbox")
        await search.fill(name)
        await search.press("Enter")
        await expect(self.page.get_by_role("heading", level=1)).to_have_text(name)

    async def say(self, *texts: str) -> None:
        """Send messages in the conversation that is open."""
        for text in texts:
            await self.field.fill(text)
            await self.field.press("Enter")

    @property
    def field(self) -> Locator:
        return self.page.locator("#write")

    @property
    def messages(self) -> Locator:
        return self.page.locator(".message")

    def message(self, text: str) -> Locator:
        return self.page.locator(".message", has=self.page.locator(".text", has_text=text))

    def row(self, name: str) -> Locator:
        return self.page.locator(".rows .row", has_text=name)

    @property
    def banner(self) -> Locator:
        return self.page.locator(".banner")

    async def texts(self) -> list[str]:
        """Return the texts of the messages on the page, in order."""
        return await self.page.locator(".message .text").all_inner_texts()

    async def sees(self, *texts: str) -> None:
        """Wait for messages, and check that they are there once and in this order."""
        for text in texts:
            await self.message(text).first.wait_for()
        shown = [text for text in await self.texts() if text in texts]
        assert shown == list(texts)

    async def has(self, text: str, status: str) -> None:
        """Wait until one's own message has a mark; what was read was sent."""
        marks = (status, "read") if status == "sent" else (status,)
        marked = ", ".join(f".message.{mark}" for mark in marks)
        await self.page.locator(marked).filter(has_text=text).first.wait_for(timeout=10_000)

    async def run(self, script: str, argument: Any = None) -> Any:
        """Run a script in the page; ``tideline`` is its client."""
        return await self.page.evaluate(script, argument)

    async def until(self, script: str) -> None:
        """Wait until a script says true. (Playwright's own way needs `eval`, which the page forbids.)"""
        async with asyncio.timeout(20):
            while not await self.run(script):
                await self.page.wait_for_timeout(20)


def _matters(kind: str, text: str) -> bool:
    """Tell whether the page's console says that something is wrong, other than that a server is away."""
    return kind in ("error", "warning") and "ERR_" not in text and "WebSocket connection" not in text
