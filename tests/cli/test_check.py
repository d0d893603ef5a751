"""``tideline check``: data that is sound is called so; each thing that can be broken is found and named."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from rocksdict import WriteBatch

from tests.cli.conftest import DAY
from tests.harness.command import Done, tideline
from tests.harness.server import server_process
from tests.harness.wire import device
from tideline.check import Report, check
from tideline.stores.embedded import EmbeddedSurveys
from tideline.stores.embedded.database import Database
from tideline.stores.embedded.keys import SENT, Keys, number
from tideline.stores.embedded.options import EmbeddedOptions
from tideline.timeline import refs
from tideline.timeline.records import Conversation, Member

GROUP = f"g:{DAY}"
USER = "DuncanNZ"
"""Speaks first, so every message of the group is theirs."""
KEYS = Keys("main")
ENTRIES = KEYS.under(USER)
HEAD = 321 + 55
"""Of the user's timeline: a state, 320 messages, and 55 others who joined."""


class Folder:
    """A data folder that is changed behind the store's back."""

    def __init__(self, data: Path) -> None:
        self.data = data

    @contextmanager
    def opened(self) -> Iterator[Database]:
        database = Database(self.data / "store", EmbeddedOptions())
        yield database
        database.close()

    def put(self, family: str, key: bytes, value: bytes) -> None:
        with self.opened() as database:
            batch = WriteBatch(raw_mode=True)
            batch.put(key, value, database.handles[family])
            database.write(batch)

    def delete(self, family: str, key: bytes) -> None:
        with self.opened() as database:
            batch = WriteBatch(raw_mode=True)
            batch.delete(key, database.handles[family])
            database.write(batch)

    def get(self, family: str, key: bytes) -> bytes:
        with self.opened() as database:
            found = database.families[family].get(key)
            assert found is not None
            return bytes(found)

    def member(self, change: Callable[[Member], None]) -> None:
        key = KEYS.pair(GROUP, USER)
        member = msgspec.msgpack.decode(self.get("members", key), type=Member)
        change(member)
        self.put("members", key, msgspec.msgpack.encode(member))

    def conversation(self, change: Callable[[Conversation], None]) -> None:
        key = KEYS.conversation(GROUP)
        conversation = msgspec.msgpack.decode(self.get("conversations", key), type=Conversation)
        change(conversation)
        self.put("conversations", key, msgspec.msgpack.encode(conversation))

    def entry_of(self, message_seq: int) -> int:
        """Return where in the user's timeline a message is."""
        with self.opened() as database:
            for seq in range(1, HEAD + 1):
                if database.families["entries"].get(ENTRIES + number(seq)) == refs.message(place(message_seq)):
                    return seq
        raise AssertionError(message_seq)

    def check(self) -> list[str]:
        """Return what is broken."""
        report = Report()
        with closing(EmbeddedSurveys(self.data / "store")) as surveys:
            asyncio.run(check(surveys.survey("main"), report, lambda records: None))
        broken = [line for lines in report.examples.values() for line in lines]
        assert report.sound == (not broken)
        return broken


def place(message_seq: int) -> bytes:
    return refs.place(GROUP.encode(), message_seq)


@pytest.fixture
def folder(data: Path) -> Folder:
    return Folder(data)


def counts(done: Done) -> list[tuple[int, int]]:
    """Return the figures of the table: looked at, and broken."""
    rows = re.findall(r"│ +([\d,]+) │ +([\d,]+)$", done.out, re.MULTILINE)
    return [(int(looked.replace(",", "")), int(broken.replace(",", ""))) for looked, broken in rows]


def test_sound_data_is_called_sound_and_everything_is_looked_at(imported: Path) -> None:
    done = tideline("check", "--data", imported)
    assert done.status == 0
    assert done.out.endswith("Everything is as it must be, in 1 app.\n")
    with Folder(imported).opened() as database:
        entries = len(list(database.families["entries"].items()))
    readable, numbers, heads, messages, delivered, referred, members, _ = [looked for looked, _ in counts(done)]
    assert numbers == referred == entries
    assert (heads, messages, members) == (56, 320, 2 * 56)
    assert delivered == entries - 56 - sum(range(2, 57))
    assert readable == 1 + 320 + 56


