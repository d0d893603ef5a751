"""The chat, in a real browser against a real server."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
from playwright.async_api import expect

from tests.harness.server import ServerProcess
from tests.web.conftest import OpenChat
from tideline.client.client import Client
from tideline.protocol.events import MessageEvent, ReadEvent

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(90)]

Fresh = Callable[[str], str]
Start = Callable[..., AbstractAsyncContextManager[ServerProcess]]


async def test_three_devices_of_two_users_see_the_same(demo: ServerProcess, chat: OpenChat, fresh: Fresh) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    one = await chat(demo, alice)
    two = await chat(demo, bob)
    async with Client(demo.url, demo.token(bob), device="terminal") as three:
        await three.synced()
        events = three.events()
        await one.start(bob)
        await one.say("first", "second")
        async for event in events:
            if isinstance(event, MessageEvent) and event.message.body["text"] == "second":
                break
        await one.has("second", "sent")
        await expect(two.row(alice).locator(".badge")).to_contain_text("2")
        # What is read on one device of bob is read on the other, and alice is told.
        conversation = f"d:{alice}~{bob}" if alice < bob else f"d:{bob}~{alice}"
        await three.read(conversation)
        await expect(two.row(alice).locator(".badge")).to_have_count(0)
        await one.has("second", "read")
        await three.send(alice, "from the terminal")
        await two.row(alice).click()
        await two.say("from the browser")
        for each in (one, two):
            await each.sees("first", "second", "from the terminal", "from the browser")
        async for event in events:
            if isinstance(event, ReadEvent) and event.user == alice and event.message_seq == 4:
                break


async def test_what_is_written_offline_is_sent_in_order_when_back(
    demo: ServerProcess, chat: OpenChat, fresh: Fresh
) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    one, two = await chat(demo, alice), await chat(demo, bob)
    await one.start(bob)
    await one.say("online")
    await one.has("online", "sent")
    await one.page.context.set_offline(True)
    await one.say(*(f"offline {n}" for n in range(12)))
    await one.has("offline 11", "pending")
    await expect(one.banner).to_contain_text("12 messages will be sent")
    await two.start(alice)
    await two.say("while you were away")
    await one.page.context.set_offline(False)
    await one.has("offline 11", "sent")
    await expect(one.banner).to_be_hidden()
    everything = ["online", "while you were away", *(f"offline {n}" for n in range(12))]
    await one.sees(*everything)
    await two.sees(*everything)


async def test_a_page_that_is_closed_offline_sends_its_messages_when_it_is_opened_again(
    demo: ServerProcess, chat: OpenChat, fresh: Fresh
) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    one = await chat(demo, alice)
    await one.start(bob)
    await one.say("first")
    await one.has("first", "sent")
    await one.page.context.set_offline(True)
    await one.say("second", "third")
    await one.has("third", "pending")
    url = one.page.url
    await one.page.close()
    await one.page.context.set_offline(False)
    again = await one.page.context.new_page()
    await again.goto(url)
    await again.locator(".message.sent", has_text="third").wait_for()
    assert await again.locator(".message .text").all_inner_texts() == ["first", "second", "third"]


async def test_a_server_that_dies_and_comes_back_is_a_pause(start_server: Start, chat: OpenChat) -> None:
    async with start_server(demo="true", scene="false") as server:
        one, two = await chat(server, "alice"), await chat(server, "bob")
        await one.start("bob")
        await one.say("before")
        await two.row("alice").click()
        await two.sees("before")
        await server.kill()
        await one.say("during")
        await one.has("during", "pending")
        await server.start()
        await one.live()
        await one.has("during", "sent")
        await one.say("after")
        await two.sees("before", "during", "after")


async def test_the_tabs_of_a_browser_are_one_device_and_one_takes_over(
    demo: ServerProcess, chat: OpenChat, fresh: Fresh
) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    first, other = await chat(demo, alice), await chat(demo, bob)
    await first.start(bob)
    second = await first.beside()
    assert await first.run("tideline.leading")
    assert not await second.run("tideline.leading")
    assert await first.run("tideline.device") == await second.run("tideline.device")
    await second.say("from the second tab")
    await second.has("from the second tab", "sent")
    await first.sees("from the second tab")
    assert len(await second.run("tideline.request({type: 'devices'}).then(found => found.devices)")) == 1
    await first.page.close()
    await second.until("tideline.leading && tideline.status.state === 'live'")
    await second.say("the first is closed")
    await second.has("the first is closed", "sent")
    await other.row(alice).click()
    await other.sees("from the second tab", "the first is closed")
    await other.say("hello second tab")
    await second.sees("from the second tab", "the first is closed", "hello second tab")


async def test_a_browser_whose_storage_is_cleared_is_a_new_device_with_everything(
    demo: ServerProcess, chat: OpenChat, fresh: Fresh
) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    one = await chat(demo, alice)
    await one.start(bob)
    await one.say("kept by the server")
    await one.has("kept by the server", "sent")
    before = await one.run("tideline.device")
    await one.page.goto("about:blank")  # browsers clear a site's data between visits, not under an open page
    session = await one.page.context.new_cdp_session(one.page)
    await session.send("Storage.clearDataForOrigin", {"origin": demo.url, "storageTypes": "all"})
    again = await one.open(await one.page.context.new_page(), demo, alice)
    await again.row(bob).click()
    await again.sees("kept by the server")
    assert await again.run("tideline.device") != before


async def test_messages_that_arrive_do_not_move_what_is_being_read(
    demo: ServerProcess, chat: OpenChat, fresh: Fresh
) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    async with Client(demo.url, demo.token(bob), device="terminal") as sender:
        await (await sender.send(alice, "number 0")).sent()
        one = await chat(demo, alice)
        await one.row(bob).click()
        await one.sees("number 0")
        for n in range(1, 200):
            await sender.send(alice, f"number {n}")
        await one.message("number 199").wait_for()
        await one.page.locator(".messages").evaluate("element => element.scrollTop -= 1500")
        await expect(one.page.locator(".jump")).to_be_visible()
        await one.run(
            """() => {
                const list = document.querySelector('.messages');
                const top = list.getBoundingClientRect().top;
                const at = (element) => element.getBoundingClientRect().top;
                const seen = [...document.querySelectorAll('.message')].find((e) => at(e) > top + 100);
                window.watched = {seen, at: at(seen)};
            }"""
        )
        last = None
        for n in range(200, 1200):
            last = await sender.send(alice, f"number {n}")
        assert last is not None
        await last.sent()
        await one.until("tideline.status.cursor >= 1200")
        await expect(one.page.locator(".jump")).to_contain_text("new")
        moved = await one.run("watched.seen.isConnected ? watched.seen.getBoundingClientRect().top - watched.at : null")
        assert moved is not None
        assert abs(moved) < 2
        await one.page.locator(".jump").click()
        await one.message("number 1199").wait_for()
        shown = [text for text in await one.texts() if text.startswith("number")]
        assert shown == [f"number {n}" for n in range(1200 - len(shown), 1200)]
        assert len(shown) <= 210, "only what is near is on the page"
        held = await one.run("tideline.held(location.hash ? decodeURIComponent(location.hash.slice(1)) : '', 1, 1200)")
        assert held["holes"] == []
        assert [message["message_seq"] for message in held["messages"]] == list(range(1, 1201))


async def test_history_loads_as_one_scrolls_up_and_a_hole_looks_like_one(
    demo: ServerProcess, chat: OpenChat, fresh: Fresh
) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    async with Client(demo.url, demo.token(bob), device="terminal") as sender:
        last = None
        for n in range(400):
            last = await sender.send(alice, f"number {n}")
        assert last is not None
        await last.sent()
    one = await chat(demo, alice)
    await one.run("id => tideline.read(id, 400)", f"d:{alice}~{bob}")
    await one.row(bob).click()
    await one.message("number 399").wait_for()
    await one.page.context.set_offline(True)
    scroll = "element => element.scrollTop = 0"
    list_ = one.page.locator(".messages")
    await list_.evaluate(scroll)
    await expect(one.page.locator(".hole").first).to_contain_text("not on this device")
    assert await one.page.locator(".begin").count() == 0
    await one.page.context.set_offline(False)
    await one.live()
    while await one.page.locator(".begin").count() == 0:
        await list_.evaluate(scroll)
        await one.page.wait_for_timeout(30)
    await one.message("number 0").first.wait_for()
    await expect(one.page.locator(".begin")).to_contain_text("beginning")


async def test_groups_are_made_joined_and_left(demo: ServerProcess, chat: OpenChat, fresh: Fresh) -> None:
    alice, bob, carol = fresh("alice"), fresh("bob"), fresh("carol")
    one, two, three = await chat(demo, alice), await chat(demo, bob), await chat(demo, carol)
    await one.page.get_by_role("button", name="New group").click()
    await one.page.get_by_label("Title").fill("Tide watch")
    await one.page.get_by_label("Members").fill(bob)
    await one.page.get_by_role("button", name="Create").click()
    await one.say("welcome")
    await two.row("Tide watch").click()
    await two.sees("welcome")
    await expect(two.page.locator(".detail")).to_have_text("2 members")
    await one.page.get_by_role("button", name="About this conversation").click()
    await one.page.get_by_label("Add members by name").fill(carol)
    await one.page.get_by_role("button", name="Add", exact=True).click()
    await expect(one.page.locator(".members")).to_contain_text(carol)
    await one.page.keyboard.press("Escape")
    await three.row("Tide watch").click()
    await three.sees("welcome")
    await three.page.get_by_role("button", name="About this conversation").click()
    await three.page.get_by_role("button", name="Leave the group").click()
    await expect(three.row("Tide watch")).to_have_count(0)
    await expect(two.page.locator(".detail")).to_have_text("2 members")


async def test_typing_is_seen_and_goes_away_with_the_message(demo: ServerProcess, chat: OpenChat, fresh: Fresh) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    one, two = await chat(demo, alice), await chat(demo, bob)
    await one.start(bob)
    await one.say("hello")
    await two.row(alice).click()
    await two.field.press_sequentially("I")
    await expect(one.page.locator(".detail")).to_have_text("typing …")
    await two.field.press("Enter")
    await one.sees("hello", "I")
    await expect(one.page.locator(".detail")).to_be_hidden()


async def test_a_message_that_is_refused_says_why_and_can_be_sent_again_or_dropped(
    demo: ServerProcess, chat: OpenChat, fresh: Fresh
) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    one = await chat(demo, alice)
    await one.start(bob)
    await one.say("x" * 40_000)
    await expect(one.page.locator(".failure")).to_contain_text("the limit is 32768")
    await one.page.get_by_role("button", name="Send again").click()
    await expect(one.page.locator(".failure")).to_contain_text("the limit is 32768")
    await one.say("short")
    await one.has("short", "sent")
    await one.page.get_by_role("button", name="Delete").click()
    await expect(one.messages).to_have_count(1)


async def test_a_network_without_websocket_is_served_by_long_polls(
    demo: ServerProcess, chat: OpenChat, fresh: Fresh, browser: object
) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    one = await chat(demo, alice)
    await one.page.context.add_init_script(
        "globalThis.WebSocket = class { static OPEN = 1; close() {} send() {}"
        " constructor() { setTimeout(() => this.onclose({code: 1006, reason: ''})); } }"
    )
    two = await chat(demo, bob)
    poor = await one.beside()
    await one.page.close()
    await poor.until("tideline.leading && tideline.status.state === 'live'")
    await poor.start(bob)
    await poor.say("by post")
    await poor.has("by post", "sent")
    await two.row(alice).click()
    await two.say("and back")
    await poor.sees("by post", "and back")


async def test_the_keyboard_reaches_everything(demo: ServerProcess, chat: OpenChat, fresh: Fresh) -> None:
    alice = fresh("alice")
    one = await chat(demo, alice)
    keyboard = one.page.keyboard
    for name in ("bob", "carol"):
        await keyboard.press("Control+k")
        await keyboard.type(name)
        await keyboard.press("Enter")
        await expect(one.page.locator(".head h1")).to_have_text(name)
        await expect(one.field).to_be_focused()
        await keyboard.type(f"to {name}")
        await keyboard.press("Enter")
        await one.has(f"to {name}", "sent")
    await keyboard.press("Alt+ArrowDown")
    await expect(one.page.locator(".head h1")).to_have_text("bob")
    await keyboard.press("Alt+ArrowUp")
    await expect(one.page.locator(".head h1")).to_have_text("carol")
    await keyboard.press("Escape")
    await expect(one.page.locator(".conversation")).to_be_hidden()
    await keyboard.press("Control+k")
    await keyboard.press("ArrowDown")
    await keyboard.press("ArrowDown")
    await keyboard.press("Enter")
    await expect(one.page.locator(".head h1")).to_have_text("bob")


async def test_only_the_rows_in_view_exist(demo: ServerProcess, chat: OpenChat, fresh: Fresh) -> None:
    alice = fresh("alice")
    async with Client(demo.url, demo.token(alice), device="terminal") as many:
        sending = [await many.send(f"peer-{n:04}", f"hello {n}") for n in range(1500)]
        await sending[-1].sent()
    one = await chat(demo, alice)
    await one.row("peer-1499").wait_for()
    assert await one.page.locator(".row").count() < 40
    await one.page.locator(".scroller").evaluate("element => element.scrollTop = element.scrollHeight")
    await one.row("peer-0000").wait_for()
    assert await one.page.locator(".row").count() < 40
    await one.start("peer-0700")
    await one.sees("hello 700")
