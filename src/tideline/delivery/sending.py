"""The commands of everyday: sending a message, and moving a read position (protocol, section 4)."""

from typing import Any

import msgspec
from msgspec import Raw

from tideline.protocol import splice
from tideline.protocol.errors import RequestError, bad_request, too_large
from tideline.protocol.limits import Limits
from tideline.protocol.requests import Read, Send
from tideline.protocol.responses import Sent
from tideline.timeline import refs
from tideline.timeline.changes import MessagePost, Placement
from tideline.timeline.records import Room

from .commands import Command
from .plan import Plan, forbidden, quoted, unused_direct

_decode = msgspec.json.Decoder().decode


def send(plan: Plan, command: Command) -> None:
    """Store a message once, and refer to it in the timeline of every member.

    Most of the server's time is spent here: whatever is not the usual case is in a function of its own.

    Raises:
        RequestError: ``forbidden``, ``too_large``, ``bad_request``, or ``conflict`` for a ``client_id`` that was
            used with another body.
    """
    request: Send = command.request  # type: ignore[assignment]
    user, id_, key, changes = command.user, command.conversation, command.key, plan.changes
    body = request.body
    if len(body) > plan.limits.body or request.mentions is not None:
        _check_limits(request, plan.limits)
    sender = plan.senders.get((id_, user))
    room = sender.room if sender is not None else _room(plan, command, request)
    if key in plan.placements or key in changes.placements:
        _send_again(plan, command, body)
        return
    conversation = room.conversation
    seq = conversation.head + 1
    if request.reply_to is not None and request.reply_to >= seq:
        raise bad_request(f"`reply_to` is beyond the conversation's head, {conversation.head}")
    if sender is None:
        sender = plan.sender(room, user)

    time = conversation.time
    if plan.now > time:
        time = conversation.time = plan.now
    conversation.head = sender.member.read = seq
    where = room.place_prefix + seq.to_bytes(8, "big")
    text = splice.message(id_, seq, user, request.client_id, time, body, request.reply_to, request.mentions)
    changes.messages.append((where, text))
    post = MessagePost(refs.MESSAGE + where, text)
    for posts in sender.audience:
        posts.append(post)
    plan.weigh(len(sender.audience), text)
    placement = changes.placements[key] = Placement(seq, time, body, 0, len(sender.own) - 1, command)
    if command.placed:
        post.origin = command.origin
        post.answer = Sent(id=command.id, conversation=id_, message_seq=seq, time=time, seq=0, duplicate=False)
    else:
        plan.answer(command, placement)


def _room(plan: Plan, command: Command, request: Send) -> Room:
    """Find the conversation, if the user is a member; a direct one is opened by its first message."""
    room = plan.room(command.conversation)
    if room is None:
        return _first_use(plan, command, request)
    if command.user not in room.members:
        raise forbidden(command)
    return room


def _first_use(plan: Plan, command: Command, request: Send) -> Room:
    """Open a direct conversation by its first message; any other that doesn't exist is ``forbidden``."""
    if not unused_direct(command):
        raise forbidden(command)
    if request.reply_to is not None:
        raise bad_request("`reply_to` is beyond the conversation's head, 0")
    return plan.open_direct(command.conversation)


def _send_again(plan: Plan, command: Command, body: Raw) -> None:
    """Answer a message that was sent before by what was answered then."""
    earlier = plan.changes.placements.get(command.key) or plan.placements[command.key]
    if not _same(earlier.body, body):
        raise RequestError("conflict", "`client_id` was used with another body")
    plan.answer(command, earlier)


def read(plan: Plan, command: Command) -> None:
    """Move a read position forward, and tell the user's other devices, and the peer of a direct conversation."""
    request = command.request
    assert isinstance(request, Read)
    room = plan.unit.room(command.conversation)
    if room is None and unused_direct(command):
        plan.ok(command)
        return
    room, member = plan.member(command)
    target = min(request.message_seq, room.conversation.head)
    if target > member.read:
        member.read = target
        plan.change(room, command.user)
        event = b'{"type":"read","conversation":%b,"user":%b,"message_seq":%d}' % (
            quoted(command.conversation),
            quoted(command.user),
            target,
        )
        told = room.members if room.conversation.kind == "direct" else (command.user,)
        plan.post_event(event, told)
    plan.ok(command)


def _check_limits(request: Send, limits: Limits) -> None:
    if len(request.body) > limits.body:
        raise too_large("body", len(request.body), limits.body, "bytes")
    if request.mentions is not None and len(request.mentions) > limits.mentions:
        raise too_large("mentions", len(request.mentions), limits.mentions, "users")


def _same(one: Raw, other: Raw) -> bool:
    """Compare two bodies as JSON values."""
    return one == other or _equal(_decode(one), _decode(other))


def _equal(one: Any, other: Any) -> bool:
    """Compare two JSON values; unlike in Python, ``true`` is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)
