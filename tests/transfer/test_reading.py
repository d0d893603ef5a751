"""What a file amounts to: which ones are known, what of them is understood, and how the others are refused."""

import io
import json
import lzma
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tideline.transfer.reading import records
from tideline.transfer.records import ConversationRecord, MemberRecord, MessageRecord
from tideline.transfer.sources import TransferError, open_sources


def read(path: Path) -> list[Any]:
    found = []
    for source in open_sources([path], lambda done: None):
        found += list(records(source))
    return found


def log(folder: Path, text: str, name: str = "2013-01-30.txt") -> list[dict[str, Any]]:
    """Return the messages of a log."""
    path = folder / name
    path.write_text(text)
    return [json.loads(bytes(each.message)) for each in read(path) if isinstance(each, MessageRecord)]


def minutes(folder: Path, *times: str) -> list[int]:
    """Return the moments of lines said at these times, in minutes since midnight of the log's day."""
    found = log(folder, "".join(f"[{time}] <a> b\n" for time in times))
    midnight = 1359504000000  # 2013-01-30 00:00 UTC
    return [(each["time"] - midnight) // 60_000 for each in found]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("2013-01-30.txt", b"", "is empty"),
        ("2013-01-30.txt", b"Dear diary,\n\ntoday", "is no chat log of a kind that is known"),
        ("2013-01-30.txt", b"x\n" * 5000 + b"[10:00] <a> b\n", "is no chat log of a kind that is known"),
        ("notes.txt", b"[10:00] <a> b\n", r"no date \(YYYY-MM-DD\) in its name"),
        ("2013-02-31.txt", b"[10:00] <a> b\n", r"no date \(YYYY-MM-DD\) in its name"),
        ("30 jan 2013-01-30.txt", b"[10:00] <a> b\n", "can't name a group"),
        ("2013-01-30.txt", b"[10:00] <a> b\n[10:01] <a b> c\n", "line 2: 'a b' can't be a user's name"),
        ("2013-01-30.txt", b"[10:00] <a> b\n[10:01] <a> " + b"x" * 2**21, "line 2: longer than 1048576 bytes"),
        ("logs.tar.xz", b"not xz at all", "is no readable archive"),
        ("logs.tar.xz", lzma.compress(b"not tar at all"), "is no readable archive"),
        ("x.jsonl", b'{"type":"tideline-export","version":2}\n', "of version 2; this program reads 1"),
        ("x.jsonl", b'{"type":"read","conversation":"g:a","user":"a","message_seq":2}\n', "is no export"),
        ("x.jsonl", b'{"type":"tideline-export","version":1}\n{"type":"member"}\n', "line 2: .*conversation"),
        ("x.jsonl", b'{"type":"tideline-export","version":1}\n{"a":1,"a":2}\n', "line 2: duplicate"),
        ("x.jsonl", b'{"type":"tideline-export","version":1}\n{"type":"gone",\n', "line 2: "),
    ],
)
def test_what_is_not_understood_is_refused_by_name_and_line(
    tmp_path: Path, name: str, content: bytes, why: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(TransferError, match=why) as caught:
        read(path)
    assert name in str(caught.value)


def test_lines_without_a_speaker_are_no_messages(tmp_path: Path) -> None:
    found = log(tmp_path, "=== a [~a@host]  has joined #x\n[10:00] <a> b\n=== a is now known as b\n[10:01] <b> c\n")
    assert [each["sender"] for each in found] == ["a", "b"]


def test_a_clock_that_begins_anew_at_midnight_is_the_next_day(tmp_path: Path) -> None:
    assert minutes(tmp_path, "23:58", "23:59", "00:00", "00:03") == [1438, 1439, 1440, 1443]


def test_a_clock_of_twelve_hours_that_begins_anew_at_noon_is_the_same_day(tmp_path: Path) -> None:
    assert minutes(tmp_path, "11:58", "00:01", "11:59", "00:02") == [718, 721, 1439, 1442]


def test_a_line_some_minutes_out_of_order_never_goes_back(tmp_path: Path) -> None:
    assert minutes(tmp_path, "10:05", "10:03", "10:06") == [605, 605, 606]


@pytest.mark.parametrize(
    ("text", "mentions"),
    [
        ("bob: hi", ["bob"]),
        ("bob, hi", ["bob"]),
        ("BOB: hi", ["bob"]),
        ("bob:", ["bob"]),
        ("bob hi", None),
        ("hi bob: you", None),
        ("carol: hi", None),
        ("http: no", None),
    ],
)
def test_a_line_that_addresses_a_member_mentions_them(tmp_path: Path, text: str, mentions: list[str] | None) -> None:
    said = log(tmp_path, f"[10:00] <bob> hello\n[10:01] <alice> {text}\n[10:02] <carol> late\n")[1]
    assert said["body"]["text"] == text
    assert said.get("mentions") == mentions


def test_names_that_differ_in_case_only_are_two_users_and_the_exact_one_is_mentioned(tmp_path: Path) -> None:
    found = log(tmp_path, "[10:00] <Bob> a\n[10:00] <bob> b\n[10:01] <al> bob: c\n[10:01] <al> Bob: d\n")
    assert [each.get("mentions") for each in found] == [None, None, ["bob"], ["Bob"]]


def test_text_that_is_not_utf_8_is_kept_as_far_as_it_can_be(tmp_path: Path) -> None:
    path = tmp_path / "2013-01-30.txt"
    path.write_bytes(b"[10:00] <a> caf\xe9 ole\n")
    said = next(each for each in read(path) if isinstance(each, MessageRecord))
    assert json.loads(bytes(said.message))["body"]["text"] == "caf� ole"


def test_an_archive_is_read_file_by_file_whatever_it_is_compressed_with(tmp_path: Path) -> None:
    for name, mode in (("a.tar.xz", "w:xz"), ("a.tgz", "w:gz"), ("a.tar.bz2", "w:bz2"), ("a.tar", "w")):
        with tarfile.open(tmp_path / name, mode) as archive:  # type: ignore[call-overload]
            for day in ("2013-01-30", "2013-01-31"):
                member = tarfile.TarInfo(f"logs/{day}.txt")
                member.size = 14
                archive.addfile(member, io.BytesIO(b"[10:00] <a> b\n"))
        found = [each.conversation for each in read(tmp_path / name) if isinstance(each, ConversationRecord)]
        assert found == ["g:2013-01-30", "g:2013-01-31"], name


def test_how_far_reading_has_come_is_told_in_bytes_of_the_files(tmp_path: Path) -> None:
    paths = [tmp_path / "2013-01-30.txt", tmp_path / "2013-01-31.txt"]
    for path in paths:
        path.write_text("[10:00] <a> b\n" * 1000)
    told: list[int] = []
    for source in open_sources(paths, told.append):
        members = [each for each in records(source) if isinstance(each, MemberRecord)]
        assert len(members) == 1
    assert told == sorted(told)
    assert told[-1] == sum(path.stat().st_size for path in paths)
    assert len(set(told)) > 4
