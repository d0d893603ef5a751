"""Texts become requests, or errors that name what is wrong and keep the frame's ``id`` (protocol, section 2)."""

import json
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tideline.protocol import codec
from tideline.protocol.errors import RequestError
from tideline.protocol.ijson import NotIJSON, NotJSON
from tideline.protocol.requests import Create, Devices, History, Send, Signal
from tideline.protocol.table import REQUESTS


def refusal(frame: object) -> RequestError:
    text = frame if isinstance(frame, bytes) else json.dumps(frame).encode()
    with pytest.raises(RequestError) as caught:
        codec.decode_request(text)
    return caught.value


SEND = {"type": "send", "id": 4, "to": "bob", "client_id": "c", "body": {}}
HISTORY = {"type": "history", "id": 4, "conversation": "g:a"}


@pytest.mark.parametrize(
    ("frame", "field"),
    [
        ({"type": "send", "id": 4, "to": "bob", "client_id": "c"}, "body"),
        ({"type": "send", "id": 4, "to": "bob", "body": {}}, "client_id"),
        ({**SEND, "client_id": ""}, "client_id"),
        ({**SEND, "client_id": "c" * 65}, "client_id"),
        ({**SEND, "client_id": 5}, "client_id"),
        ({**SEND, "client_id": None}, "client_id"),
        ({**SEND, "reply_to": 0}, "reply_to"),
        ({**SEND, "reply_to": 1.5}, "reply_to"),
        ({**SEND, "reply_to": True}, "reply_to"),
        ({**SEND, "mentions": "bob"}, "mentions"),
        ({**SEND, "mentions": [1]}, "mentions"),
        ({**SEND, "mentions": ["a b"]}, "mentions"),
        ({**SEND, "to": ""}, "to"),
        ({**SEND, "to": 7}, "to"),
        ({**SEND, "conversation": ["g:a"]}, "conversation"),
        ({"type": "pull", "id": 4}, "after"),
        ({"type": "pull", "id": 4, "after": -1}, "after"),
        ({"type": "pull", "id": 4, "after": "1"}, "after"),
        ({"type": "pull", "id": 4, "after": None}, "after"),
        ({"type": "pull", "id": 4, "after": 1, "limit": 0}, "limit"),
        ({"type": "pull", "id": 4, "after": 1, "limit": -5}, "limit"),
        ({"type": "pull", "id": 4, "after": 1, "epoch": 3}, "epoch"),
        ({"type": "snapshot", "id": 4, "limit": 0}, "limit"),
        ({"type": "snapshot", "id": 4, "next": 17}, "next"),
        ({"type": "history", "id": 4}, "conversation"),
        ({**HISTORY, "limit": 0}, "limit"),
        ({**HISTORY, "before": 0}, "before"),
        ({**HISTORY, "after": -1}, "after"),
        ({"type": "members", "id": 4, "conversation": "g:a", "limit": 0}, "limit"),
        ({"type": "read", "id": 4, "conversation": "g:a"}, "message_seq"),
        ({"type": "read", "id": 4, "conversation": "g:a", "message_seq": -1}, "message_seq"),
        ({"type": "create", "id": 4, "history": "some"}, "history"),
        ({"type": "create", "id": 4, "title": 9}, "title"),
        ({"type": "create", "id": 4, "members": {"bob": 1}}, "members"),
        ({"type": "add", "id": 4, "conversation": "g:a"}, "members"),
        ({"type": "remove", "id": 4, "members": ["bob"]}, "conversation"),
        ({"type": "role", "id": 4, "conversation": "g:a", "user": "bob", "role": "owner"}, "role"),
        ({"type": "role", "id": 4, "conversation": "g:a", "user": "b b", "role": "admin"}, "user"),
        ({"type": "update", "id": 4, "conversation": "g:a", "muted": 1}, "muted"),
        ({"type": "update", "id": 4, "conversation": "g:a", "pinned": "yes"}, "pinned"),
        ({"type": "forget", "id": 4}, "device"),
        ({"type": "ping", "id": 4, "cursor": -1}, "cursor"),
        ({"type": "hello", "id": 4, "device": "phone"}, "token"),
        ({"type": "hello", "id": 4, "token": "t"}, "device"),
        ({"type": "hello", "id": 4, "token": "t", "device": "phone", "delivery": "pigeon"}, "delivery"),
        ({"type": "hello", "id": 4, "token": "t", "device": "phone", "cursor": 1.5}, "cursor"),
        ({"type": "renew", "id": 4}, "token"),
        ({"type": "react", "id": 4, "conversation": "g:a", "message_seq": 1, "reaction": "x"}, "on"),
        ({"type": "read", "id": 4, "conversation": "g:a", "message_seq": 2**53 - 1 + 0.5}, "message_seq"),
    ],
)
def test_a_bad_field_is_named_and_the_id_is_kept(frame: dict[str, Any], field: str) -> None:
    error = refusal(frame)
    assert (error.code, error.id) == ("bad_request", 4)
    assert f"`{field}" in error.message
    assert "$." not in error.message


