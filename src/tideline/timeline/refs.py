"""References: what an entry of a sync timeline is stored as, some tens of bytes.

======  ===================================  ================================================================
first   then                                 is
======  ===================================  ================================================================
``m``   place                                a message, resolved when it is read
``s``   place, JSON object                   a conversation's state as one member saw it; its last message,
                                             at that place (``message_seq`` 0: none), is resolved when read
``e``   JSON object                          an event that is whole in itself
======  ===================================  ================================================================

A *place* is where a message is: its conversation, a zero byte, which no name holds, and ``message_seq`` in 8 bytes.
Content that can be edited or recalled is never in a reference: it would outlive its recall.
"""

MESSAGE = b"m"
STATE = b"s"
EVENT = b"e"


def place(conversation: bytes, message_seq: int) -> bytes:
    """Say where a message is."""
    return b"%b\0%b" % (conversation, message_seq.to_bytes(8, "big"))


def read_place(where: bytes) -> tuple[bytes, int]:
    """Return the conversation and the ``message_seq`` of a place."""
    return where[:-9], int.from_bytes(where[-8:], "big")


def message(where: bytes) -> bytes:
    """Refer to a message."""
    return MESSAGE + where


def state(where: bytes, data: bytes) -> bytes:
    """Hold a conversation's state without its last message."""
    return b"%b%b%b" % (STATE, where, data)


def event(data: bytes) -> bytes:
    """Hold an event whole."""
    return EVENT + data


def parse(ref: bytes) -> tuple[bytes, bytes, bytes]:
    """Take a reference apart: its kind, a place (empty for an event), and data (empty for a message).

    Raises:
        ValueError: if it is none.
    """
    kind = ref[:1]
    if kind == EVENT:
        return kind, b"", ref[1:]
    end = ref.find(b"\0") + 9
    if kind not in (MESSAGE, STATE) or end < 10 or len(ref) < end:
        raise ValueError(f"no reference: {ref[:80]!r}")
    return kind, ref[1:end], ref[end:]
