"""``tideline export``: what comes out goes in again, and is the same."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.cli.conftest import DAY
from tests.harness.command import tideline
from tests.harness.server import server_process
from tests.harness.wire import Wire, device

GROUP = f"g:{DAY}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a server that has seen everything that can happen to a conversation."""
    data = tmp_path_factory.mktemp("lived") / "data"
    async with (
        server_process(data) as server,
        device(server.url, server.token("alice")) as alice,
        device(server.url, server.token("bob")) as bob,
        device(server.url, server.token("carol")) as carol,
    ):
        await _live(alice, bob, carol)
        await server.stop()
    return data


async def _live(alice: Wire, bob: Wire, carol: Wire) -> None:
    async def do(who: Wire, kind: str, **fields: Any) -> None:
        answer = await who.ask(kind, **fields)
        assert answer["type"] != "error", answer

    await alice.say("bob", "hi")
    await bob.say("alice", "hello")
    await alice.say("bob", "sent to be read")
    await do(bob, "read", conversation="d:alice~bob", message_seq=3)
    await do(bob, "update", conversation="d:alice~bob", muted=True, pinned=True)
    await alice.say("alice", "a note")
    await do(alice, "create", conversation="g:team", title="The team", members=["bob"], history="joined")
    await alice.say("g:team", "one")
    await do(alice, "add", conversation="g:team", members=["carol", "dave"])
    await carol.say("g:team", "two", mentions=["bob"], reply_to=1)
    await bob.say("g:team", "three")
    await do(alice, "remove", conversation="g:team", members=["carol"])
    await alice.say("g:team", "not for carol")
    await do(alice, "add", conversation="g:team", members=["carol"])
    await do(alice, "role", conversation="g:team", user="bob", role="admin")
    await alice.say("g:team", "five", body={"type": "text", "text": 'é 𝄞 "\\', "n": [1.5, None, True]})
    await do(carol, "read", conversation="g:team", message_seq=5)
    await do(alice, "create", conversation="g:empty", members=[])
    await do(alice, "create", conversation="g:left", members=["bob"], history="all")
    await bob.say("g:left", "bye")
    await do(bob, "remove", conversation="g:left", members=["bob"])
    await alice.say("g:left", "alone")


def export(data: Path, *what: str) -> list[str]:
    done = tideline("export", *what, "--data", data)
    assert done.status == 0, done
    return done.out.splitlines()


def reimport(lines: list[str], folder: Path) -> Path:
    """Import into a folder of its own; return it."""
    file = folder / "export.jsonl"
    file.write_text("".join(line + "\n" for line in lines))
    done = tideline("import", file, "--data", folder / "again")
    assert done.status == 0, done
    checked = tideline("check", "--data", folder / "again")
    assert checked.status == 0, checked
    return folder / "again"


def of(lines: list[str], kind: str) -> Iterator[dict[str, Any]]:
    return (line for line in map(json.loads, lines) if line["type"] == kind)


def test_everything_that_can_happen_goes_through_an_export_and_back_unchanged(lived: Path, tmp_path: Path) -> None:
    lines = export(lived)
    again = reimport(lines, tmp_path)
    assert export(again) == lines
    second = tideline("import", tmp_path / "export.jsonl", "--data", again)
    assert "0 entries in timelines" in second.out
    assert export(again) == lines


def test_an_imported_log_goes_through_an_export_and_back_unchanged(imported: Path, tmp_path: Path) -> None:
    lines = export(imported)
    again = reimport(lines, tmp_path)
    assert export(again) == lines


def test_an_export_says_what_happened_in_its_order(lived: Path) -> None:
    said = []
    for line in map(json.loads, export(lived, "g:team")):
        kind = line["type"]
        if kind == "message":
            said.append(f"{line['message']['sender']} {line['message']['message_seq']}")
        elif kind in ("member", "left", "read"):
            said.append(f"{kind} {line['user']}")
    assert said == [
        *("member alice", "member bob", "alice 1", "member carol", "member dave", "carol 2", "bob 3"),
        *("left carol", "alice 4", "member carol", "alice 5", "read carol"),
    ]


