"""Only I-JSON comes in (protocol, section 2), and the fast way in judges exactly like the slow one."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tideline.protocol import ijson
from tideline.protocol.ijson import NotIJSON, NotJSON

SAFE = 2**53 - 1

VIOLATIONS = {
    "duplicate key": b'{"a":1,"a":1}',
    "duplicate key deep inside": b'[{"x":[{"b":1,"c":2,"b":3}]}]',
    "duplicate key, spelled differently": b'{"a":1,"\\u0061":2}',
    "lone high surrogate": b'{"a":"\\ud800"}',
    "lone low surrogate": b'["\\udc00"]',
    "surrogates in the wrong order": b'["\\udc00\\ud800"]',
    "lone surrogate in a key": b'{"\\ud800":1}',
    "surrogate as UTF-8": b'["\xed\xa0\x80"]',
    "malformed UTF-8": b'["\xff"]',
    "malformed UTF-8 in a key": b'{"\xc3":1}',
    "UTF-8 that is cut off": b'["\xe2\x82"]',
    "overlong UTF-8": b'["\xc0\xaf"]',
    "UTF-8 beyond Unicode": b'["\xf5\x80\x80\x80"]',
    "integer one too large": b"[9007199254740992]",
    "integer one too small": b"[-9007199254740992]",
    "integer alone": b"9007199254740992",
    "integer beyond 64 bits": b"[123456789012345678901234567890]",
    "integer of 200,000 digits": b"[" + b"9" * 200_000 + b"]",
    "number beyond a double": b"[1e400]",
    "negative number beyond a double": b'{"a":-1e999}',
    "arrays nested 33 deep": b"[" * 33 + b"]" * 33,
    "objects nested 33 deep": b'{"a":' * 33 + b"1" + b"}" * 33,
    "nested 100,000 deep": b"[" * 100_000 + b"]" * 100_000,
    "never closed, 100,000 deep": b'{"a":' * 100_000,
}

MALFORMED = {
    "nothing": b"",
    "space": b"  ",
    "word": b"hello",
    "NaN": b"[NaN]",
    "Infinity": b"[Infinity]",
    "minus Infinity": b'{"a":-Infinity}',
    "two values": b"{}{}",
    "trailing comma in an object": b'{"a":1,}',
    "trailing comma in an array": b"[1,]",
    "single quotes": b"{'a':1}",
    "no quotes": b"{a:1}",
    "a comment": b"[1/**/]",
    "a leading zero": b"[01]",
    "a leading plus": b"[+1]",
    "no digit after the point": b"[1.]",
    "no digit before the point": b"[.5]",
    "hexadecimal": b"[0x10]",
    "an unescaped line break in a string": b'["a\nb"]',
    "an unescaped zero byte": b'["\0"]',
    "an unknown escape": b'["\\x41"]',
    "an escape that is cut off": b'["\\u00"]',
    "a string that is not closed": b'{"a":"b',
    "an object that is not closed": b'{"a":1',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "other spaces": b"[1,\x0b2]",
}

EQUAL_SPELLINGS = {
    "spaces": b' { "a" : [ 1 , 2 ] } ',
    "escapes": b'{"\\u0061":[1,2]}',
    "line breaks": b'{\n\t"a": [1,\r\n2]}\n',
}


@pytest.mark.parametrize("text", VIOLATIONS.values(), ids=VIOLATIONS)
def test_json_that_is_no_ijson_is_refused_and_told_apart(text: bytes) -> None:
    with pytest.raises(NotIJSON):
        ijson.decode(text)


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(NotJSON):
        ijson.decode(text)


@pytest.mark.parametrize("text", EQUAL_SPELLINGS.values(), ids=EQUAL_SPELLINGS)
def test_spelling_does_not_matter(text: bytes) -> None:
    assert ijson.decode(text) == {"a": [1, 2]}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"[9007199254740991,-9007199254740991]", [SAFE, -SAFE]),
        (b"[0,-0,0.0,-0.0,1E2,1e-400]", [0, 0, 0.0, 0.0, 100.0, 0.0]),
        (b"[1e20]", [1e20]),
        (b'["\\ud83d\\ude00","\xf0\x9f\x98\x80"]', ["😀", "😀"]),
        (b'["\\u0000\\/\\b"]', ["\0/\b"]),
        (b"[" * 32 + b"]" * 32, None),
        (b'{"[[[[[[[[[[[[[[[[[[[[":"{{{{{{{{{{{{{{{{{{{{{","a":[]}', None),
        (b'["\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["]', None),
        (b"[" + b"[]," * 1000 + b"{}]", None),
        (b"null", None),
        (b'"text"', "text"),
    ],
)
def test_what_is_within_the_bounds_is_taken(text: bytes, value: object) -> None:
    assert ijson.decode(text) == (json.loads(text) if value is None else value)


# One way is fast and one is slow; which of them a text takes must not matter.

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**54), 2**54)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


def outcome(text: bytes, decode: Any) -> object:
    try:
        return json.dumps(decode(text))
    except (NotJSON, NotIJSON) as error:
        return type(error)


def slowly(text: bytes) -> Any:
    """Decode without the fast path."""
    if text.count(b"{") + text.count(b"[") > 32:
        ijson._check_depth(text)
    value = ijson._decode_slowly(text)
    ijson._check_numbers(value)
    return value


@given(values)
def test_both_ways_agree_on_every_value(value: object) -> None:
    for text in (
        json.dumps(value, separators=(",", ":"), ensure_ascii=False),
        json.dumps(value, indent=1),
    ):
        assert outcome(text.encode(), ijson.decode) == outcome(text.encode(), slowly)


pieces = st.sampled_from(
    [
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b'"',
        b"\\",
        b"\\u0061",
        b"\\ud800",
        b"\\udc00",
        b"a",
        b"1",
        b"-",
        b".5",
        b"e3",
        b"E+400",
        b"0",
        b"9007199254740992",
        b"null",
        b"true",
        b"NaN",
        b" ",
        b"\n",
        b"\0",
        b"\xff",
        "é".encode(),
        b'"a":',
        b'{"a":1}',
        b'"a":1,"a":2',
    ]
)


@given(st.lists(pieces, max_size=14).map(b"".join))
@example(b'{"a":1,"a":2}')
@example(b"-0")
@example(b"1E+400")
@example(b"[1.0,1]")
def test_both_ways_agree_on_every_text(text: bytes) -> None:
    assert outcome(text, ijson.decode) == outcome(text, slowly)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_value_or_a_clear_refusal(text: bytes) -> None:
    assert outcome(text, ijson.decode) == outcome(text, slowly)


# An array of frames is taken apart without judging its elements.


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (b"[]", []),
        (b" [ ] ", []),
        (b"[1]", [b"1"]),
        (b'[{"a":[1,2]},{"b":"],["}]', [b'{"a":[1,2]}', b'{"b":"],["}']),
        (b'[ {"a":1} , "\\"" ,null]', [b'{"a":1}', b'"\\""', b"null"]),
        (b'[{"a":1,"a":2},{"b":\xff}]', [b'{"a":1,"a":2}', b'{"b":\xff}']),
        (b"[nonsense,1]", [b"nonsense", b"1"]),
    ],
)
def test_an_array_is_taken_apart_even_when_its_elements_are_bad(text: bytes, parts: list[bytes]) -> None:
    assert ijson.elements(text) == parts


@pytest.mark.parametrize("text", [b"[", b"[1", b'["', b"[1]]", b"[1]x", b'["]', b"[{]", b"[[]"])
def test_an_array_that_does_not_close_is_no_json(text: bytes) -> None:
    with pytest.raises(NotJSON):
        [ijson.decode(part) for part in ijson.elements(text)]


@given(st.lists(values, max_size=5))
def test_taking_apart_gives_back_every_element(items: list[object]) -> None:
    text = json.dumps(items, indent=1).encode()
    assert [json.loads(part) for part in ijson.elements(text)] == items


HARD = {
    "quotes behind backslashes": b"[" * 40 + b'"' + b'\\"' * 130_000,
    "quotes and no end": b"[" * 40 + b'"' * 262_001,
    "strings and brackets": b"[" * 40 + b'"[",' * 60_000,
    "backslashes": b"[" * 40 + b'"' + b"\\" * 262_000,
    "one quote after another, cut off": b'[{"a":"' + b'\\"' * 130_000,
    "brackets": b"[" * 262_144,
    "closing brackets": b"]" * 262_144,
}


@pytest.mark.timeout(30)  # linear work takes milliseconds, quadratic work minutes
@pytest.mark.parametrize("text", HARD.values(), ids=HARD)
def test_no_text_of_a_frame_takes_more_than_linear_time(text: bytes) -> None:
    for take in (ijson.decode, ijson.elements):
        with pytest.raises((NotJSON, NotIJSON, ValueError)):
            take(text)
