"""What travels between a device and the lab's server: the same frames for all models, each uses those it needs.

A WebSocket message is an array of frames, as in the protocol of the product. Traffic is counted where a frame is
encoded, by the frame's type, so that what is the same in all models (``send``, ``sent``, ``ping``, ``pong``) can be
told apart from what a model costs.
"""

from collections import Counter
from collections.abc import Iterable

import msgspec
from msgspec import Raw, Struct


class Message(Struct):
    """A message; ``number`` is its place in its conversation, given by the server."""

    id: int
    """The lab's own name for it, by which the ledger knows it."""
    conversation: str
    sender: str
    body: str
    number: int = 0


class Entry(Struct):
    """A message on its way to a device; what ``seq`` counts depends on the model."""

    seq: int
    message: Raw


class Hello(Struct, tag="hello"):
    """A device connects. ``cursor`` is its place in its user's timeline (0: it holds nothing)."""

    user: str
    device: str
    cursor: int = 0


class Send(Struct, tag="send"):
    """A user sends a message."""

    message: Message


class Pull(Struct, tag="pull"):
    """A device asks for what follows its cursor."""

    after: int


class Ack(Struct, tag="ack"):
    """A device has applied these entries of its inbox (traditional model)."""

    seqs: list[int]


class Ping(Struct, tag="ping"):
    """A device has sent nothing for a while; or it wants to know that everything before has arrived."""


class Welcome(Struct, tag="welcome"):
    """The answer to ``hello``, with the first page where the model has pages."""

    entries: list[Entry] = []
    head: int = 0
    more: bool = False


class Sent(Struct, tag="sent"):
    """The answer to ``send``: the message is stored."""

    id: int


class Push(Struct, tag="push"):
    """Messages, unasked for."""

    entries: list[Entry]


class Notify(Struct, tag="notify"):
    """A hint: there is something new up to ``head``."""

    head: int


class Page(Struct, tag="page"):
    """The answer to ``pull``."""

    entries: list[Entry]
    head: int
    more: bool


class Pong(Struct, tag="pong"):
    """The answer to ``ping``, with the head of the user's timeline where the model has one."""

    head: int = 0


Up = Hello | Send | Pull | Ack | Ping
Down = Welcome | Sent | Push | Notify | Page | Pong

UNASKED = (Push, Notify)
"""What a server sends by itself: only this can be lost."""

_encoder = msgspec.json.Encoder()
_up = msgspec.json.Decoder(list[Up])
_down = msgspec.json.Decoder(list[Down])
_message = msgspec.json.Decoder(Message)


def encode_message(message: Message) -> bytes:
    """Encode a message as it is stored and sent."""
    return _encoder.encode(message)


def decode_message(text: Raw) -> Message:
    """Decode a stored message."""
    return _message.decode(text)


def encode(frame: Up | Down) -> bytes:
    """Encode one frame."""
    return _encoder.encode(frame)


def bundle(frames: Iterable[bytes]) -> bytes:
    """Make one WebSocket message of encoded frames."""
    return b"[%b]" % b",".join(frames)


def decode_up(text: bytes) -> list[Up]:
    """Decode what a device sent."""
    return _up.decode(text)


def decode_down(text: bytes) -> list[Down]:
    """Decode what the server sent."""
    return _down.decode(text)


class Traffic:
    """Frames and bytes by type of frame, as encoded."""

    __slots__ = ("bytes", "frames")

    def __init__(self) -> None:
        self.frames: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()

    def count(self, frame: Up | Down, size: int) -> None:
        """Count one frame."""
        kind = type(frame).__struct_config__.tag
        self.frames[str(kind)] += 1
        self.bytes[str(kind)] += size