@pytest.mark.parametrize("id_", [0, -1, True, "4", 2**53, 1.5, None, [4], {"a": 4}])
def test_an_id_that_is_none_is_refused_and_answered_by_null(id_: object) -> None:
    error = refusal({"type": "devices", "id": id_})
    assert (error.code, error.id) == ("bad_request", None)


def test_a_missing_id_is_named() -> None:
    error = refusal({"type": "devices"})
    assert error.id is None
    assert "`id`" in error.message


@pytest.mark.parametrize(
    ("frame", "id_"),
    [
        ({"id": 9}, 9),
        ({"type": None, "id": 9}, 9),
        ({"type": 5, "id": 9}, 9),
        ({"type": ["send"], "id": 9}, 9),
        ({"type": "sned", "id": 9}, 9),
        ({"type": "Send", "id": 9}, 9),
        ({"type": "welcome", "id": 9}, 9),
        ({"type": "x" * 100_000, "id": 9}, 9),
        ({"type": "sned", "id": "9"}, None),
        ([], None),
        (["send", 9], None),
        (None, None),
        ("send", None),
        (17, None),
        (True, None),
    ],
)
def test_what_is_no_request_is_refused_alone(frame: object, id_: int | None) -> None:
    error = refusal(frame)
    assert (error.code, error.id) == ("bad_request", id_)
    assert len(error.message) < 200


@pytest.mark.parametrize(
    ("text", "id_"),
    [
        (b'{"type":"devices","id":7,"a":1,"a":2}', 7),
        (b'{"type":"devices","id":7,"a":"\\ud800"}', 7),
        (b'{"type":"devices","id":7,"a":"\xff"}', 7),
        (b'{"type":"devices","id":7,"a":9007199254740992}', 7),
        (b'{"type":"devices","id":7,"a":1e999}', 7),
        (b'{"type":"devices","id":7,"a":' + b"[" * 40 + b"]" * 40 + b"}", 7),
        (b'{"type":"devices","id":9007199254740992}', None),
        (b'{"type":"devices","a":' + b"[" * 100_000 + b"]" * 100_000 + b',"id":7}', None),
        (b'{"type":"devices","id":' + b"7" * 10_000 + b"}", None),
        (b"[" * 40 + b"]" * 40, None),
    ],
)
def test_a_frame_that_is_no_ijson_fails_alone_with_its_id_where_it_can_be_read(text: bytes, id_: int | None) -> None:
    error = refusal(text)
    assert (error.code, error.id) == ("bad_request", id_)
    assert "I-JSON" in error.message


@pytest.mark.parametrize("text", [b"", b"{", b"hello", b'{"type":"devices","id":7', b"[1,2", b"NaN"])
def test_what_is_no_json_ends_the_connection_instead(text: bytes) -> None:
    with pytest.raises(NotJSON):
        [codec.decode_request(part) for part in codec.split(text)]


def test_unknown_fields_are_ignored() -> None:
    request = codec.decode_request(b'{"type":"devices","id":1,"color":{"deep":[1]},"as":"bob"}')
    assert request == Devices(id=1)


