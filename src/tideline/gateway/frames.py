"""Entries to push frames, and frames to WebSocket messages, none over ``limits.page_bytes``."""

import struct
from collections.abc import Sequence

from picows import WSMsgType, WSTransport

from tideline.protocol import splice
from tideline.timeline.changes import Post, Run

_COPIED = 8192
"""Bytes of a message that picows copies before it sends it."""
_OVERHEAD = 64
"""Bytes of a push frame that are no entries."""


def push_frames(first: int, posts: Sequence[Post], max_bytes: int) -> list[bytes]:
    """Encode a run as push frames, more than one only when it is larger than a frame may be."""
    entries = [post.entry % (seq, post.content) for seq, post in enumerate(posts, first)]
    whole = splice.push(entries)
    if len(whole) <= max_bytes or len(entries) == 1:
        return [whole]
    return [splice.push(part) for part in _parts(entries, max_bytes - _OVERHEAD)]


def run_frames(run: Run, max_bytes: int) -> list[bytes]:
    """Encode a whole run; the frames are kept for the user's other devices."""
    if run.pushes is None:
        run.pushes = push_frames(run.first, run.posts, max_bytes)
    return run.pushes


def pack(frames: list[bytes], max_bytes: int) -> list[bytes]:
    """Join frames into as few WebSocket messages as possible."""
    if len(frames) == 1:
        return frames
    whole = splice.array(frames)
    if len(whole) <= max_bytes:
        return [whole]
    return [splice.array(part) for part in _parts(frames, max_bytes - 2)]


def send_text(transport: WSTransport, message: bytes) -> None:
    """Send a text message.

    picows keeps no copy of the header of a message over 8 KiB: while that waits for the peer to read, the next
    message's header would be written over it. So those are made whole here.
    """
    size = len(message)
    if size <= _COPIED:
        transport.send(WSMsgType.TEXT, message)
    elif size < 65_536:
        transport.underlying_transport.write(b"\x81\x7e%b%b" % (struct.pack("!H", size), message))
    else:
        transport.underlying_transport.write(b"\x81\x7f%b%b" % (struct.pack("!Q", size), message))


def _parts(texts: Sequence[bytes], max_bytes: int) -> list[list[bytes]]:
    """Divide texts, in order, into parts that fit; one that is too large is a part by itself."""
    parts: list[list[bytes]] = []
    room = -1
    for text in texts:
        size = len(text) + 1
        if size > room:
            parts.append([])
            room = max_bytes
        parts[-1].append(text)
        room -= size
    return parts
