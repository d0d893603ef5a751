"""Events of section 7 are decoded by their type; one of a later version stops nobody (section 6, rule 9)."""

import json
from typing import Any

import msgspec
import pytest

from tideline.protocol.events import (
    ConversationEvent,
    Custom,
    Edited,
    MemberEvent,
    MessageEvent,
    Reaction,
    ReadEvent,
    Recalled,
    UnknownEvent,
    decode_event,
)

MESSAGE = {"conversation": "g:a", "message_seq": 18, "sender": "bob", "client_id": "c", "time": 1, "body": {"x": 1}}

EVENTS: dict[type, dict[str, Any]] = {
    MessageEvent: {"type": "message", "message": MESSAGE},
    Edited: {"type": "edited", "conversation": "g:a", "message_seq": 18, "by": "bob", "time": 2, "message": MESSAGE},
    Recalled: {"type": "recalled", "conversation": "g:a", "message_seq": 18, "by": "bob", "time": 2},
    Reaction: {"type": "reaction", "conversation": "g:a", "message_seq": 1, "by": "b", "reaction": "👍", "on": True},
    ReadEvent: {"type": "read", "conversation": "g:a", "user": "bob", "message_seq": 18},
    ConversationEvent: {"type": "conversation", "state": {"conversation": "g:a", "kind": "group"}},
    MemberEvent: {
        "type": "member",
        "conversation": "g:a",
        "added": ["eve"],
        "removed": [],
        "by": "bob",
        "members": 3,
    },
    Custom: {"type": "custom", "name": "n", "data": [1, {"a": None}]},
}


@pytest.mark.parametrize(("kind", "event"), EVENTS.items(), ids=[event["type"] for event in EVENTS.values()])
def test_every_event_is_decoded_by_its_type_and_comes_back(kind: type, event: dict[str, Any]) -> None:
    decoded = decode_event(json.dumps(event).encode())
    assert type(decoded) is kind
    again = msgspec.json.encode(decoded)
    assert decode_event(again) == decoded
    assert decode_event(msgspec.Raw(again)) == decoded


@pytest.mark.parametrize("event", EVENTS.values(), ids=[event["type"] for event in EVENTS.values()])
def test_fields_of_a_later_version_are_ignored(event: dict[str, Any]) -> None:
    assert decode_event(json.dumps({**event, "later": {"a": 1}}).encode()) == decode_event(json.dumps(event).encode())


@pytest.mark.parametrize("type_", ["presence", "Message", "", "messages"])
def test_an_event_of_unknown_type_is_known_as_such(type_: str) -> None:
    assert decode_event(json.dumps({"type": type_, "whatever": [1]}).encode()) == UnknownEvent(type_)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "read", "conversation": "g:a"},
        {"type": "message"},
        {"type": "message", "message": {"conversation": 5}},
        {"type": 5},
        {},
    ],
)
def test_a_malformed_event_of_a_known_type_is_an_error_and_not_unknown(event: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_event(json.dumps(event).encode())


@pytest.mark.parametrize("text", [b"", b"{", b"nonsense"])
def test_what_is_no_json_is_no_event(text: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_event(text)


def test_a_message_that_is_gone_is_still_an_entry() -> None:
    event = decode_event(b'{"type":"message","message":{"conversation":"g:a","message_seq":3,"gone":true}}')
    assert isinstance(event, MessageEvent)
    assert event.message.gone