def test_a_signal_has_no_id() -> None:
    assert codec.decode_request(b'{"type":"signal","conversation":"g:a","signal":"typing"}') == Signal(
        conversation="g:a", signal="typing"
    )


def test_a_body_is_kept_byte_by_byte() -> None:
    request = codec.decode_request(b'{"type":"send","id":1,"to":"b","client_id":"c","body": { "a" : "\\u0061" } }')
    assert isinstance(request, Send)
    assert bytes(request.body) == b'{ "a" : "\\u0061" }'


# Every request type there and back.

EXAMPLES: dict[str, dict[str, Any]] = {
    "hello": {"token": "t", "device": "phone", "instance": "i", "cursor": 0, "epoch": "e", "delivery": "hint"},
    "renew": {"token": "t"},
    "pull": {"after": 41, "epoch": "e", "limit": 500},
    "snapshot": {"limit": 3, "next": "n"},
    "send": {"conversation": "g:a", "client_id": "c", "body": {"x": 1}, "reply_to": 12, "mentions": ["bob"]},
    "history": {"conversation": "g:a", "before": 18, "limit": 5},
    "read": {"conversation": "g:a", "message_seq": 18},
    "edit": {"conversation": "g:a", "message_seq": 18, "body": {}},
    "recall": {"conversation": "g:a", "message_seq": 18},
    "react": {"conversation": "g:a", "message_seq": 18, "reaction": "👍", "on": True},
    "create": {"conversation": "g:a", "title": "A", "members": ["bob"], "history": "all"},
    "add": {"conversation": "g:a", "members": ["dave"]},
    "remove": {"conversation": "g:a", "members": ["dave"]},
    "role": {"conversation": "g:a", "user": "bob", "role": "admin"},
    "update": {"conversation": "g:a", "title": "B", "muted": True, "pinned": False},
    "members": {"conversation": "g:a", "limit": 3, "next": "n"},
    "devices": {},
    "forget": {"device": "phone"},
    "ping": {"cursor": 44},
}


@pytest.mark.parametrize("kind", REQUESTS)
def test_every_request_comes_back_from_its_json_as_it_was(kind: str) -> None:
    frame = {"type": kind, "id": 5, **EXAMPLES[kind]}
    request = codec.decode_request(json.dumps(frame).encode())
    assert isinstance(request, REQUESTS[kind].request)
    again = json.loads(codec.encode(request))
    assert frame.items() <= again.items()
    assert codec.decode_request(codec.encode(request)) == request


@pytest.mark.parametrize("kind", REQUESTS)
def test_a_body_over_http_is_the_same_request(kind: str) -> None:
    fields = EXAMPLES[kind]
    over_http, seen = codec.decode_body(kind, json.dumps(fields).encode())
    over_websocket = codec.decode_request(json.dumps({"type": kind, "id": 1, **fields}).encode())
    assert over_http == over_websocket
    assert seen == fields


def test_the_path_says_the_type_of_a_body_whatever_the_body_says() -> None:
    request, _ = codec.decode_body("devices", b'{"type":"forget","id":99,"device":"phone"}')
    assert request == Devices(id=1)
    request, _ = codec.decode_body("create", b'{"\\u0074ype":"forget"}')
    assert isinstance(request, Create)


@pytest.mark.parametrize(
    "text", [b"", b"x", b"[]", b"null", b'"a"', b"{", b'{"a":1,"a":1}', b'{"a":"\\ud800"}', b"\xff"]
)
def test_a_body_that_is_no_object_is_a_bad_request(text: bytes) -> None:
    with pytest.raises(RequestError) as caught:
        codec.decode_body("devices", text)
    assert caught.value.code == "bad_request"


def test_a_missing_field_of_a_body_is_named() -> None:
    with pytest.raises(RequestError, match="`after`"):
        codec.decode_body("pull", b"{}")
    with pytest.raises(RequestError, match="`limit`"):
        codec.decode_body("history", b'{"conversation":"g:a","limit":0}')


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (b'{"a":1}', [b'{"a":1}']),
        (b' {"a":1}', [b' {"a":1}']),
        (b'[{"a":1},{"b":2}]', [b'{"a":1}', b'{"b":2}']),
        (b' \n[ {"a":1} , 5 ]', [b'{"a":1}', b"5"]),
        (b"[]", []),
        (b"[[{}]]", [b"[{}]"]),
        (b'[{"a":1,"a":2},{"b":"\xff"},{}]', [b'{"a":1,"a":2}', b'{"b":"\xff"}', b"{}"]),
    ],
)
def test_a_message_is_one_frame_or_an_array_of_them(text: bytes, parts: list[bytes]) -> None:
    assert codec.split(text) == parts