def test_an_entry_that_is_missing(folder: Folder) -> None:
    seq = folder.entry_of(17)
    folder.delete("entries", ENTRIES + number(seq))
    assert folder.check() == [
        f"{USER}'s timeline lacks entry {seq}",
        f"{USER}'s timeline lacks message 17 of {GROUP}",
    ]


def test_the_last_entries_that_are_missing(folder: Folder) -> None:
    folder.delete("entries", ENTRIES + number(HEAD))
    folder.delete("entries", ENTRIES + number(HEAD - 1))
    found = folder.check()
    assert f"the head of {USER}'s timeline is {HEAD}, but it lacks entries {HEAD - 1} to {HEAD}" in found
    assert f"{USER}'s timeline lacks messages 319 to 320 of {GROUP}" in found


def test_an_entry_that_is_there_twice(folder: Folder) -> None:
    folder.put("entries", ENTRIES + number(HEAD + 1), refs.message(place(17)))
    folder.put("heads", KEYS.user(USER), number(HEAD + 1))
    assert folder.check() == [f"entry {HEAD + 1} of {USER} is about message 17 of {GROUP}, which came before"]


def test_entries_that_changed_places(folder: Folder) -> None:
    one, other = folder.entry_of(17), folder.entry_of(18)
    folder.put("entries", ENTRIES + number(one), refs.message(place(18)))
    folder.put("entries", ENTRIES + number(other), refs.message(place(17)))
    assert folder.check() == [
        f"{USER}'s timeline lacks message 17 of {GROUP}",
        f"entry {other} of {USER} is about message 17 of {GROUP}, which came before",
    ]


def test_an_entry_beyond_the_head(folder: Folder) -> None:
    event = refs.event(b'{"type":"custom","name":"x","data":1}')
    folder.put("entries", ENTRIES + number(HEAD + 1), event)
    assert folder.check() == [f"the head of {USER}'s timeline is {HEAD}, but its last entry is {HEAD + 1}"]


def test_a_head_that_is_missing(folder: Folder) -> None:
    folder.delete("heads", KEYS.user(USER))
    assert folder.check() == [f"the timeline of {USER} has entries up to {HEAD} and no head"]


def test_an_entry_about_a_message_that_does_not_exist(folder: Folder) -> None:
    folder.put("entries", ENTRIES + number(HEAD + 1), refs.message(place(999)))
    folder.put("heads", KEYS.user(USER), number(HEAD + 1))
    assert folder.check() == [f"entry {HEAD + 1} of {USER} is about message 999 of {GROUP}, which is not {USER}'s"]


def test_an_entry_of_a_conversation_that_its_user_is_not_in(folder: Folder) -> None:
    folder.put("entries", ENTRIES + number(HEAD + 1), refs.message(refs.place(b"g:others", 1)))
    folder.put("heads", KEYS.user(USER), number(HEAD + 1))
    assert folder.check() == [
        f"entry {HEAD + 1} of {USER} is about message 1 of g:others, of which {USER} is no member"
    ]


def test_an_entry_that_is_garbage(folder: Folder) -> None:
    seq = folder.entry_of(17)
    folder.put("entries", ENTRIES + number(seq), b"?")
    assert folder.check() == [
        f"entry {seq} of {USER} can't be decoded",
        f"{USER}'s timeline lacks message 17 of {GROUP}",
    ]


def test_a_message_that_is_missing(folder: Folder) -> None:
    folder.delete("messages", KEYS.app + place(17))
    assert f"{GROUP} lacks message 17" in folder.check()


def test_the_last_message_that_is_missing(folder: Folder) -> None:
    folder.delete("messages", KEYS.app + place(320))
    assert f"the head of {GROUP} is 320, but it lacks message 320" in folder.check()


