"""``send``, ``tail``, ``history``, ``conversations``, ``devices``: chat for scripts."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.harness.command import Done, environment, tideline
from tests.harness.server import ServerProcess, server_process
from tests.harness.wire import device

Run = Callable[..., Done]


@pytest.fixture
def run(server: ServerProcess) -> Run:
    """Run a command of the shared server's, which must succeed."""

    def start(*arguments: object, input: str | None = None) -> Done:
        done = tideline(*arguments, "--url", server.url, input=input, TIDELINE_SECRET=server.secret)
        assert done.status == 0, done
        return done

    return start


def objects(done: Done) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.out.splitlines()]


async def test_a_message_is_sent_and_found_by_everyone(server: ServerProcess, run: Run, fresh: Any) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    (sent,) = objects(run("send", alice, bob, "hello", "--json"))
    assert (sent["message_seq"], sent["seq"], sent["duplicate"]) == (1, 1, False)
    assert run("send", alice, sent["conversation"], "again").out == f"{sent['conversation']} 2\n"
    async with device(server.url, server.token(bob)) as peer:
        texts = [entry["event"]["message"]["body"]["text"] for entry in peer.welcome["entries"]]
    assert texts == ["hello", "again"]
    assert [said["body"]["text"] for said in objects(run("history", bob, alice, "--json"))] == texts
    plain = run("history", bob, alice).out.splitlines()
    assert [line.split(" ", 1)[1] for line in plain] == [f"{alice}: hello", f"{alice}: again"]


async def test_every_line_of_standard_input_is_a_message_in_its_order(run: Run, fresh: Any) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    sent = objects(run("send", alice, bob, "--json", input="one\ntwo\n\nfour"))
    assert [each["message_seq"] for each in sent] == [1, 2, 3, 4]
    assert [said["body"]["text"] for said in objects(run("history", alice, bob, "--json"))] == [
        "one",
        "two",
        "",
        "four",
    ]


async def test_the_same_client_id_sends_once(run: Run, fresh: Any) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    for duplicate in (False, True):
        (sent,) = objects(run("send", alice, bob, "pay 5", "--client-id", "order-17", "--json"))
        assert (sent["message_seq"], sent["duplicate"]) == (1, duplicate)


async def test_any_body_replies_and_mentions_can_be_sent(run: Run, fresh: Any) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    run("send", alice, bob, "where?")
    run("send", bob, alice, "--body", '{"type":"location","lat":1.5}', "--reply-to", "1", "--mention", alice)
    said = objects(run("history", alice, bob, "--json"))[1]
    assert (said["body"], said["reply_to"], said["mentions"]) == ({"type": "location", "lat": 1.5}, 1, [alice])
    assert '{"type": "location", "lat": 1.5}' in run("history", alice, bob).out


async def test_history_goes_back_or_on_from_a_number_as_far_as_is_wanted(run: Run, fresh: Any) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    run("send", alice, bob, input="".join(f"{number}\n" for number in range(1, 41)))

    def numbers(*options: object) -> list[int]:
        return [said["message_seq"] for said in objects(run("history", alice, bob, "--json", *options))]

    assert numbers() == list(range(1, 41))
    assert numbers("--limit", 3) == [38, 39, 40]
    assert numbers("--limit", 3, "--before", 10) == [7, 8, 9]
    assert numbers("--limit", 3, "--after", 10) == [11, 12, 13]
    assert numbers("--after", 38) == [39, 40]


async def test_conversations_and_devices_are_listed(server: ServerProcess, run: Run, fresh: Any) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    run("send", bob, alice, "one")
    run("send", bob, alice, "two \x1b[31mred")
    (state,) = objects(run("conversations", alice, "--json"))
    assert (state["peer"], state["unread"], state["head"]) == (bob, 2, 2)
    table = run("conversations", alice).out
    assert state["conversation"] in table
    assert f"{bob}: two �[31mred" in table
    async with device(server.url, server.token(alice), "laptop", cursor=0):
        (laptop,) = objects(run("devices", alice, "--json"))
        assert (laptop["device"], laptop["online"]) == ("laptop", True)
        assert "laptop" in run("devices", alice).out
    # None of these commands is a device.
    assert objects(run("devices", bob, "--json")) == []


@contextmanager
def tailing(server: ServerProcess, *arguments: object) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-m", "tideline", "tail", *map(str, arguments), "--url", server.url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(TIDELINE_SECRET=server.secret),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


async def lines(process: "subprocess.Popen[str]", number: int) -> list[str]:
    assert process.stdout is not None
    async with asyncio.timeout(20):
        return [await asyncio.to_thread(process.stdout.readline) for _ in range(number)]


