"""What is known of a conversation follows from its events, however often and from wherever they are applied."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tideline.client.state import Conversation, changed, later, local, place, reduce
from tideline.protocol import events
from tideline.protocol.names import direct
from tideline.protocol.responses import Message

from .model_room import ME, ROOM, ModelRoom

USERS = st.sampled_from([ME, "bob", "carol"])
NUMBERS = st.integers(1, 8)
COMMANDS = st.one_of(
    st.tuples(st.just("add"), USERS),
    st.tuples(st.just("remove"), USERS),
    st.tuples(st.just("send"), USERS),
    st.tuples(st.just("send"), USERS),
    st.tuples(st.just("read"), NUMBERS),
    st.tuples(st.just("edit"), NUMBERS),
    st.tuples(st.just("recall"), NUMBERS),
    st.tuples(st.just("react"), NUMBERS, USERS, st.booleans()),
    st.tuples(st.just("retitle"), st.sampled_from(["A", "B"])),
    st.tuples(st.just("mute"), st.booleans()),
)
HISTORIES = st.lists(COMMANDS, max_size=25)


def play(commands: list[tuple[Any, ...]], history: str = "joined") -> tuple[ModelRoom, list[Conversation | None]]:
    """Run commands; return the room and what a snapshot said at each point of alice's timeline."""
    room = ModelRoom(history)
    room.add(ME)
    room.add("bob")
    views: dict[int, Conversation | None] = {0: None}
    for name, *arguments in commands:
        view = room.view()
        views[len(room.timeline)] = local(view) if view is not None else None
        getattr(room, name)(*arguments)
    view = room.view()
    views[len(room.timeline)] = local(view) if view is not None else None
    return room, [views.get(at) for at in range(len(room.timeline) + 1)]


def replay(state: Conversation | None, timeline: list[events.AnyEvent]) -> Conversation | None:
    for event in timeline:
        state = reduce(state, event, ME)
    return state


@given(commands=HISTORIES, history=st.sampled_from(["joined", "all"]))
@settings(max_examples=300, deadline=None)
def test_all_entries_from_the_first_give_what_a_fresh_snapshot_says(
    commands: list[tuple[Any, ...]], history: str
) -> None:
    room, views = play(commands, history)
    assert replay(None, room.timeline) == views[-1]


@given(commands=HISTORIES, data=st.data())
@settings(max_examples=300, deadline=None)
def test_a_snapshot_newer_than_its_cursor_and_the_entries_after_it_give_the_same(
    commands: list[tuple[Any, ...]], data: st.DataObject
) -> None:
    room, views = play(commands)
    at = data.draw(st.integers(0, len(room.timeline)))
    cursor = data.draw(st.integers(0, at))
    if at != len(room.timeline) and at not in {place for place, view in enumerate(views) if view is not None}:
        return
    assert replay(views[at], room.timeline[cursor:]) == views[-1]


@given(commands=HISTORIES, data=st.data())
@settings(max_examples=300, deadline=None)
def test_nothing_goes_back_while_entries_are_applied_that_a_snapshot_contains(
    commands: list[tuple[Any, ...]], data: st.DataObject
) -> None:
    room, views = play(commands)
    cursor = data.draw(st.integers(0, len(room.timeline)))
    state = views[-1]
    for event in room.timeline[cursor:]:
        before, state = state, reduce(state, event, ME)
        if before is not None and state is not None:
            assert state.head >= before.head
            assert state.read >= before.read
            if before.last_message is not None:
                assert state.last_message is not None
                assert state.last_message.message_seq >= before.last_message.message_seq
                if state.last_message.message_seq == before.last_message.message_seq:
                    assert (state.last_message.edited or 0) >= (before.last_message.edited or 0)


@given(commands=HISTORIES)
@settings(max_examples=200, deadline=None)
def test_applying_an_event_twice_changes_nothing(commands: list[tuple[Any, ...]]) -> None:
    room, _ = play(commands)
    state: Conversation | None = None
    held: dict[tuple[str, int] | None, Message | None] = {}
    for event in room.timeline:
        state = reduce(state, event, ME)
        assert reduce(state, event, ME) == state
        where = place(event)
        held[where] = changed(held.get(where), event)
        assert changed(held[where], event) == held[where]


@given(commands=HISTORIES)
@settings(max_examples=200, deadline=None)
def test_messages_end_in_the_form_that_the_server_has(commands: list[tuple[Any, ...]]) -> None:
    room, _ = play(commands)
    held: dict[int, Message] = {}
    for event in room.timeline:
        if isinstance(event, events.MessageEvent | events.Edited | events.Recalled | events.Reaction):
            _, number = place(event) or ("", 0)
            message = changed(held.get(number), event)
            if message is not None:
                held[number] = message
    for number, message in held.items():
        if message.sender and not message.recalled:
            assert message == room.messages[number - 1]


