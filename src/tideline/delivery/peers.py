"""What nodes tell each other about one user, and how it is encoded."""

import hashlib
from functools import lru_cache

import msgspec
from msgspec import Struct


class Note(Struct, array_like=True, frozen=True):
    """Base of all that one node tells the others. A field may only ever be added at the end, with a default."""


class Entries(Note, tag="e", frozen=True):
    """Committed entries: the events ``first`` … in order, as JSON."""

    first: int
    events: list[bytes]


class Head(Note, tag="h", frozen=True):
    """There are entries up to here."""

    head: int


class Attached(Note, tag="a", frozen=True):
    """A device has connected, at a time in ms: older connections of it are replaced."""

    device: str
    instance: str | None
    at: int


class Forgotten(Note, tag="f", frozen=True):
    """A device was forgotten, at a time in ms: connections made before are closed."""

    device: str
    at: int


class Signalled(Note, tag="s", frozen=True):
    """A signal's frame, for all of the user's connections."""

    frame: bytes


AnyNote = Entries | Head | Attached | Forgotten | Signalled

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(AnyNote).decode


@lru_cache(65_536)
def topic(app: str, user: str) -> str:
    """Return the bus topic of a user: a hash, because a name may hold anything."""
    return hashlib.blake2b(f"{app}/{user}".encode(), digest_size=15).hexdigest()