@given(st.binary(max_size=80))
def test_any_bytes_end_in_requests_or_in_a_clear_refusal(text: bytes) -> None:
    with suppress(RequestError, NotJSON, NotIJSON):
        for part in codec.split(text):
            codec.decode_request(part)


def test_history_reads_backwards_from_the_tail_unless_it_is_told() -> None:
    request = codec.decode_request(b'{"type":"history","id":1,"conversation":"g:a"}')
    assert isinstance(request, History)
    assert (request.before, request.after, request.limit) == (None, None, 50)


def test_what_is_encoded_is_what_msgspec_encodes() -> None:
    assert codec.encode(Devices(id=3)) == msgspec.json.encode({"type": "devices", "id": 3})


# A send as clients usually spell it takes a way of its own: which way it takes must not matter.

plain: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"id": st.integers(-1, 2**53 + 1) | st.booleans() | st.just("4"), "client_id": st.text(max_size=3)},
    optional={
        "to": st.sampled_from(["bob", "", "a\n", "é"]),
        "conversation": st.sampled_from(["g:a", "d:a~b", "nonsense"]) | st.none(),
        "reply_to": st.integers(-1, 3) | st.none(),
        "mentions": st.lists(st.sampled_from(["bob", "a b", "a\n"]), max_size=2) | st.none(),
        "body": st.dictionaries(
            st.text(max_size=2),
            st.none() | st.booleans() | st.text(max_size=3) | st.integers(2**53 - 2, 2**53 + 2) | st.just([{}]),
            max_size=3,
        )
        | st.sampled_from([[], None, "x", 5]),
        "unknown": st.just(1),
    },
)


def decoded(text: bytes) -> object:
    try:
        request = codec.decode_request(text)
    except (RequestError, NotJSON) as error:
        return type(error), getattr(error, "id", None)
    assert isinstance(request, Send)
    return (
        request.id,
        request.client_id,
        bytes(request.body),
        request.conversation,
        request.to,
        request.reply_to,
        request.mentions,
    )


def spelled(fields: dict[str, Any], space: str = "") -> bytes:
    return json.dumps({"type": "send", **fields}, separators=(f",{space}", f":{space}"), ensure_ascii=False).encode()


@given(plain)
def test_a_plainly_spelled_send_is_judged_like_any_other(fields: dict[str, Any]) -> None:
    body = json.dumps(fields.get("body"), separators=(",", ":"), ensure_ascii=False).encode()
    fast, slow = decoded(spelled(fields)), decoded(b" " + spelled(fields))
    assert fast == slow
    if isinstance(fast, tuple) and len(fast) == 7:
        assert fast[2] == body


TAIL = b',"to":"b","client_id":"c","body":{'


@pytest.mark.parametrize(
    "rest",
    [
        b'"a":"x","a":"y"}}',
        b'"a":"\\ud800"}}',
        b'"a":"\xff"}}',
        b'"a":"\xed\xa0\x80"}}',
        b'"\\ud800":"x"}}',
        b'"a":1e999}}',
        b'"a":9007199254740992}}',
        b'"a":[[[[1]]]]}} ',
        b'"a":"x"},"to":"c"}',
        b'"a":"x"},"id":6}',
        b'"a":NaN}}',
    ],
)
def test_a_plainly_spelled_send_that_is_no_ijson_is_refused(rest: bytes) -> None:
    text = b'{"type":"send","id":5' + TAIL + rest
    if rest.endswith(b" "):
        assert isinstance(codec.decode_request(text), Send)
        return
    with pytest.raises((RequestError, NotJSON)):
        codec.decode_request(text)