def test_a_message_in_the_place_of_another(folder: Folder) -> None:
    folder.put("messages", KEYS.app + place(17), folder.get("messages", KEYS.app + place(18)))
    assert folder.check() == [f"message 17 of {GROUP} says that it is 18 of {GROUP}"]


def test_a_message_that_is_garbage(folder: Folder) -> None:
    folder.put("messages", KEYS.app + place(17), b"{")
    assert folder.check() == [f"message 17 of {GROUP} can't be decoded"]


def test_a_message_of_no_conversation(folder: Folder) -> None:
    text = b'{"conversation":"g:x","message_seq":1,"sender":"a","client_id":"b","time":1,"body":{}}'
    folder.put("messages", KEYS.app + refs.place(b"g:x", 1), text)
    assert folder.check() == ["g:x has 1 messages and no record"]


def test_a_conversation_whose_head_is_wrong(folder: Folder) -> None:
    folder.conversation(lambda record: setattr(record, "head", 318))
    found = folder.check()
    assert f"the head of {GROUP} is 318, but its last message is 320" in found
    assert any(re.match(r"entry \d+ of \S+ is about message 319 of \S+, which is not \S+'s", line) for line in found)


def test_a_conversation_whose_record_is_garbage(folder: Folder) -> None:
    folder.put("conversations", KEYS.conversation(GROUP), b"\xc1")
    assert folder.check() == [f"the record of {GROUP} can't be decoded"]


def test_a_member_whose_record_is_garbage(folder: Folder) -> None:
    folder.put("members", KEYS.pair(GROUP, USER), b"\xc1")
    assert folder.check() == [f"the record of {USER} in {GROUP} can't be decoded"]


def test_a_number_of_members_that_is_wrong(folder: Folder) -> None:
    folder.conversation(lambda record: setattr(record, "count", 57))
    assert folder.check() == [f"{GROUP} has 56 members; its record says 57"]


def test_a_member_that_is_missing(folder: Folder) -> None:
    folder.delete("members", KEYS.pair(GROUP, USER))
    found = folder.check()
    assert f"{GROUP} has 55 members; its record says 56" in found
    assert f"the index says that {USER} is in {GROUP}, which says otherwise" in found
    assert any(f"is about message 1 of {GROUP}, of which {USER} is no member" in line for line in found)


def test_a_membership_that_is_missing(folder: Folder) -> None:
    folder.delete("memberships", KEYS.pair(USER, GROUP))
    assert f"{USER} is a member of {GROUP}, which the index does not say" in folder.check()


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("read", 321, "has read up to 321, not between 0 and 320"),
        ("joined", 322, "joined before message 322, but the head is 320"),
        ("ordinal", 56, "has standing 56, but only 56 ever joined"),
        ("ordinal", 1, "has the same standing as "),
    ],
)
def test_a_member_whose_record_is_wrong(folder: Folder, field: str, value: int, why: str) -> None:
    folder.member(lambda member: setattr(member, field, value))
    assert any(f" in {GROUP} {why}" in line for line in folder.check())


def test_a_member_who_joined_later_than_their_entries_say(folder: Folder) -> None:
    folder.member(lambda member: setattr(member, "joined", 3))
    first = folder.entry_of(1)
    assert f"entry {first} of {USER} is about message 1 of {GROUP}, which came before" in folder.check()


@pytest_asyncio.fixture
async def lived(tmp_path: Path) -> AsyncIterator[Folder]:
    """A folder of a server that people came to and left."""
    async with (
        server_process(tmp_path / "lived") as server,
        device(server.url, server.token("alice")) as alice,
        device(server.url, server.token("bob")) as bob,
    ):
        await alice.ask("create", conversation="g:team", members=["bob"])
        for _ in range(3):
            await alice.say("g:team", "with bob")
            await bob.say("g:team", "with alice")
            await alice.ask("remove", conversation="g:team", members=["bob"])
            await alice.say("g:team", "without bob")
            await alice.ask("add", conversation="g:team", members=["bob"])
        await bob.ask("read", conversation="g:team", message_seq=9)
        await alice.say("bob", "hi", client_id="that-one")
        await server.stop()
    yield Folder(tmp_path / "lived")


