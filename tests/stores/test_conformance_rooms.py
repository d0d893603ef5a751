"""What every backend owes: messages, conversations, members, idempotency, devices (tideline.timeline.contract)."""

import time

import pytest

from tests.stores.places import Place, make_room, placed, put_room
from tideline.timeline.changes import Changes, send_key
from tideline.timeline.contract import Store
from tideline.timeline.records import Conversation, Device, Member, Room
from tideline.timeline.refs import place as at

DIRECT = "d:alice~bob"


async def say(store: Store, conversation: str, *numbers: int, body: str = "{}") -> None:
    changes = Changes()
    for number in numbers:
        text = f'{{"conversation":"{conversation}","message_seq":{number},"body":{body}}}'
        changes.messages.append((at(conversation.encode(), number), text.encode()))
    async with store.begin([conversation], ()) as unit:
        room = unit.room(conversation)
        if room is None:
            room = make_room(conversation, "alice", "bob")
            unit.add_room(room)
            for user, member in room.members.items():
                changes.members[conversation, user] = member
                changes.joined.add((conversation, user))
        room.conversation.head = max(numbers)
        changes.conversations[conversation] = room.conversation
        await unit.commit(changes)


async def test_messages_are_found_by_place_in_the_order_asked_for(place: Place) -> None:
    store = await place.open()
    await say(store, DIRECT, 1, 2, 3)
    await say(store, "g:team", 1)
    wanted = [at(b"g:team", 1), at(DIRECT.encode(), 9), at(DIRECT.encode(), 3), at(b"g:none", 1), at(b"g:team", 1)]
    found = await store.messages(wanted)
    assert [text is not None for text in found] == [True, False, True, False, True]
    assert found[2] == b'{"conversation":"d:alice~bob","message_seq":3,"body":{}}'
    assert await store.messages([]) == []


async def test_history_is_ascending_from_either_end(place: Place) -> None:
    store = await place.open()
    await say(store, DIRECT, *range(1, 21))

    async def numbers(low: int, high: int, limit: int, *, backwards: bool) -> list[int]:
        return [seq for seq, _ in await store.history(DIRECT, low, high, limit, backwards=backwards)]

    assert await numbers(1, 20, 5, backwards=True) == [16, 17, 18, 19, 20]
    assert await numbers(1, 20, 5, backwards=False) == [1, 2, 3, 4, 5]
    assert await numbers(3, 4, 5, backwards=True) == [3, 4]
    assert await numbers(19, 99, 5, backwards=False) == [19, 20]
    assert await numbers(5, 4, 5, backwards=False) == []
    assert await store.history("g:none", 1, 9, 5, backwards=True) == []


async def test_a_message_written_again_replaces_the_one_before(place: Place) -> None:
    store = await place.open()
    await say(store, DIRECT, 1, body='{"text":"before"}')
    await say(store, DIRECT, 1, body='{"text":"after"}')
    (text,) = await store.messages([at(DIRECT.encode(), 1)])
    assert text is not None
    assert b"after" in text


async def test_a_conversation_keeps_every_field_of_its_record_and_members(place: Place) -> None:
    store = await place.open()
    record = Conversation(
        id="g:team", kind="group", head=7, time=1_766_000_000_123, count=2, ordinal=9, history="joined",
        title="Tëam 👍", creator="alice", origin=b"\0\xff" * 8,
    )  # fmt: skip
    members = {
        "alice": Member(joined=1, read=7, ordinal=0, role="admin", muted=True, pinned=True),
        "bob": Member(joined=5, read=4, ordinal=8, role="member"),
    }
    await put_room(store, Room(record, members))
    store = await place.reopen()
    found = await store.room("g:team")
    assert found is not None
    assert found.conversation == record
    assert found.members == members
    async with store.begin(["g:team", "g:other"], ()) as unit:
        again = unit.room("g:team")
        assert again is not None
        assert (again.conversation, again.members) == (record, members)
        assert unit.room("g:other") is None
    assert await store.room("g:other") is None


async def test_a_user_finds_the_conversations_they_are_in(place: Place) -> None:
    store = await place.open()
    await put_room(store, make_room(DIRECT, "alice", "bob", head=3))
    await put_room(store, make_room("g:team", "alice", "carol"))
    assert sorted(await store.conversations("alice")) == [DIRECT, "g:team"]
    assert await store.conversations("bob") == [DIRECT]
    assert await store.conversations("dave") == []
    found = await store.memberships("alice", ["g:none", "g:team", DIRECT])
    assert [each.conversation.id if each else None for each in found] == [None, "g:team", DIRECT]
    assert [each is None for each in await store.memberships("bob", [DIRECT, "g:team"])] == [False, True]
    assert await store.memberships("bob", []) == []


