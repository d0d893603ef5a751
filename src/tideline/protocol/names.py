"""Names of apps, users, devices and conversations (protocol, section 3).

A name is 1 to 64 printable ASCII characters without ``: ~ / ? # % "``. A conversation is ``d:<a>~<b>`` with
a ≤ b in code-point order, or ``g:<name>``. Because ``~`` and ``:`` never occur in a name, a conversation's parts
can be read off its id, and because a zero byte never does, names can be joined by one in keys.
"""

import re
from functools import lru_cache
from typing import Annotated, Literal

from msgspec import Meta

NAME_PATTERN = r"^[!$&'()*+,\-.0-9;<=>@A-Z\[\\\]^_`a-z{|}]{1,64}$(?!\n)"
"""The end is said twice because Python's ``$`` also stands before a last line break."""
CONVERSATION_MAX = 2 + 64 + 1 + 64

Name = Annotated[str, Meta(pattern=NAME_PATTERN, max_length=64)]
Kind = Literal["direct", "group"]

_name = re.compile(NAME_PATTERN)
_CACHED = 65_536


def is_name(text: str) -> bool:
    """Tell whether ``text`` may name a user, a device, an app or (after ``g:``) a group."""
    return _name.match(text) is not None


def direct(a: str, b: str) -> str:
    """Return the id of the direct conversation of two users, in either order."""
    return f"d:{a}~{b}" if a <= b else f"d:{b}~{a}"


def group(name: str) -> str:
    """Return the id of the group of that name."""
    return f"g:{name}"


@lru_cache(_CACHED)
def kind_of(conversation: str) -> Kind | None:
    """Return what kind of conversation an id names, or None when it is no valid id."""
    prefix, rest = conversation[:2], conversation[2:]
    if prefix == "g:":
        return "group" if is_name(rest) else None
    if prefix == "d:":
        a, separator, b = rest.partition("~")
        return "direct" if separator and a <= b and is_name(a) and is_name(b) else None
    return None


@lru_cache(_CACHED)
def parties(conversation: str) -> tuple[str, ...]:
    """Return the users of a valid direct conversation: two, or one who talks to oneself."""
    a, _, b = conversation[2:].partition("~")
    return (a,) if a == b else (a, b)


def peer(conversation: str, user: str) -> str:
    """Return the other party of a valid direct conversation (oneself in ``d:a~a``)."""
    a, _, b = conversation[2:].partition("~")
    return b if a == user else a