async def test_tail_prints_each_entry_once_and_goes_on_from_any_number(server: ServerProcess, fresh: Any) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    async with device(server.url, server.token(bob)) as peer:
        await peer.say(alice, "one")
        with tailing(server, alice, "--after", 0, "--json") as process:
            assert json.loads((await lines(process, 1))[0])["event"]["message"]["body"]["text"] == "one"
            for text in ("two", "three"):
                await peer.say(alice, text)
                (entry,) = await lines(process, 1)
                assert json.loads(entry)["event"]["message"]["body"]["text"] == text
        with tailing(server, alice, "--after", 1, "--count", 2, "--json") as process:
            assert [json.loads(line)["seq"] for line in await lines(process, 2)] == [2, 3]
            assert process.wait(10) == 0


async def test_tail_shows_only_one_conversation_if_told_so_and_everything_for_people(
    server: ServerProcess, fresh: Any
) -> None:
    alice, bob, carol = fresh("alice"), fresh("bob"), fresh("carol")
    group = f"g:{fresh('team')}"
    async with device(server.url, server.token(bob)) as peer, device(server.url, server.token(carol)) as other:
        await other.say(alice, "not this")
        await peer.ask("create", conversation=group, members=[alice], title="A team")
        await peer.say(group, "hello")
        await peer.ask("add", conversation=group, members=[carol])
        with tailing(server, alice, "--only", group, "--after", 0, "--count", 3) as process:
            made, said, added = await lines(process, 3)
    assert made == f"{group}: A team (2 members)\n"
    assert said.endswith(f" {group} 1 {bob}: hello\n")
    assert added == f"{bob} added {carol}: {group}\n"


async def test_tail_waits_for_a_server_that_is_away(tmp_path: Path) -> None:
    async with server_process(tmp_path / "data") as server:
        async with device(server.url, server.token("bob")) as bob:
            await bob.say("alice", "one")
        with tailing(server, "alice", "--after", 0, "--json") as process:
            await lines(process, 1)
            await server.kill()
            assert process.stderr is not None
            assert "waiting for it" in await asyncio.to_thread(process.stderr.readline)
            await server.start()
            async with device(server.url, server.token("bob")) as bob:
                await bob.say("alice", "two")
            (entry,) = await lines(process, 1)
            assert json.loads(entry)["event"]["message"]["body"]["text"] == "two"


async def test_whoever_has_read_enough_may_close_the_pipe(server: ServerProcess, fresh: Any) -> None:
    alice = fresh("alice")
    async with device(server.url, server.token(alice)) as own:
        for number in range(3):
            await own.say(alice, str(number))
        with tailing(server, alice, "--after", 0, "--json") as process:
            await lines(process, 1)
            assert process.stdout is not None
            process.stdout.close()
            await own.say(alice, "into the void")
            assert process.wait(20) == 141
            assert process.stderr is not None
            assert process.stderr.read() == ""


def test_a_back_end_speaks_for_any_user(server: ServerProcess, fresh: Any) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    token = server.token("backend", scope="server")
    done = tideline("send", alice, bob, "as alice", "--url", server.url, "--json", TIDELINE_TOKEN=token)
    assert done.status == 0, done
    done = tideline("history", bob, alice, "--url", server.url, "--json", TIDELINE_TOKEN=token)
    assert json.loads(done.out)["sender"] == alice


def test_errors_are_one_line_and_an_exit_status(server: ServerProcess, fresh: Any, tmp_path: Path) -> None:
    alice = fresh("alice")

    def error(*arguments: object, url: str = server.url, **variables: str) -> str:
        done = tideline(*arguments, "--url", url, **{"TIDELINE_SECRET": server.secret, **variables})  # type: ignore[arg-type]
        assert done.status == 1, done
        return done.error

    assert "forbidden: not a member of g:secret" in error("history", alice, "g:secret")
    assert "neither a user nor a conversation" in error("send", alice, "x:y", "hi")
    assert "is no name" in error("send", "a b", "bob", "hi")
    assert "--body is not JSON" in error("send", alice, "bob", "--body", "{")
    assert "a text or a --body, not both" in error("send", alice, "bob", "hi", "--body", "{}")
    assert "one --client-id is for one message" in error("send", alice, "bob", "--client-id", "x")
    assert "no server at http://127.0.0.1:9" in error("send", alice, "bob", "hi", url="http://127.0.0.1:9")
    assert "no URL of a server" in error("send", alice, "bob", "hi", url="nowhere")
    assert "unauthorized" in error("send", alice, "bob", "hi", TIDELINE_SECRET="x" * 40)
    assert "is none" in error("send", alice, "bob", "hi", TIDELINE_TOKEN="x")
    other = f"the token is bob's, not {alice}'s"
    assert other in error("send", alice, "bob", "hi", TIDELINE_TOKEN=server.token("bob"))
    done = tideline("devices", alice, "--data", tmp_path)
    assert "no secret in" in done.error
