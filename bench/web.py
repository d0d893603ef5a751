"""The browser's side in figures: ``python -m bench.web``. Chromium, the server and the sender share this machine.

Printed: how long from opening the page to the list of conversations (a new device, and one that comes back), the
longest frame while 1,000 messages a second arrive, and how large the client is.
"""

import argparse
import asyncio
import json
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
CLIENT = Path(__file__).parents[1] / "web" / "client"
TICK = 0.02

LIST_SHOWN = """
new MutationObserver((_, observer) => {
  const rows = document.querySelector('.rows');
  if (!rows || !rows.querySelector('.row .row-last')?.textContent) return;
  observer.disconnect();
  requestAnimationFrame(() => setTimeout(() => (globalThis.listShown = performance.now())));
}).observe(document, {childList: true, subtree: true, characterData: true});
"""
FRAMES = """
() => {
  globalThis.frames_ = [];
  let last = performance.now();
  const frame = (now) => { frames_.push(now - last); last = now; requestAnimationFrame(frame); };
  requestAnimationFrame((now) => { last = now; requestAnimationFrame(frame); });
}
"""


@asynccontextmanager
async def serving() -> AsyncIterator[str]:
    """Run a server as a demo, without its scene."""
    with tempfile.TemporaryDirectory() as folder:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tideline", "serve", "--demo", "--no-scene", "--port=0", f"--data={folder}"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert process.stdout is not None
        try:
            while (found := re.search(r"http://[\d.]+:\d+", (await process.stdout.readline()).decode())) is None:
                pass
            yield found[0]
        finally:
            process.terminate()
            await process.wait()


class Sender:
    """Sends over one WebSocket, without waiting for answers."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.sent = self.answered = 0
        self._reader = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        async for message in self.socket:
            frames = json.loads(message.data)
            for frame in frames if isinstance(frames, list) else [frames]:
                self.answered += frame["type"] == "sent"

    async def send(self, *targets: str) -> None:
        frames = []
        for to in targets:
            self.sent += 1
            body = {"type": "text", "text": f"message {self.sent}: high water is at ten past six, wind south-west"}
            frames.append(
                {"type": "send", "id": self.sent + 1, "to": to, "client_id": secrets.token_hex(12), "body": body}
            )
        await self.socket.send_str(json.dumps(frames))

    async def settled(self) -> None:
        await until(lambda: self.answered >= self.sent)


@asynccontextmanager
async def sending(url: str, user: str) -> AsyncIterator[Sender]:
    async with aiohttp.ClientSession() as session:
        token = await token_of(session, url, user)
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}/v1/ws", max_msg_size=0) as socket:
        hello = {"type": "hello", "id": 1, "token": token, "device": "bench", "cursor": 0}
        await socket.send_json(hello)
        await socket.receive()
        yield Sender(socket)


async def until(holds: Callable[[], bool]) -> None:
    """Look again and again until something holds."""
    while True:
        if holds():
            return
        await asyncio.sleep(0.01)


async def token_of(session: aiohttp.ClientSession, url: str, user: str) -> str:
    async with session.post(f"{url}/v1/demo/token", json={"user": user}) as answer:
        return str((await answer.json())["token"])


async def context_of(browser: Browser, url: str, user: str) -> BrowserContext:
    """Make a browser in which a user is signed in already."""
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    async with aiohttp.ClientSession() as http:
        token = await token_of(http, url, user)
    session = json.dumps({"user": user, "token": token, "demo": True})
    await context.add_init_script(f"localStorage.setItem('tideline.session', {json.dumps(session)})")
    await context.add_init_script(LIST_SHOWN)
    return context


async def value(page: Page, expression: str) -> Any:
    """Wait until an expression has a value."""
    while True:
        found = await page.evaluate(f"globalThis.{expression}")
        if found is not None:
            return found
        await page.wait_for_timeout(20)


async def opening(browser: Browser, url: str, user: str, conversations: int, rounds: int) -> None:
    async with sending(url, user) as sender:
        for start in range(0, conversations, 200):
            await sender.send(*(f"peer-{n}" for n in range(start, min(start + 200, conversations))))
        await sender.settled()
    new, returning = [], []
    for _ in range(rounds):
        context = await context_of(browser, url, user)
        page = await context.new_page()
        await page.goto(url)
        new.append(await value(page, "listShown"))
        await page.locator("#app[data-state=live]").wait_for()
        await page.reload()
        returning.append(await value(page, "listShown"))
        await context.close()
    print(f"open to list, {conversations:6,} conversations, new device        {_times(new)}")
    print(f"open to list, {conversations:6,} conversations, returning device  {_times(returning)}")


async def arriving(browser: Browser, url: str, rate: int, seconds: int) -> None:
    async with sending(url, "sender") as sender:
        await sender.send("receiver")
        await sender.settled()
        context = await context_of(browser, url, "receiver")
        page = await context.new_page()
        await page.goto(f"{url}#sender")
        await page.locator(".message").first.wait_for()
        await page.evaluate(FRAMES)
        started = time.monotonic()
        sent = 0
        while (passed := time.monotonic() - started) < seconds:
            due = int(passed * rate) - sent
            if due:
                await sender.send(*["receiver"] * due)
                sent += due
            await asyncio.sleep(TICK)
        await sender.settled()
        while await page.evaluate("tideline.status.cursor") < sent + 1:
            await page.wait_for_timeout(20)
        lag = time.monotonic() - started - seconds
        frames = sorted(await page.evaluate("frames_"))
        over = sum(frame > 100 for frame in frames)
        print(
            f"{sent / seconds:,.0f} messages/s for {seconds} s into an open conversation: frames {len(frames)}, "
            f"p50 {frames[len(frames) // 2]:.0f} ms, p99 {frames[int(len(frames) * 0.99)]:.0f} ms, "
            f"longest {frames[-1]:.0f} ms, over 100 ms: {over}; all stored {lag:.2f} s after the last was sent"
        )
        await context.close()


def _times(times: list[float]) -> str:
    ordered = sorted(times)
    return f"median {ordered[len(ordered) // 2]:.0f} ms, longest {ordered[-1]:.0f} ms ({len(ordered)} rounds)"


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--conversations", type=int, nargs="*", default=[1000, 10_000])
    await measure(parser.parse_args())


async def measure(options: argparse.Namespace) -> None:
    async with serving() as url, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for count in options.conversations:
            await opening(browser, url, f"user-{count}", count, options.rounds)
        await arriving(browser, url, options.rate, options.seconds)
        await browser.close()


if __name__ == "__main__":
    subprocess.run(["node", "size.js"], cwd=CLIENT, check=False)
    asyncio.run(main())
