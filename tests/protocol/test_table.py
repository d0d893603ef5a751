"""The table of requests holds what section 4 of the protocol says; responses and splices agree about every frame."""

import json
from typing import Any, get_args

import msgspec
import pytest

from tideline.protocol import responses, splice
from tideline.protocol.errors import RequestError
from tideline.protocol.limits import Limits
from tideline.protocol.responses import ServerFrame
from tideline.protocol.table import REQUESTS

RESPONSES = {
    "hello": "welcome",
    "renew": "ok",
    "pull": "page",
    "snapshot": "snapshot",
    "send": "sent",
    "history": "messages",
    "read": "ok",
    "edit": "ok",
    "recall": "ok",
    "react": "ok",
    "create": "conversation",
    "add": "ok",
    "remove": "ok",
    "role": "ok",
    "update": "ok",
    "members": "members",
    "devices": "devices",
    "forget": "ok",
    "ping": "pong",
}


def tag(struct: Any) -> str:
    return str(struct.__struct_config__.tag)


def test_every_request_has_the_response_that_the_protocol_gives() -> None:
    assert {kind: tag(spec.response) for kind, spec in REQUESTS.items()} == RESPONSES


def test_a_row_is_found_by_the_type_that_its_request_says() -> None:
    assert [tag(spec.request) for spec in REQUESTS.values()] == list(REQUESTS)


def test_everything_but_hello_and_renew_works_over_http() -> None:
    assert [kind for kind, spec in REQUESTS.items() if not spec.http] == ["hello", "renew"]


def test_a_client_can_decode_every_response() -> None:
    assert {spec.response for spec in REQUESTS.values()} <= set(get_args(ServerFrame))


MESSAGE = splice.message("g:a", 3, "bob", "c", 17, msgspec.Raw(b'{"x":1}'), 2, ["eve"])
ENTRY = splice.entry(5, splice.message_event(MESSAGE))
STATE = msgspec.json.encode(responses.State(conversation="g:a", kind="group"))

SPLICED: dict[str, tuple[bytes, dict[str, Any]]] = {
    "page": (splice.page(1, b'"e"', [ENTRY, ENTRY], 9, True), {"epoch": "e", "head": 9, "more": True}),
    "page without id": (splice.page(None, b'"e"', [], 9, False), {"entries": [], "more": False}),
    "push": (splice.push([ENTRY, ENTRY]), {}),
    "notify": (splice.notify(60), {"head": 60}),
    "messages": (splice.messages(1, b'"g:a"', [MESSAGE], 18, 1, True), {"head": 18, "first": 1, "more": True}),
    "snapshot": (splice.snapshot(1, 44, b'"e"', [STATE], b'"n"'), {"cursor": 44, "next": "n"}),
    "last snapshot": (splice.snapshot(1, 44, b'"e"', [], b"null"), {"conversations": [], "next": None}),
    "conversation": (splice.conversation(1, STATE), {}),
    "pong": (splice.pong(12, 60), {"head": 60}),
    "ok": (splice.ok(3), {"id": 3}),
    "ok without id": (splice.ok(None), {}),
    "bye": (splice.bye(4409, "why", 2, "i"), {"code": 4409, "reason": "why", "retry_after": 2, "by": "i"}),
    "error": (
        splice.error(4, RequestError("rate_limited", "slowly", retry_after=1.5)),
        {"id": 4, "code": "rate_limited", "message": "slowly", "retry": True, "retry_after": 1.5},
    ),
    "error without id": (splice.error(None, RequestError("bad_request", "no")), {"id": None, "retry": False}),
    "array": (splice.array([splice.notify(1)]), {"head": 1}),
}


@pytest.mark.parametrize(("text", "fields"), SPLICED.values(), ids=SPLICED)
def test_what_is_spliced_is_the_frame_that_clients_decode(text: bytes, fields: dict[str, Any]) -> None:
    assert fields.items() <= json.loads(text).items()
    frame = msgspec.json.decode(text, type=ServerFrame)
    assert msgspec.json.decode(msgspec.json.encode(frame), type=ServerFrame) == frame


def test_several_frames_are_joined_to_an_array() -> None:
    assert json.loads(splice.array([splice.ok(1), splice.notify(2)])) == [
        {"type": "ok", "id": 1},
        {"type": "notify", "head": 2},
    ]


def test_a_message_leaves_out_what_it_has_not() -> None:
    plain = json.loads(splice.message("d:a~b", 1, "a", "c", 17, msgspec.Raw(b"{}")))
    assert plain == {
        "conversation": "d:a~b",
        "message_seq": 1,
        "sender": "a",
        "client_id": "c",
        "time": 17,
        "body": {},
    }
    whole = json.loads(MESSAGE)
    assert (whole["reply_to"], whole["mentions"], whole["body"]) == (2, ["eve"], {"x": 1})


def test_a_message_is_spelled_into_its_entry_like_any_event() -> None:
    assert splice.MESSAGE_ENTRY % (5, MESSAGE) == ENTRY


def test_the_answer_to_a_send_over_http_has_no_id() -> None:
    sent = responses.Sent(conversation="g:a", message_seq=18, seq=45, time=17, duplicate=True)
    assert json.loads(msgspec.json.encode(sent)) == {
        "type": "sent",
        "conversation": "g:a",
        "message_seq": 18,
        "seq": 45,
        "time": 17,
        "duplicate": True,
    }


def test_a_message_that_is_gone_says_only_where_it_was() -> None:
    assert json.loads(splice.gone(b'"g:a"', 7)) == {"conversation": "g:a", "message_seq": 7, "gone": True}


def test_a_state_gets_its_last_message() -> None:
    assert json.loads(splice.with_last_message(b'{"head":3}', MESSAGE))["last_message"]["message_seq"] == 3
    assert json.loads(splice.with_last_message(b'{"head":3}', None))["last_message"] is None


def test_the_limits_are_those_of_the_protocol() -> None:
    assert msgspec.to_builtins(Limits()) == {
        "frame": 262144,
        "page_bytes": 786432,
        "body": 32768,
        "page": 1000,
        "history": 500,
        "snapshot": 500,
        "group_members": 1000,
        "mentions": 50,
        "title": 256,
        "reactions": 32,
        "devices": 100,
        "client_id_ttl": 86400,
        "sends_per_second": 0,
    }
