"""What a commit brings to a connection: pushes, answers in their place, or a notify (protocol, section 5).

The outbox decides, here it is carried out. A run is split around the entries of the connection's own messages,
because their answers stand in for them.
"""

from itertools import groupby
from typing import TYPE_CHECKING

from tideline.delivery.outbox import Output
from tideline.protocol import splice
from tideline.timeline.changes import Post, Run

from .frames import push_frames, run_frames

if TYPE_CHECKING:
    from .connection import Connection


def deliver(connection: "Connection", run: Run) -> int:
    """Take new entries of the user's timeline; return how many of them are pushed."""
    outbox = connection.outbox
    if connection.placed or run.first <= outbox.position:
        return _deliver_around_own(connection, run)
    output = outbox.entries(run.first, run.last, full=connection.full_since is not None)
    if output is Output.PUSH:
        for frame in run_frames(run, connection.gateway.limits.page_bytes):
            connection.gather(frame)
        return len(run.posts)
    if output is Output.NOTIFY:
        _notify(connection)
    return 0


def _deliver_around_own(connection: "Connection", run: Run) -> int:
    pushed = 0
    connection.outbox.head = max(connection.outbox.head, run.last)
    first = start = run.first
    for own, group in groupby([post.origin is connection for post in run.posts]):
        end = start + len(list(group))
        posts = run.posts[start - first : end - first]
        if own:
            _answer_own(connection, start, posts)
        else:
            pushed += _push(connection, start, posts)
        start = end
    return pushed


def _answer_own(connection: "Connection", first: int, posts: list[Post]) -> None:
    if connection.outbox.own(first, first + len(posts) - 1) is Output.NOTIFY:
        _notify(connection)
    for seq, post in enumerate(posts, first):
        connection.gather(splice.sent_at(post.answer, seq))
    connection.settle(len(posts), placed=True)


def _push(connection: "Connection", first: int, posts: list[Post]) -> int:
    outbox = connection.outbox
    known = outbox.position + 1 - first
    if 0 < known < len(posts):
        # A page was ahead of the news: with several nodes, or a commit that is not announced yet.
        first, posts = first + known, posts[known:]
    output = outbox.entries(first, first + len(posts) - 1, full=connection.full_since is not None)
    if output is Output.PUSH:
        for frame in push_frames(first, posts, connection.gateway.limits.page_bytes):
            connection.gather(frame)
        return len(posts)
    if output is Output.NOTIFY:
        _notify(connection)
    return 0


def _notify(connection: "Connection") -> None:
    # Before its welcome a connection is told nothing: the welcome's `more` says it.
    if connection.welcomed:
        connection.hub.hints += 1
        connection.gather(splice.notify(connection.outbox.head))
