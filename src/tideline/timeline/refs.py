"""References: what an entry of a sync timeline is stored as, some tens of bytes.

======  =============================================  =========================================
first   then                                           is
======  =============================================  =========================================
``m``   conversation, ``\\0``, message_seq              a message, resolved when it is read
``s``   conversation, ``\\0``, message_seq, ``\\0``,      a conversation's state as one member saw
        JSON object                                    it; its last message is resolved when read
``e``   JSON object                                    an event that is whole in itself
======  =============================================  =========================================

A name never holds a zero byte, so the parts can't be confused. Content that can be edited or recalled is never
in a reference: it would outlive its recall.
"""

from typing import NamedTuple


class Ref(NamedTuple):
    """A reference taken apart; ``message_seq`` is 0 where none is meant."""

    kind: bytes
    conversation: bytes
    message_seq: int
    data: bytes


def message(conversation: bytes, message_seq: int) -> bytes:
    """Refer to a message."""
    return b"m%b\0%d" % (conversation, message_seq)


def state(conversation: bytes, message_seq: int, data: bytes) -> bytes:
    """Hold a conversation's state without its last message, which is at ``message_seq`` (0: none)."""
    return b"s%b\0%d\0%b" % (conversation, message_seq, data)


def event(data: bytes) -> bytes:
    """Hold an event whole."""
    return b"e" + data


def parse(ref: bytes) -> Ref:
    """Take a reference apart.

    Raises:
        ValueError: if it is none.
    """
    kind = ref[:1]
    if kind == b"m":
        conversation, _, seq = ref[1:].partition(b"\0")
        return Ref(kind, conversation, int(seq), b"")
    if kind == b"s":
        conversation, seq, data = ref[1:].split(b"\0", 2)
        return Ref(kind, conversation, int(seq), data)
    if kind == b"e":
        return Ref(kind, b"", 0, ref[1:])
    raise ValueError(f"unknown reference {ref[:80]!r}")
