"""What a commit brings to a connection: pushes, answers in their place, or a notify (protocol, section 5).

The outbox decides, here it is put into frames. A run is split around the entries of the connection's own messages,
because their answers stand in for them.
"""

from itertools import groupby

from tideline.delivery.outbox import Outbox, Output
from tideline.protocol import splice
from tideline.protocol.codec import encode
from tideline.timeline.changes import Post, Run

from .frames import push_frames, run_frames


class Delivery:
    """What goes out: frames in order, how many entries they push, own messages they answer, and notifies."""

    __slots__ = ("frames", "hints", "own", "pushed")

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.pushed = 0
        self.own = 0
        self.hints = 0

    def notify(self, outbox: Outbox) -> None:
        """Say that there is something to pull."""
        self.frames.append(splice.notify(outbox.head))
        self.hints += 1

    def take(self, output: Output, outbox: Outbox, first: int, posts: list[Post], max_bytes: int) -> None:
        """Put what the outbox said of some entries into frames."""
        if output is Output.PUSH:
            self.frames += push_frames(first, posts, max_bytes)
            self.pushed += len(posts)
        elif output is Output.NOTIFY:
            self.notify(outbox)


def deliver(outbox: Outbox, run: Run, origin: object, *, owning: bool, full: bool, max_bytes: int) -> Delivery:
    """Take new entries of the user's timeline.

    ``origin`` is the connection, ``owning`` whether it has sends in flight, ``full`` whether its outgoing buffer is
    over the high-water mark.
    """
    delivery = Delivery()
    if owning or run.first <= outbox.position:
        _around_own(delivery, outbox, run, origin, full, max_bytes)
        return delivery
    output = outbox.entries(run.first, run.last, full=full)
    if output is Output.PUSH:
        # The whole run: the same bytes for all devices of the user.
        delivery.frames = run_frames(run, max_bytes)
        delivery.pushed = len(run.posts)
    elif output is Output.NOTIFY:
        delivery.notify(outbox)
    return delivery


def _around_own(delivery: Delivery, outbox: Outbox, run: Run, origin: object, full: bool, max_bytes: int) -> None:
    outbox.head = max(outbox.head, run.last)
    first = start = run.first
    for own, group in groupby([post.origin is origin for post in run.posts]):
        end = start + len(list(group))
        posts = run.posts[start - first : end - first]
        if own:
            if outbox.own(start, end - 1) is Output.NOTIFY:
                delivery.notify(outbox)
            delivery.frames += _answers(start, posts)
            delivery.own += len(posts)
        else:
            begin, fresh = _fresh(outbox, start, posts)
            delivery.take(outbox.entries(begin, end - 1, full=full), outbox, begin, fresh, max_bytes)
        start = end


def _answers(first: int, posts: list[Post]) -> list[bytes]:
    """Encode the answers to the connection's own sends, now that their numbers are known."""
    frames = []
    for seq, post in enumerate(posts, first):
        answer = post.answer
        assert answer is not None, "whoever is told by an answer has one"
        answer.seq = seq
        frames.append(encode(answer))
    return frames


def _fresh(outbox: Outbox, first: int, posts: list[Post]) -> tuple[int, list[Post]]:
    """Leave out what a page was ahead of: with several nodes, or a commit that is not announced yet."""
    known = outbox.position + 1 - first
    return (first + known, posts[known:]) if 0 < known < len(posts) else (first, posts)
