"""``tideline chat`` in a terminal, with a server that comes and goes."""

import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
import pytest_asyncio

from tests.harness.command import tideline
from tests.harness.server import ServerProcess, server_process
from tests.harness.terminal import Terminal, terminal
from tests.harness.wire import device

Chat = Callable[..., AbstractAsyncContextManager[Terminal]]


@pytest_asyncio.fixture
async def own(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    """A server of the test's own, which may be stopped."""
    async with server_process(tmp_path / "data") as server:
        yield server


@pytest.fixture
def chat(tmp_path: Path) -> Chat:
    """Chat as somebody: ``async with chat(server, "alice", "--to", "bob") as alice``."""

    def start(server: ServerProcess, *arguments: object) -> AbstractAsyncContextManager[Terminal]:
        return terminal(
            *("chat", *arguments, "--url", server.url),
            TIDELINE_SECRET=server.secret,
            XDG_STATE_HOME=str(tmp_path / "state"),
        )

    return start


def history(server: ServerProcess, user: str, of: str) -> list[tuple[str, str]]:
    done = tideline("history", user, of, "--json", "--url", server.url, TIDELINE_SECRET=server.secret)
    assert done.status == 0, done
    return [(said["sender"], said["body"]["text"]) for said in map(json.loads, done.out.splitlines())]


def unread(server: ServerProcess, user: str) -> dict[str, int]:
    done = tideline("conversations", user, "--json", "--url", server.url, TIDELINE_SECRET=server.secret)
    return {state["conversation"]: state["unread"] for state in map(json.loads, done.out.splitlines())}


async def test_two_people_chat(own: ServerProcess, chat: Chat) -> None:
    async with chat(own, "alice", "--to", "bob") as alice, chat(own, "bob", "--to", "alice") as bob:
        await alice.sees("── bob ──")
        await bob.sees("── alice ──")
        await alice.sees("● live")
        await bob.sees("● live")
        alice.enters("hello bob")
        await alice.sees(r"1 \d\d:\d\d alice  hello bob")
        await bob.sees(r"1 \d\d:\d\d alice  hello bob")
        await alice.sees("read by bob")
        bob.enters("hello alice")
        await alice.sees(r"2 \d\d:\d\d bob  hello alice")
        bob.types("I am typ")
        await alice.sees("bob is typing")
        bob.types("\x03")
        bob.types("\x04")
        assert await bob.ends() == 0
        alice.enters("/quit")
        assert await alice.ends() == 0
    assert history(own, "bob", "alice") == [("alice", "hello bob"), ("bob", "hello alice")]


async def test_entering_shows_what_was_said_and_marks_it_read(own: ServerProcess, chat: Chat) -> None:
    async with device(own.url, own.token("bob")) as bob, device(own.url, own.token("carol")) as carol:
        for number in range(1, 31):
            await bob.say("alice", f"number {number}")
        await carol.say("alice", "from carol")
        async with chat(own, "alice") as alice:
            await alice.sees("● live")
            for listed in (r" 1 carol  carol: from carol\n", r" 30 bob  bob: number 30\n"):
                assert re.search(listed, alice.text)
            alice.enters("/to bob")
            await alice.sees(r"11 \d\d:\d\d bob  number 11\n")
            await alice.sees(r"30 \d\d:\d\d bob  number 30\n")
            assert "number 10\n" not in alice.text
            alice.enters("/history 5")
            await alice.sees(r" 6 \d\d:\d\d bob  number 6\n")
            await alice.sees(r"10 \d\d:\d\d bob  number 10\n")
            await alice.sees("carol 1")
            event = (await bob.expect("push"))["entries"][0]["event"]
            assert (event["type"], event["user"], event["message_seq"]) == ("read", "alice", 30)
            assert unread(own, "alice") == {"d:alice~bob": 0, "d:alice~carol": 1}
            await carol.say("alice", "again")
            await alice.sees("carol  again")
            await alice.sees("carol 2")


async def test_what_is_written_while_the_server_is_away_goes_out_once_when_it_is_back(
    own: ServerProcess, chat: Chat
) -> None:
    async with chat(own, "alice", "--to", "bob") as alice:
        await alice.sees("● live")
        alice.enters("before")
        await alice.sees(r"1 \d\d:\d\d alice  before")
        await own.kill()
        await alice.sees("The server is away")
        alice.enters("one")
        await alice.sees("waits   one")
        alice.enters("two")
        await alice.sees("waits   two")
        await own.start()
        await alice.sees("The server is back", timeout=40)
        await alice.sees(r"2 \d\d:\d\d alice  one")
        await alice.sees(r"3 \d\d:\d\d alice  two")
        alice.enters("three")
        await alice.sees(r"4 \d\d:\d\d alice  three")
        for text in ("before", "one", "two", "three"):
            assert len(re.findall(rf"\d \d\d:\d\d alice  {text}\n", alice.text)) == 1
    assert [text for _, text in history(own, "bob", "alice")] == ["before", "one", "two", "three"]


async def test_a_chat_begun_without_the_server_shows_what_it_knows_and_keeps_what_is_written(
    own: ServerProcess, chat: Chat
) -> None:
    async with device(own.url, own.token("bob")) as bob:
        await bob.say("alice", "read this on the train")
        async with chat(own, "alice", "--to", "bob") as alice:
            await alice.sees(r"1 \d\d:\d\d bob  read this on the train")
            await alice.sees("/help")
            alice.types("\x04")
            assert await alice.ends() == 0
    await own.kill()
    async with chat(own, "alice", "--to", "bob") as alice:
        await alice.sees(r"1 \d\d:\d\d bob  read this on the train")
        await alice.sees("○ offline")
        alice.enters("written on the train")
        await alice.sees("waits   written on the train")
        alice.types("\x04")
        assert await alice.ends() == 0
        assert "1 message waits, and will go out when you chat again." in alice.text
    async with chat(own, "alice", "--to", "bob") as alice:
        await alice.sees("waits   written on the train")
        await own.start()
        await alice.sees(r"2 \d\d:\d\d alice  written on the train", timeout=40)
    assert history(own, "bob", "alice") == [("bob", "read this on the train"), ("alice", "written on the train")]


async def test_the_very_first_chat_can_begin_without_a_server(tmp_path: Path, chat: Chat) -> None:
    server = ServerProcess(tmp_path / "data")
    await server.start()
    await server.kill()
    async with chat(server, "alice", "--to", "bob") as alice:
        await alice.sees("waits here, and goes out when it is back")
        alice.enters("is anybody there?")
        await alice.sees("waits   is anybody there")
        await server.start()
        await alice.sees(r"1 \d\d:\d\d alice  is anybody there", timeout=40)
    await server.kill()


async def test_groups_are_made_and_kept_by_commands(own: ServerProcess, chat: Chat) -> None:
    async with chat(own, "alice") as alice, device(own.url, own.token("bob")) as bob:
        await alice.sees("No conversations yet")
        await alice.sees("● live")
        alice.enters("hello?")
        await alice.sees("To whom")
        alice.enters("/create g:team bob")
        await alice.sees("── g:team, 2 members ──")
        alice.enters("hello team")
        await alice.sees(r"1 \d\d:\d\d alice  hello team")
        alice.enters("/title The A team")
        alice.enters("/add carol dave")
        await alice.sees("alice added carol, dave")
        alice.enters("/remove dave")
        await alice.sees("alice removed dave")
        alice.enters("/mem")
        await alice.sees("alice  admin")
        await alice.sees("carol")
        await bob.say("g:team", "alice: hi\nthere", mentions=["alice"], reply_to=1)
        await alice.sees(r"2 \d\d:\d\d bob  ↪1 alice: hi\n +there")
        alice.enters("/reply 2 hi yourself")
        await alice.sees(r"3 \d\d:\d\d alice  ↪2 hi yourself")
        alice.enters("//literally")
        await alice.sees(r"4 \d\d:\d\d alice  /literally")
        alice.enters("/devices")
        await alice.sees(r"terminal \(this one\)  online")
        alice.enters("/mute")
        await alice.sees("g:team is muted")
        alice.enters("/leave")
        await alice.sees("You left g:team")
        alice.enters("/quit")
        assert await alice.ends() == 0
    assert unread(own, "alice") == {}


async def test_wrong_commands_say_what_is_wrong(own: ServerProcess, chat: Chat) -> None:
    async with chat(own, "alice", "--to", "bob") as alice:
        await alice.sees("● live")
        for line, answer in (
            ("/nothing", "there is no /nothing"),
            ("/re", "/re may be /reply, /recall, /react, /remove, /retry"),
            ("/to", "say a user or a conversation"),
            ("/to a~b", "neither a user nor a conversation"),
            ("/reply hi", "say the number of a message, and what"),
            ("/recall one", "say the number of a message"),
            ("/add", "say whom"),
            ("/add carol", "bad_request"),
            ("/to g:secret", "You are not in g:secret"),
            ("/members", "forbidden"),
        ):
            alice.enters(line)
            await alice.sees(re.escape(answer))
        alice.enters("/help")
        for name in ("help", "list", "to", "history", "create", "devices", "quit"):
            await alice.sees(f"/{name} ")
        await alice.sees("● live")
        alice.enters("/to g:nob\t")
        await alice.sees("You are not in g:nob")
        alice.enters("/dev\t")
        await alice.sees(r"terminal \(this one\)")


async def test_what_others_write_is_text_and_no_command_to_the_terminal(own: ServerProcess, chat: Chat) -> None:
    evil = "\x1b]0;owned\x07\x1b[31mred\x9b31m\r\nover\x08\u202eback"
    async with (
        chat(own, "alice", "--to", "bob") as alice,
        device(own.url, own.token("bob")) as bob,
        device(own.url, own.token("carol")) as carol,
    ):
        await alice.sees("● live")
        await bob.say("alice", evil)
        await alice.sees("back")
        await carol.say("alice", evil)
        await alice.sees("carol")
        await bob.say("alice", "done")
        await alice.sees("done")
        for forbidden in ("\x1b]0;owned", "\x07", "\x1b[31mred", "\x9b", "\u202e", "\x08\u202e"):
            assert forbidden not in alice.raw


async def test_a_device_is_in_one_place_at_a_time(own: ServerProcess, chat: Chat) -> None:
    async with chat(own, "alice", "--to", "bob") as alice:
        await alice.sees("● live")
        async with chat(own, "alice", "--to", "bob") as again:
            assert await again.ends() == 1
            assert again.text.startswith("tideline: ")
            assert again.text.count("\n") == 1
        async with chat(own, "alice", "--to", "bob", "--device", "other") as other:
            await other.sees("alice@other")
        async with device(own.url, own.token("alice"), "terminal"):
            assert await alice.ends() == 1
            assert "4409" in alice.text.splitlines()[-1]


async def test_a_token_that_the_server_refuses_ends_the_chat_in_one_line(own: ServerProcess, tmp_path: Path) -> None:
    state = {"XDG_STATE_HOME": str(tmp_path / "state")}
    async with terminal("chat", "alice", "--url", own.url, TIDELINE_SECRET="x" * 40, **state) as alice:
        assert await alice.ends() == 1
        assert "tideline: " in alice.text
        assert "Traceback" not in alice.text


def test_without_a_terminal_or_with_wrong_names_it_says_so_in_one_line() -> None:
    def error(*arguments: str, **variables: str) -> str:
        done = tideline("chat", *arguments, **variables)  # type: ignore[arg-type]
        assert done.status == 1
        return done.error

    assert "chat needs a terminal" in error("alice", "--to", "bob", TIDELINE_SECRET="x" * 40)
