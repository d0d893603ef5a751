"""What comes in on a connection, from WebSocket frames to the texts of requests (protocol, section 2).

Bounds: a message in fragments by ``limits.frame``, whatever the number of its fragments; an array is taken as far
as ``max_in_flight`` allows, its other frames wait, and what comes after them waits behind them.
"""

from collections import deque
from collections.abc import Callable
from typing import Protocol

from picows import WSFrame, WSMsgType

from tideline.protocol import codec, ijson
from tideline.protocol.errors import Close, RequestError


class Taker(Protocol):
    """Whoever the texts are for."""

    closing: bool
    fragments: bytearray | None
    """The begin of a message that comes in fragments."""
    backlog: deque[bytes] | None
    """Frames of an array that are not taken yet, and what came after them."""

    @property
    def laden(self) -> bool:
        """Whether as much is in flight as may be."""
        ...

    def take(self, text: bytes) -> None:
        """Take the text of one frame."""
        ...

    def misread(self, error: RequestError) -> None:
        """Answer what is no request."""
        ...

    def close(self, code: int, reason: str) -> None:
        """End."""
        ...

    def relieve(self, go_on: Callable[[], None]) -> None:
        """Send what has gathered; go on once there is room for more, if it was answers that filled it."""
        ...


def reassemble(taker: Taker, frame: WSFrame, limit: int) -> bytes | None:
    """Take what is no whole text message; return the message that it completes, if it does."""
    continues = frame.msg_type == WSMsgType.CONTINUATION
    if frame.msg_type == WSMsgType.BINARY or continues != (taker.fragments is not None):
        taker.close(Close.BAD_FRAME, "only text messages")
        return None
    if taker.fragments is None:
        taker.fragments = bytearray()
    taker.fragments += frame.get_payload_as_bytes()
    if len(taker.fragments) > limit:
        oversized(taker, limit)
    elif frame.fin:
        message, taker.fragments = bytes(taker.fragments), None
        return message
    return None


def oversized(taker: Taker, limit: int) -> None:
    """End, because a message is larger than ``limits.frame``."""
    taker.close(Close.TOO_LARGE, f"a message is over {limit} bytes")


def receive(taker: Taker, message: bytes) -> None:
    """Take a message that is not known to be one frame: an array of frames, in order, or what waits behind one."""
    try:
        texts = codec.split(message)
    except ijson.NotJSON:
        no_json(taker)
    except ijson.NotIJSON as error:
        taker.misread(RequestError("bad_request", f"not I-JSON: {error}"))
    else:
        waiting = taker.backlog is not None
        taker.backlog = taker.backlog or deque()
        taker.backlog += texts
        if not waiting:
            go_on(taker)


def go_on(taker: Taker) -> None:
    """Take what waits, as far as it may be in flight."""
    backlog = taker.backlog
    while backlog and not taker.closing and not taker.laden:
        taker.take(backlog.popleft())
    if not backlog or taker.closing:
        taker.backlog = None
    else:
        taker.relieve(lambda: go_on(taker))


def no_json(taker: Taker) -> None:
    """End, because a message is no JSON at all."""
    taker.close(Close.BAD_FRAME, "a message is not JSON")