def message(number: int, sender: str = "bob", conversation: str = "d:alice~bob", **fields: Any) -> events.AnyEvent:
    fields = {"client_id": f"c{number}", "time": number, "body": {"n": number}, **fields}
    return events.MessageEvent(message=Message(conversation=conversation, message_seq=number, sender=sender, **fields))


def test_the_first_message_of_a_direct_conversation_implies_its_state() -> None:
    state = reduce(None, message(1), ME)
    assert state is not None
    assert (state.kind, state.peer, state.members, state.head, state.unread) == ("direct", "bob", 2, 1, 1)


def test_talking_to_oneself_is_a_conversation_of_one() -> None:
    state = reduce(None, message(1, ME, direct(ME, ME)), ME)
    assert state is not None
    assert (state.peer, state.members, state.unread) == (ME, 1, 0)


def test_a_read_position_may_come_before_its_message() -> None:
    read = events.ReadEvent(conversation="d:alice~bob", user=ME, message_seq=3)
    state = replay(None, [message(1), read, message(2)])
    assert state is not None
    assert (state.head, state.unread) == (2, 0)
    state = replay(state, [message(3), message(4)])
    assert state is not None
    assert state.unread == 1


def test_own_messages_are_not_unread() -> None:
    state = replay(None, [message(1), message(2, ME), message(3)])
    assert state is not None
    assert (state.read, state.unread) == (2, 1)


def test_the_peers_reading_is_a_receipt_and_no_reading_of_ones_own() -> None:
    read = events.ReadEvent(conversation="d:alice~bob", user="bob", message_seq=1)
    state = replay(None, [message(1, ME), message(2), read])
    assert state is not None
    assert (state.peer_read, state.unread) == (1, 1)


def test_nothing_is_left_of_a_conversation_that_one_was_removed_from() -> None:
    room = ModelRoom()
    for user in (ME, "bob"):
        room.add(user)
    room.send("bob")
    room.remove(ME)
    assert replay(None, room.timeline) is None


def test_who_comes_back_reads_from_there_and_has_nothing_unread() -> None:
    room = ModelRoom()
    for user in (ME, "bob"):
        room.add(user)
    room.send("bob")
    room.remove(ME)
    room.send("bob")
    room.add(ME)
    state = replay(None, room.timeline)
    assert state is not None
    assert (state.joined, state.first, state.unread, state.last_message) == (3, 3, 0, None)


def test_a_state_of_an_earlier_membership_does_not_undo_a_later_one() -> None:
    now = Conversation(conversation=ROOM, kind="group", joined=9, first=9, head=12, read=10)
    then = Conversation(conversation=ROOM, kind="group", joined=2, first=2, head=3, read=1)
    assert reduce(now, events.ConversationEvent(state=then), ME) == now


@pytest.mark.parametrize("event", [events.UnknownEvent("hologram"), events.Custom(name="n", data=1)])
def test_events_about_no_conversation_change_none(event: events.AnyEvent) -> None:
    state = reduce(None, message(1), ME)
    assert reduce(state, event, ME) == state


def test_what_was_recalled_does_not_come_back_with_an_older_answer() -> None:
    recall = events.Recalled(conversation=ROOM, message_seq=4, by="bob", time=9)
    known = changed(None, recall)
    answer = Message(conversation=ROOM, message_seq=4, sender="bob", client_id="c", body={"text": "secret"})
    kept = later(known, answer)
    assert kept.recalled
    assert kept.body == {}
    assert kept.sender == "bob"


def test_a_message_that_is_gone_stays_gone() -> None:
    gone = Message(conversation=ROOM, message_seq=4, gone=True)
    assert later(gone, Message(conversation=ROOM, message_seq=4, sender="bob")).gone


def test_a_message_that_is_gone_is_no_last_message_to_show() -> None:
    gone = events.MessageEvent(message=Message(conversation="d:alice~bob", message_seq=2, gone=True))
    state = replay(None, [message(1), gone])
    assert state is not None
    assert (state.head, state.unread, state.last_message) == (2, 2, None)


def test_of_two_forms_the_later_edit_stays() -> None:
    first = Message(conversation=ROOM, message_seq=4, sender="bob", body={"n": 1})
    second = Message(conversation=ROOM, message_seq=4, sender="bob", body={"n": 2}, edited=7)
    assert later(first, second) == second
    assert later(second, first) == second