def test_data_of_a_server_that_people_came_to_and_left_is_sound(lived: Folder) -> None:
    done = tideline("check", "--data", lived.data)
    assert done.status == 0, done
    assert counts(done)[-1] == (10, 0)


def test_idempotency_keys_that_lead_nowhere_or_elsewhere(lived: Folder) -> None:
    generation = next(_generations(lived))
    key = generation + b"alice\0d:alice~bob\0that-one"
    _, seq, _ = SENT.unpack(lived.get("sends", key))
    lived.put("sends", key, SENT.pack(5, seq, 0))
    assert lived.check() == ["that-one of alice leads to message 5 of d:alice~bob, which is missing"]
    lived.put("sends", key, SENT.pack(1, seq - 1, 0))
    assert lived.check() == [
        f"that-one of alice leads to message 1 of d:alice~bob, but entry {seq - 1} of alice is something else"
    ]
    lived.put("sends", key, b"?")
    assert lived.check() == ["1 idempotency records can't be decoded"]
    lived.delete("sends", key)
    lived.put("sends", generation + b"bob\0d:alice~bob\0other", SENT.pack(1, 1, 0))
    assert lived.check() == ["other of bob leads to message 1 of d:alice~bob, which is that-one of alice"]


def _generations(folder: Folder) -> Iterator[bytes]:
    with folder.opened() as database:
        for key, _ in database.families["sends"].items():
            assert isinstance(key, bytes)
            yield key[: len(KEYS.app) + 4]


def test_a_former_member_lacks_nothing_of_what_was_theirs(folder: Folder) -> None:
    folder.put("left", KEYS.left("g:old", USER, 3), number(9))
    assert folder.check() == [f"{USER}'s timeline lacks messages 3 to 9 of g:old"]


def test_a_trimmed_timeline_is_sound_from_where_it_begins(folder: Folder) -> None:
    with folder.opened() as database:
        batch = WriteBatch(raw_mode=True)
        batch.put(KEYS.user(USER), number(200), database.handles["trimmed"])
        batch.delete_range(ENTRIES + number(0), ENTRIES + number(200), database.handles["entries"])
        database.write(batch)
    assert folder.check() == []
    folder.delete("entries", ENTRIES + number(200))
    assert f"{USER}'s timeline lacks entry 200" in folder.check()


def test_a_file_that_is_damaged_on_the_disk(folder: Folder) -> None:
    with folder.opened() as database:
        database.families["entries"].flush()
        database.families["entries"].compact_range(None, None)
    for file in (folder.data / "store").glob("*.sst"):
        content = bytearray(file.read_bytes())
        if content.count(GROUP.encode()) > 5:
            content[500:521] = b"garbage" * 3
            file.write_bytes(content)
    assert any("Corruption" in line for line in folder.check())


def test_at_most_so_many_examples_are_named_and_the_others_are_counted(folder: Folder) -> None:
    with folder.opened() as database:
        batch = WriteBatch(raw_mode=True)
        for seq in range(2, 302, 2):
            batch.delete(KEYS.app + place(seq), database.handles["messages"])
        database.write(batch)
    done = tideline("check", "--data", folder.data, "--examples", "3")
    assert done.status == 1
    assert done.err == ""
    assert done.out.count(f"broken: {GROUP} lacks message") == 3
    assert "… and 147 more of this kind" in done.out
    assert counts(done)[3] == (170, 150)


async def test_beside_a_running_server_a_check_says_so(start_server: Any) -> None:
    async with start_server() as server, device(server.url, server.token("alice")) as alice:
        await alice.say("bob", "hi")
        done = tideline("check", "--data", server.data)
    assert done.status == 0, done
    assert "what it writes meanwhile may look broken" in done.error
    assert json.dumps(done.out)


def test_a_folder_without_data_is_refused_in_one_line(tmp_path: Path) -> None:
    done = tideline("check", "--data", tmp_path)
    assert done.status == 1
    assert "no data in" in done.error
    assert list(tmp_path.iterdir()) == []