async def test_messages_keep_the_form_that_they_have_got_since_they_were_sent(lived: Path, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in export(lived, "g:team")]
    first, second, third, fourth, _ = [line["message"] for line in lines if line["type"] == "message"]
    first |= {"body": {}, "recalled": True}
    second |= {"edited": second["time"] + 1000}
    third |= {"reactions": {"👍": ["carol"], "é": ["bob", "carol"]}}
    for field in set(fourth) - {"conversation", "message_seq"}:
        del fourth[field]
    fourth["gone"] = True
    changed = [json.dumps(line, ensure_ascii=False) for line in lines]
    again = reimport(changed, tmp_path)
    async with server_process(again) as server, device(server.url, server.token("bob")) as bob:
        found = (await bob.ask("history", conversation="g:team"))["messages"]
        assert found == [line["message"] for line in lines if line["type"] == "message"]
        await server.stop()
    assert [json.loads(line)["type"] for line in export(again)].count("gone") == 1


def test_the_export_of_a_user_is_what_the_user_may_read_and_nothing_of_the_others_alone(
    lived: Path, tmp_path: Path
) -> None:
    lines = export(lived, "carol")
    assert [line["conversation"] for line in of(lines, "conversation")] == ["g:team"]
    assert [(line["first"], line["last"]) for line in of(lines, "gone")] == [(1, 1), (2, 3), (4, 4)]
    assert [line["message"]["message_seq"] for line in of(lines, "message")] == [5]
    assert "hello" not in "".join(lines)
    again = reimport(lines, tmp_path)
    assert export(again, "carol") == lines
    bob = export(lived, "bob")
    assert [line["conversation"] for line in of(bob, "conversation")] == ["d:alice~bob", "g:team"]
    marks = {(line["conversation"], line["user"]): line["muted"] for line in of(bob, "member")}
    assert marks["d:alice~bob", "bob"]
    assert not any(marked for (_, user), marked in marks.items() if user != "bob")
    assert [line["user"] for line in of(bob, "read")] == ["bob"]


async def test_a_device_gets_an_import_as_if_it_had_been_there(lived: Path, tmp_path: Path) -> None:
    again = reimport(export(lived), tmp_path)
    states = []
    for data in (lived, again):
        async with server_process(data) as server, device(server.url, server.token("carol"), "new") as carol:
            states.append((await carol.ask("snapshot"))["conversations"])
            await server.stop()
    assert states[0] == states[1]
    assert states[0][0]["unread"] == 0


async def test_a_message_that_was_on_its_way_during_a_move_is_not_stored_twice(lived: Path, tmp_path: Path) -> None:
    lines = export(lived)
    said = next(of(lines, "message"))["message"]
    again = reimport(lines, tmp_path)
    async with server_process(again) as server, device(server.url, server.token(said["sender"])) as sender:
        fields = {"conversation": said["conversation"], "client_id": said["client_id"], "body": said["body"]}
        answer = await sender.ask("send", **fields)
        assert (answer["duplicate"], answer["message_seq"]) == (True, said["message_seq"])
        await server.stop()


def test_a_file_is_written_whole_or_not_at_all(imported: Path, tmp_path: Path) -> None:
    output = tmp_path / "all.jsonl"
    assert tideline("export", "--data", imported, "--output", output).status == 0
    assert output.read_text().splitlines() == export(imported)
    assert tideline("export", "g:nothing", "--data", imported, "--output", output).status == 1
    assert output.read_text().splitlines() == export(imported)
    assert list(tmp_path.iterdir()) == [output]


def test_what_is_not_there_is_said_in_one_line(imported: Path, tmp_path: Path) -> None:
    assert "there is no conversation g:nothing here" in tideline("export", "g:nothing", "--data", imported).error
    assert "nobody is in no conversation here" in tideline("export", "nobody", "--data", imported).error
    assert "no app shop" in tideline("export", "--app", "shop", "--data", imported).error
    nothing = tideline("export", "--data", tmp_path / "nothing")
    assert nothing.status == 1
    assert "no data in" in nothing.error
    assert nothing.out == ""


async def test_an_export_beside_a_running_server_has_what_was_acknowledged(start_server: Any) -> None:
    async with start_server() as server, device(server.url, server.token("alice")) as alice:
        for number in range(50):
            await alice.say("bob", str(number))
        texts = [line["message"]["body"]["text"] for line in of(export(server.data, "alice"), "message")]
        assert texts == [str(number) for number in range(50)]
