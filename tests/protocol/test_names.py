"""Names are what the protocol's section 3 allows, and nothing else, wherever a name can be said."""

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tideline.protocol import codec
from tideline.protocol.errors import RequestError
from tideline.protocol.names import direct, group, is_name, kind_of, parties, peer

FORBIDDEN = ':~/?#%"'
ALLOWED = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in FORBIDDEN)
names = st.text(alphabet=ALLOWED, min_size=1, max_size=64)

BAD = [
    "",
    "a" * 65,
    "a b",
    "a\n",
    "\na",
    "a\r",
    "a\0",
    "é",
    "a\u2028",
    "a\x7f",
    *(f"a{character}b" for character in FORBIDDEN),
]


@given(names)
def test_every_allowed_string_is_a_name(name: str) -> None:
    assert is_name(name)


@given(st.text(max_size=70))
def test_a_name_is_exactly_what_the_protocol_says(text: str) -> None:
    assert is_name(text) == (1 <= len(text) <= 64 and all(character in ALLOWED for character in text))


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_name_is_refused_wherever_a_request_names_someone(text: str) -> None:
    assert not is_name(text)
    for frame in (
        {"type": "hello", "token": "t", "device": text},
        {"type": "forget", "device": text},
        {"type": "add", "conversation": "g:a", "members": ["bob", text]},
        {"type": "remove", "conversation": "g:a", "members": [text]},
        {"type": "create", "members": [text]},
        {"type": "role", "conversation": "g:a", "user": text, "role": "admin"},
        {"type": "send", "to": "bob", "client_id": "c", "body": {}, "mentions": [text]},
    ):
        with pytest.raises(RequestError) as caught:
            codec.decode_request(json.dumps({**frame, "id": 3}).encode())
        assert (caught.value.code, caught.value.id) == ("bad_request", 3)


@pytest.mark.parametrize("name", ["[x]^_|\\", "a", "A" * 64, "!$&'()*+,-.;<=>@`{}", string.digits])
def test_names_of_other_systems_are_names(name: str) -> None:
    assert is_name(name)
    assert kind_of(group(name)) == "group"


@given(names, names)
def test_a_direct_conversation_is_the_same_from_both_sides(a: str, b: str) -> None:
    conversation = direct(a, b)
    assert conversation == direct(b, a)
    assert kind_of(conversation) == "direct"
    assert set(parties(conversation)) == {a, b}
    assert len(parties(conversation)) == (1 if a == b else 2)
    assert peer(conversation, a) == b
    assert peer(conversation, b) == a


@given(names, names)
def test_only_the_order_by_code_points_is_an_id(a: str, b: str) -> None:
    assert (kind_of(f"d:{a}~{b}") == "direct") == (a <= b)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "g:",
        "g",
        "d:",
        "d:a",
        "d:~",
        "d:a~",
        "d:~a",
        "d:b~a",
        "d:a~b~c",
        "c:news",
        "x:a",
        "G:a",
        "g:a\n",
        "d:a~b\n",
        "g: a",
        "g:a:b",
        "a",
        "g:" + "a" * 65,
        "d:a~" + "b" * 65,
        "g:é",
    ],
)
def test_what_is_no_id_of_a_conversation_has_no_kind(text: str) -> None:
    assert kind_of(text) is None
