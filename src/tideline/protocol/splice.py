"""Frames made by splicing bytes: what is sent for every message is never encoded twice (protocol, sections 4, 5).

Everything here takes and returns JSON as bytes. ``quote`` turns a string into its JSON.
"""

from collections.abc import Iterable, Sequence

import msgspec

from .errors import RequestError
from .responses import Bye, Error

_encode = msgspec.json.Encoder().encode
quote = _encode


def message(
    conversation: bytes,
    message_seq: int,
    sender: bytes,
    client_id: bytes,
    time: int,
    body: bytes,
    reply_to: int | None,
    mentions: list[str] | None,
) -> bytes:
    """Encode a message; names and ids are already JSON."""
    text = b'{"conversation":%b,"message_seq":%d,"sender":%b,"client_id":%b,"time":%d,"body":%b' % (
        conversation,
        message_seq,
        sender,
        client_id,
        time,
        body,
    )
    if reply_to is not None:
        text += b',"reply_to":%d' % reply_to
    if mentions:
        text += b',"mentions":%b' % _encode(mentions)
    return text + b"}"


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


def entry(seq: int, event: bytes) -> bytes:
    """Encode an entry of a sync timeline."""
    return b'{"seq":%d,"event":%b}' % (seq, event)


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


def sent(id: int | None, conversation: bytes, message_seq: int, time: int, *, duplicate: bool = False) -> bytes:
    """Encode the answer to ``send`` up to the number, which :func:`sent_at` adds."""
    told = b"true" if duplicate else b"false"
    if id is None:
        begun = b'{"type":"sent","conversation":%b,"message_seq":%d,"time":%d,"duplicate":%b,"seq":'
        return begun % (conversation, message_seq, time, told)
    begun = b'{"type":"sent","id":%d,"conversation":%b,"message_seq":%d,"time":%d,"duplicate":%b,"seq":'
    return begun % (id, conversation, message_seq, time, told)


def sent_at(begun: bytes, seq: int) -> bytes:
    """Complete the answer to ``send`` by the place in the sender's own timeline."""
    return b"%b%d}" % (begun, seq)


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
