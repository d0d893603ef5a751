"""Strict I-JSON (RFC 7493; protocol, section 2): what is JSON but not I-JSON is refused, not repaired.

The fast path is one decode and one encode: text that equals the canonical encoding of what it decodes to has no
duplicate key, no lone surrogate, no malformed UTF-8 and no number out of a double's range. Everything else goes
through the slow path, which finds out what is wrong, or that only the spelling differs.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from .limits import NESTING, SAFE_INTEGER

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
# A string that is not closed goes to the end: were it no token, each quote in it would be tried, in quadratic time.
_token = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{},]', re.DOTALL)
_SPACE: Final = b" \t\r\n"


class NotJSON(Exception):
    """The text is no JSON at all."""


class NotIJSON(Exception):
    """The text is JSON, but not I-JSON; the message says why."""


_TOO_DEEP: Final = f"nested more than {NESTING} deep"


def decode(text: bytes) -> Any:
    """Decode one I-JSON text.

    Raises:
        NotJSON: if it is malformed.
        NotIJSON: if it is JSON that I-JSON forbids, or nested more than 32 deep.
    """
    if text.count(b"{") + text.count(b"[") > NESTING:
        _check_depth(text)
    try:
        value = _decode(text)
        canonical = _encode(value) == text
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, UnicodeEncodeError):
        value = _decode_slowly(text)
    else:
        if not canonical:
            value = _decode_slowly(text)
    _check_numbers(value)
    return value


def elements(text: bytes) -> list[bytes]:
    """Split the text of an array into the texts of its elements, without judging them.

    Raises:
        NotJSON: if brackets or strings don't match.
        NotIJSON: if an element is nested more than 32 deep.
    """
    found: list[bytes] = []
    depth, start = 0, text.index(b"[") + 1
    for token, position in _structure(text):
        if token in b"[{":
            depth += 1
            if depth > NESTING + 1:
                raise NotIJSON(_TOO_DEEP)
        elif token == b",":
            if depth == 1:
                found.append(text[start:position].strip(_SPACE))
                start = position + 1
        else:
            depth -= 1
            if depth == 0:
                if token != b"]":
                    break
                last = text[start:position].strip(_SPACE)
                if text[position + 1 :].strip(_SPACE):
                    raise NotJSON("text after the array")
                if last or found:
                    found.append(last)
                return found
    raise NotJSON("array is not closed")


def _structure(text: bytes) -> Iterator[tuple[bytes, int]]:
    for match in _token.finditer(text):
        token = match.group()
        if token[:1] != b'"':
            yield token, match.start()


def _check_depth(text: bytes) -> None:
    depth = 0
    for token, _ in _structure(text):
        if token in b"[{":
            depth += 1
            if depth > NESTING:
                raise NotIJSON(_TOO_DEEP)
        elif token != b",":
            depth -= 1


def _check_numbers(value: Any) -> None:
    """Refuse integers beyond ±(2^53 - 1), wherever they are."""
    stack = [[value]]
    while stack:
        for item in stack.pop():
            kind = type(item)
            if kind is str:
                continue
            if kind is int:
                if not -SAFE_INTEGER <= item <= SAFE_INTEGER:
                    raise NotIJSON("integer beyond ±(2^53 - 1)")
            elif kind is dict:
                stack.append(item.values())
            elif kind is list:
                stack.append(item)


def _decode_slowly(text: bytes) -> Any:
    try:
        string, malformed = text.decode(), False
    except UnicodeDecodeError:
        string, malformed = text.decode("utf-8", "surrogateescape"), True
    try:
        value = json.loads(
            string,
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_int=_integer,
            parse_float=_finite,
        )
    except (ValueError, RecursionError) as error:
        raise NotJSON(str(error)) from None
    if malformed:
        raise NotIJSON("malformed UTF-8")
    try:
        _encode(value)
    except UnicodeEncodeError:
        raise NotIJSON("lone surrogate") from None
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise NotIJSON(f"duplicate key {key[:64]!r}")
            seen.add(key)
    return unique


def _no_constant(name: str) -> Any:
    raise NotJSON(f"{name} is not JSON")


def _integer(digits: str) -> int:
    if len(digits) > 17:
        raise NotIJSON("integer beyond ±(2^53 - 1)")
    return int(digits)


def _finite(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise NotIJSON("number beyond a double")
    return value
