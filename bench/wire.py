"""What the load generator writes and reads: prebuilt `send` frames, and one loose struct for every answer.

The generator must cost far less than the server, so a `send` is one `%` on a template that already holds
the WebSocket header (the mask key is zero, so masking changes nothing; the server unmasks all the same), and
answers are counted by their markers (`bench.device`). Only audits and rare frames are decoded.
"""

import random
import secrets
import string
import time
from typing import Any

import jwt
import msgspec

ENTRY_SEQ = b'"seq":'
"""Stands once in every entry and every `sent`, and nowhere else (`message_seq` ends differently)."""
SENT = b'"type":"sent"'
NOTIFY = b'"type":"notify"'
ERROR = b'"type":"error"'
CLIENT_ID = b'"client_id":"'

_LETTERS = (string.ascii_letters + string.digits + " .").encode()
_FIRST_ID = 10_000_000
_DIGITS = 8
_PREFIX = 24


class Entry(msgspec.Struct, frozen=True):
    """One numbered entry of a page or a push."""

    seq: int
    event: dict[str, Any]


class Frame(msgspec.Struct, frozen=True):
    """Any frame of the server, as far as the load generator looks at it."""

    type: str
    id: int | None = None
    entries: tuple[Entry, ...] = ()
    seq: int = 0
    message_seq: int = 0
    head: int = 0
    more: bool = False
    duplicate: bool = False
    epoch: str | None = None
    reset: str | None = None
    code: int | str | None = None
    reason: str | None = None
    message: Any = None


_one = msgspec.json.Decoder(Frame)
_many = msgspec.json.Decoder(list[Frame])


def decode(payload: bytes) -> list[Frame]:
    """Decode one WebSocket message: a frame, or an array of them."""
    return _many.decode(payload) if payload.startswith(b"[") else [_one.decode(payload)]


def encode(**fields: Any) -> bytes:
    """Encode one request frame."""
    return msgspec.json.encode(fields)


def text_body(size: int) -> bytes:
    """Make a `text` body that is exactly `size` bytes of JSON."""
    empty = len(b'{"type":"text","text":""}')
    return b'{"type":"text","text":"%b"}' % (b"x" * (size - empty))


def random_bodies(size: int, count: int, seed: int) -> list[bytes]:
    """Make different `text` bodies of `size` bytes, which a store can't compress away."""
    chance = random.Random(seed)
    length = size - len(text_body(0))
    return [b'{"type":"text","text":"%b"}' % bytes(chance.choices(_LETTERS, k=length)) for _ in range(count)]


class SendTemplate:
    """The `send` frames of one sender to one conversation, numbered 0, 1, 2 … by their `client_id`."""

    def __init__(self, conversation: str, body: bytes) -> None:
        self.conversation = conversation
        self.body = body
        self.prefix = secrets.token_hex(_PREFIX // 2).encode()
        payload = b'{"type":"send","id":%%d,"conversation":"%b","client_id":"%b%%08d","body":%b}' % (
            conversation.encode(),
            self.prefix,
            body,
        )
        size = len(payload % (_FIRST_ID, 0))
        if not 126 <= size < 65536:
            raise ValueError(f"a send of {size} bytes doesn't fit the 16-bit length of the template")
        # Final text frame, masked, 16-bit length, mask key 0. A literal % in the header would be a directive.
        header = b"\x81\xfe" + size.to_bytes(2, "big") + bytes(4)
        self._template = header.replace(b"%", b"%%") + payload

    def frame(self, number: int) -> bytes:
        """Return the complete WebSocket message of `send` number `number`."""
        return self._template % (_FIRST_ID + number, number)


def number_of(payload: bytes, client_id_at: int) -> int:
    """Read the number of a `send` from its `client_id`, whose marker starts at `client_id_at`."""
    start = client_id_at + len(CLIENT_ID) + _PREFIX
    return int(payload[start : start + _DIGITS])


def direct(a: str, b: str) -> str:
    """Name the direct conversation of two users."""
    return f"d:{min(a, b)}~{max(a, b)}"


def token(user: str, secret: str, lifetime: int = 3600) -> str:
    """Sign the HS256 token of one user."""
    return jwt.encode({"sub": user, "exp": int(time.time()) + lifetime}, secret, "HS256")
