"""Frames made by splicing bytes: what is sent for every message is never encoded twice (protocol, sections 4, 5).

Everything here returns JSON as bytes, and takes it, but for ``message``, which is made of its fields. ``quote`` turns a
string into its JSON.
"""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Raw, Struct

from .errors import RequestError
from .responses import Bye, Error

_encode = msgspec.json.Encoder().encode
quote = _encode


class _Message(Struct, omit_defaults=True):
    conversation: str
    message_seq: int
    sender: str
    client_id: str
    time: int
    body: Raw
    reply_to: int | None = None
    mentions: list[str] | None = None


def message(
    conversation: str,
    message_seq: int,
    sender: str,
    client_id: str,
    time: int,
    body: Raw,
    reply_to: int | None = None,
    mentions: list[str] | None = None,
) -> bytes:
    """Encode a message; its body is JSON."""
    return _encode(_Message(conversation, message_seq, sender, client_id, time, body, reply_to, mentions or None))


def gone(conversation: bytes, message_seq: int) -> bytes:
    """Encode a message that the server no longer holds."""
    return b'{"conversation":%b,"message_seq":%d,"gone":true}' % (conversation, message_seq)


def message_event(text: bytes) -> bytes:
    """Encode the event of a new message."""
    return b'{"type":"message","message":%b}' % text


def state_event(state: bytes) -> bytes:
    """Encode the event of a changed conversation."""
    return b'{"type":"conversation","state":%b}' % state


def with_last_message(state: bytes, text: bytes | None) -> bytes:
    """Put the last message into a state that was encoded without it."""
    return b'%b,"last_message":%b}' % (state[:-1], text if text is not None else b"null")


ENTRY = b'{"seq":%d,"event":%b}'
"""An entry of a sync timeline: its number and its event."""
MESSAGE_ENTRY = b'{"seq":%d,"event":{"type":"message","message":%b}}'
"""An entry that is a new message: its number and the message."""


def entry(seq: int, event: bytes) -> bytes:
    """Encode an entry of a sync timeline."""
    return ENTRY % (seq, event)


def push(entries: Iterable[bytes]) -> bytes:
    """Encode a run of entries that is pushed."""
    return b'{"type":"push","entries":[%b]}' % b",".join(entries)


def notify(head: int) -> bytes:
    """Encode a hint that there is something new."""
    return b'{"type":"notify","head":%d}' % head


def answer(kind: bytes, id: int | None) -> bytes:
    """Begin a response: its type and, unless it goes over HTTP, its ``id``; ends with a comma."""
    return b'{"type":"%b",' % kind if id is None else b'{"type":"%b","id":%d,' % (kind, id)


def ok(id: int | None) -> bytes:
    """Encode the answer that says just that."""
    return b'{"type":"ok"}' if id is None else b'{"type":"ok","id":%d}' % id


def page(id: int | None, epoch: bytes, entries: Sequence[bytes], head: int, more: bool) -> bytes:
    """Encode the answer to ``pull``."""
    return b'%b"epoch":%b,"entries":[%b],"head":%d,"more":%b}' % (
        answer(b"page", id),
        epoch,
        b",".join(entries),
        head,
        b"true" if more else b"false",
    )


def messages(id: int | None, conversation: bytes, texts: Sequence[bytes], head: int, first: int, more: bool) -> bytes:
    """Encode the answer to ``history``."""
    return b'%b"conversation":%b,"messages":[%b],"head":%d,"first":%d,"more":%b}' % (
        answer(b"messages", id),
        conversation,
        b",".join(texts),
        head,
        first,
        b"true" if more else b"false",
    )


def snapshot(id: int | None, cursor: int, epoch: bytes, states: Sequence[bytes], next_: bytes) -> bytes:
    """Encode the answer to ``snapshot``; ``next_`` is JSON."""
    return b'%b"cursor":%d,"epoch":%b,"conversations":[%b],"next":%b}' % (
        answer(b"snapshot", id),
        cursor,
        epoch,
        b",".join(states),
        next_,
    )


def conversation(id: int | None, state: bytes) -> bytes:
    """Encode the answer to ``create``."""
    return b'%b"state":%b}' % (answer(b"conversation", id), state)


def pong(id: int | None, head: int) -> bytes:
    """Encode the answer to ``ping``."""
    return b'%b"head":%d}' % (answer(b"pong", id), head)


def error(id: int | None, failure: RequestError) -> bytes:
    """Encode the answer to a request that failed."""
    return _encode(
        Error(
            id=id,
            code=failure.code,
            message=failure.message,
            retry=failure.retry,
            retry_after=failure.retry_after,
        )
    )


def failure(error: RequestError) -> bytes:
    """Encode the answer to a request over HTTP that failed: the same without ``id``."""
    return (
        b'{"type":"error",%b'
        % _encode(
            {"code": error.code, "message": error.message, "retry": error.retry, "retry_after": error.retry_after}
        )[1:]
    )


def bye(code: int, reason: str, retry_after: float | None = None, by: str | None = None) -> bytes:
    """Encode the last words before a close."""
    return _encode(Bye(code=int(code), reason=reason, retry_after=retry_after, by=by))


def array(frames: Sequence[bytes]) -> bytes:
    """Join frames into one WebSocket message."""
    return frames[0] if len(frames) == 1 else b"[%b]" % b",".join(frames)
