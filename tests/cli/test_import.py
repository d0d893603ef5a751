"""``tideline import``: everything of a log is in, once, whatever happens meanwhile."""

import json
import signal
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import DAY
from tests.harness.command import interrupted, tideline
from tests.harness.server import ServerProcess
from tests.harness.wire import device

GROUP = f"g:{DAY}"


def exported(data: Path, *what: str) -> list[dict[str, Any]]:
    done = tideline("export", *what, "--data", data)
    assert done.status == 0, done
    return [json.loads(line) for line in done.out.splitlines()]


def messages(data: Path, group: str = GROUP) -> list[dict[str, Any]]:
    return [line["message"] for line in exported(data, group) if line["type"] == "message"]


def test_every_line_of_a_log_becomes_a_message_in_its_order_at_its_minute_by_its_speaker(
    imported: Path, log: Path
) -> None:
    said = [line.removeprefix("[").split("] <", 1) for line in log.read_text().splitlines()]
    found = messages(imported)
    assert [each["message_seq"] for each in found] == list(range(1, len(said) + 1))
    for message, (minute, rest) in zip(found, said, strict=True):
        sender, _, text = rest.partition("> ")
        assert (message["sender"], message["body"]["text"]) == (sender, text)
        hours, minutes = divmod(message["time"] // 60_000, 60)
        assert f"{hours % 24:02}:{minutes:02}" == minute
    assert found[0]["time"] == 1359575280000  # 2013-01-30 19:48 UTC


def test_members_join_with_their_first_line_and_may_read_what_was_before(imported: Path) -> None:
    lines = exported(imported, GROUP)
    assert lines[1]["history"] == "all"
    first: dict[str, int] = {}
    for message in messages(imported):
        first.setdefault(message["sender"], message["message_seq"])
    members = {line["user"]: line["joined"] for line in lines if line["type"] == "member"}
    assert members == first
    assert [line["role"] for line in lines if line["type"] == "member"].count("admin") == 1


def test_whoever_is_addressed_is_mentioned_if_they_spoke_before(imported: Path) -> None:
    spoke: set[str] = set()
    mentioned = 0
    for message in messages(imported):
        word = message["body"]["text"].split(" ")[0]
        if word[-1:] in (":", ",") and word[:-1] in spoke:
            assert message["mentions"] == [word[:-1]]
            mentioned += 1
        spoke.add(message["sender"])
    assert mentioned > 50


async def test_a_member_of_an_imported_group_gets_it_as_one_gets_any_other(data: Path) -> None:
    server = ServerProcess(data)
    await server.start()
    try:
        async with device(server.url, server.token("DuncanNZ")) as duncan:
            entries = list(duncan.welcome["entries"])
            while len(entries) < duncan.welcome["head"]:
                page = await duncan.ask("pull", after=len(entries))
                entries += page["entries"]
            assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
            texts = [entry["event"]["message"] for entry in entries if entry["event"]["type"] == "message"]
            assert texts == messages(data)
            assert (await duncan.say(GROUP, "still here"))["message_seq"] == len(texts) + 1
    finally:
        await server.kill()


def test_a_second_run_adds_nothing(data: Path, log: Path) -> None:
    before = exported(data)
    done = tideline("import", log, "--data", data)
    assert done.status == 0
    assert done.out.startswith("0 messages of 1 conversations imported, 320 were in already; 0 entries in timelines")
    assert exported(data) == before


def test_a_log_that_has_grown_is_continued(data: Path, log: Path, tmp_path: Path) -> None:
    longer = tmp_path / log.name
    longer.write_text(log.read_text() + "[22:01] <late_one> did I miss anything?\n")
    assert tideline("import", longer, "--data", data).status == 0
    last = exported(data)[-2:]
    assert (last[0]["type"], last[0]["user"], last[0]["joined"]) == ("member", "late_one", 321)
    assert last[1]["message"]["body"]["text"] == "did I miss anything?"
    assert tideline("check", "--data", data).status == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_import_that_is_stopped_in_the_middle_goes_on_where_it_was(
    number: int, log: Path, imported: Path, tmp_path: Path
) -> None:
    whole = tmp_path / "logs.tar.xz"
    with tarfile.open(whole, "w:xz") as archive:
        for day in range(1, 29):
            archive.add(log, f"2013-02-{day:02}.txt")
    data = tmp_path / "data"
    stopped = interrupted("import", whole, "--data", data, when=data / "store" / "CURRENT", number=number)
    if number == signal.SIGINT:
        assert stopped.status == 130
        assert "the same command goes on" in stopped.error
    assert tideline("import", whole, "--data", data).status == 0
    assert tideline("check", "--data", data).status == 0
    found: dict[str, list[Any]] = {}
    for line in exported(data):
        if line["type"] == "message":
            found.setdefault(line["message"]["conversation"], []).append(line["message"]["body"])
    assert list(found) == [f"g:2013-02-{day:02}" for day in range(1, 29)]
    bodies = [each["body"] for each in messages(imported)]
    assert all(each == bodies for each in found.values())


def test_a_log_that_is_another_one_than_what_is_there_is_refused(data: Path, log: Path, tmp_path: Path) -> None:
    other = tmp_path / log.name
    other.write_text(log.read_text().replace("[21:57]", "[21:58]").replace("is it a CRT?", "is it a TFT?"))
    done = tideline("import", other, "--data", data)
    assert done.status == 1
    assert f"{GROUP} is there already and differs: its message 320 is another one" in done.error


def test_a_group_that_devices_have_made_is_left_alone(data: Path, log: Path, tmp_path: Path) -> None:
    other = tmp_path / log.name
    other.write_text("[00:01] <somebody> hello\n")
    done = tideline("import", other, "--data", data)
    assert done.status == 1
    assert f"there is another {GROUP} already" in done.error


async def test_a_folder_that_a_server_uses_is_refused_in_one_line(start_server: Any, log: Path) -> None:
    async with start_server() as server:
        done = tideline("import", log, "--data", server.data)
    assert done.status == 1
    assert "is in use by another process" in done.error


def test_what_is_no_chat_log_is_refused_in_one_line(tmp_path: Path) -> None:
    diary = tmp_path / "2013-01-30.txt"
    diary.write_text("Dear diary,\n\ntoday")
    done = tideline("import", diary, "--data", tmp_path / "data")
    assert done.status == 1
    assert "2013-01-30.txt is no chat log of a kind that is known" in done.error


def test_a_group_over_the_limit_is_refused_until_the_limit_is_raised(log: Path, tmp_path: Path) -> None:
    done = tideline("import", log, "--data", tmp_path / "data", TIDELINE_LIMIT_GROUP_MEMBERS="20")
    assert done.status == 1
    assert done.error == f"tideline: too_large: {GROUP} is 21 members, the limit is 20"
    assert tideline("import", log, "--data", tmp_path / "data").status == 0
    assert tideline("check", "--data", tmp_path / "data").status == 0
    assert len(messages(tmp_path / "data")) == 320


def test_a_file_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    done = tideline("import", tmp_path / "nothing.txt", "--data", tmp_path / "data")
    assert done.status == 2
    assert "nothing.txt" in done.error