async def test_members_come_go_and_come_back(place: Place) -> None:
    store = await place.open()
    await put_room(store, make_room("g:team", "alice", "bob"))

    async def change(*, joins: dict[str, Member], leaves: tuple[str, ...]) -> None:
        changes = Changes()
        async with store.begin(["g:team"], ()) as unit:
            room = unit.room("g:team")
            assert room is not None
            for user in leaves:
                changes.left["g:team", user, room.members.pop(user).joined] = room.conversation.head
            for user, member in joins.items():
                room.members[user] = changes.members["g:team", user] = member
                changes.joined.add(("g:team", user))
            room.conversation.count = len(room.members)
            changes.conversations["g:team"] = room.conversation
            await unit.commit(changes)

    async def members() -> set[str]:
        room = await store.room("g:team")
        assert room is not None
        assert room.conversation.count == len(room.members)
        return set(room.members)

    await change(joins={"carol": Member(joined=1, read=0, ordinal=2)}, leaves=("bob",))
    assert await members() == {"alice", "carol"}
    assert await store.conversations("bob") == []
    assert await store.memberships("bob", ["g:team"]) == [None]
    await change(joins={"bob": Member(joined=3, read=2, ordinal=3)}, leaves=())
    assert await store.conversations("bob") == ["g:team"]
    # Away and back within one batch: a member, from the new place on.
    await change(joins={"carol": Member(joined=9, read=8, ordinal=4)}, leaves=("carol",))
    store = await place.reopen()
    assert await members() == {"alice", "bob", "carol"}
    assert await store.conversations("carol") == ["g:team"]
    (found,) = await store.memberships("carol", ["g:team"])
    assert found is not None
    assert found.member.joined == 9


async def test_a_batch_that_fails_takes_its_changes_of_members_back(place: Place) -> None:
    store = await place.open()
    await put_room(store, make_room("g:team", "alice", "bob"))

    async def fail() -> None:
        async with store.begin(["g:team", "g:new"], ()) as unit:
            room = unit.room("g:team")
            assert room is not None
            room.members["alice"].read = 99
            del room.members["bob"]
            room.conversation.title = "changed"
            unit.add_room(make_room("g:new", "alice"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    async with store.begin(["g:team", "g:new"], ()) as unit:
        room = unit.room("g:team")
        assert room is not None
        assert room.members["alice"].read == 0
        assert set(room.members) == {"alice", "bob"}
        assert room.conversation.title is None
        assert unit.room("g:new") is None
    assert await store.room("g:new") is None


async def test_a_message_is_known_by_its_client_id_until_its_time_is_over(place: Place) -> None:
    store = await place.open(ttl=3600)
    await say(store, DIRECT, 1, body='{"n":1}')
    now = int(time.time() * 1000)
    key, other = send_key("alice", DIRECT, "id-\0-1"), send_key("alice", DIRECT, "id-\0-2")
    async with store.begin([DIRECT], [key, other]) as unit:
        assert unit.placements.get(key) is None
        changes = Changes()
        changes.placements = placed(key, 1, now, 5)
        await unit.commit(changes)
    store = await place.reopen()
    stranger, elsewhere = send_key("bob", DIRECT, "id-\0-1"), send_key("alice", "g:team", "id-\0-1")
    async with store.begin([DIRECT, "g:team"], [key, other, stranger, elsewhere]) as unit:
        found = unit.placements.get(key)
        assert found is not None
        assert (found.message_seq, found.seq, found.time, bytes(found.body)) == (1, 5, now, b'{"n":1}')
        for unknown in (other, stranger, elsewhere):
            assert unit.placements.get(unknown) is None


async def test_devices_are_kept_by_user(place: Place) -> None:
    store = await place.open()
    assert await store.devices("alice") == {}
    phone, laptop = Device(cursor=7, last_seen=1_766_000_000_000), Device(last_seen=5, forgotten=4)
    gone = Device(forgotten=9)
    await store.put_devices(
        [("alice", "phone", Device()), ("alice", "laptop", laptop), ("bob", "phone", gone), ("alice", "phone", phone)],
        durable=True,
    )
    assert await store.devices("alice") == {"phone": phone, "laptop": laptop}
    await store.put_devices([("alice", "laptop", None), ("alice", "none", None)], durable=False)
    assert await store.devices("alice") == {"phone": phone}
    await store.put_devices([], durable=False)
    store = await place.reopen()
    assert await store.devices("bob") == {"phone": gone}
