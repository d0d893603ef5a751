"""What users wrote stays text, whatever it is; and nothing comes from elsewhere."""

import json
from collections.abc import Callable

import pytest
from playwright.async_api import expect

from tests.harness.server import ServerProcess
from tests.web.conftest import OpenChat
from tideline.client.client import Client

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(90)]

Fresh = Callable[[str], str]

BODIES = (
    '<img src=x onerror="window.pwned=1">',
    "<script>window.pwned=1</script>",
    "javascript:window.pwned=1",
    "</p></article><h1>big</h1>",
    "${window.pwned=1} {{7*7}} &lt;b&gt; &amp;",
    "\u202egnp.exe \u2066x\u2069 \u0000 \ufeff \u200d",
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L" * 20,
    "a" * 3000,
    "http://127.0.0.1/ https://elsewhere.example/x.png",
)
NAMES = ("[x]^_|\\", "<b>bold</b>", "__proto__", "constructor", "';alert(1);'", "=cmd|'A0'!A1")


async def test_names_titles_and_bodies_are_text_and_nothing_else(
    demo: ServerProcess, chat: OpenChat, fresh: Fresh
) -> None:
    alice = fresh("alice")
    one = await chat(demo, alice)
    for name in (name.replace("/", "") for name in NAMES):
        async with Client(demo.url, demo.token(name), device="terminal") as hostile:
            for body in BODIES:
                last = await hostile.send(alice, body)
            await hostile.send(alice, {"type": "<i>odd</i>", "text": {"not": "text"}})
            await hostile.send(alice, {"type": "text", "text": ["not", "text"]})
            last = await hostile.send(alice, f"the end of {name}")
            await last.sent()
            group = await hostile.create(title=f"<u>{name}</u><img src=x onerror=window.pwned=1>", members=[alice])
            await (await hostile.send(group.conversation, BODIES[0])).sent()
        row = one.page.locator(f".row button[data-id={json.dumps(_direct(alice, name))}]")
        await row.click()
        await one.message(f"the end of {name}").wait_for()
        shown = await one.page.locator(".message .text").evaluate_all("all => all.map(e => e.textContent)")
        texts = [text.replace("\x00", "\ufffd") for text in shown]
        for body in BODIES:
            assert body.replace("\x00", "\ufffd") in texts
        await expect(one.page.locator(".head h1")).to_have_text(name)
        await one.page.locator(f".row button[data-id={json.dumps(group.conversation)}]").click()
        await expect(one.page.locator(".head h1")).to_contain_text("<u>")
        await one.page.get_by_role("button", name="About this conversation").click()
        await one.page.locator(".members li").nth(1).wait_for()
        await one.page.keyboard.press("Escape")
    assert await one.run("window.pwned") is None
    assert await one.page.locator("#app :is(img, script, iframe, b, u, i, style)").count() == 0
    wide = await one.run("document.documentElement.scrollWidth <= innerWidth")
    assert wide, "a long word pushed the page apart"
    assert {url.split("/")[2] for url in one.asked if url.startswith("http")} == {demo.url.removeprefix("http://")}


def _direct(one: str, other: str) -> str:
    first, second = sorted((one, other))
    return f"d:{first}~{second}"
