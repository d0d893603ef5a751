"""The commands of an import: what took place elsewhere becomes part of this store, in the order in which it did.

They keep the same promises as the commands of devices: a conversation's numbers have no hole, and every message is
in the timeline of each who is a member at that moment.
"""

from collections.abc import Callable

from tideline.protocol.errors import RequestError, too_large
from tideline.timeline import refs
from tideline.timeline.changes import MessagePost, Placement, send_key
from tideline.timeline.records import Conversation, Member, Room

from .commands import Command
from .groups import member_event, post_state
from .plan import Plan
from .restored import After, RestoredConversation, RestoredLeavers, RestoredMembers, RestoredMessage


def conversation(plan: Plan, command: Command) -> None:
    """Make a conversation without members.

    Raises:
        RequestError: ``conflict`` if there is one of that name and of another origin.
    """
    said = command.request
    assert isinstance(said, RestoredConversation)
    room = plan.unit.room(command.conversation)
    if room is None:
        record = Conversation(
            id=command.conversation,
            kind=said.kind,
            time=said.time,
            history=said.history,
            title=said.title,
            creator=said.creator,
            origin=said.origin,
        )
        room = Room(record, {})
        plan.unit.add_room(room)
        plan.touch(room)
    elif room.conversation.origin != said.origin:
        raise RequestError("conflict", f"there is another {command.conversation} already")
    plan.ok(command)


def members(plan: Plan, command: Command) -> None:
    """Let users join, told like those of ``create`` (the first ones) or of ``add``.

    Raises:
        RequestError: ``too_large``, or ``conflict`` if something before it is missing.
    """
    said = command.request
    assert isinstance(said, RestoredMembers)
    room = _room(plan, command, said.after)
    record = room.conversation
    if len(room.members) + len(said.members) > plan.limits.group_members:
        raise too_large("the group", len(room.members) + len(said.members), plan.limits.group_members, "members")
    for member in said.members:
        joins = Member(
            joined=record.head + 1,
            read=record.head,
            ordinal=record.ordinal,
            role=member.role,
            muted=member.muted,
            pinned=member.pinned,
        )
        record.ordinal += 1
        plan.join(room, member.user, joins)
    record.count = len(room.members)
    plan.touch(room)
    # The first message of a direct conversation implies its state.
    if record.kind == "group":
        for member in said.members:
            post_state(plan, room, member.user)
        if said.after != _BEGINNING:
            added = [member.user for member in said.members]
            plan.post_event(member_event(room, added, [], command.user), room.members)
    plan.ok(command)


def leavers(plan: Plan, command: Command) -> None:
    """Let members leave, told like those of ``remove``; roles are already as they are by the end.

    Raises:
        RequestError: ``conflict`` if something before it is missing.
    """
    said = command.request
    assert isinstance(said, RestoredLeavers)
    room = _room(plan, command, said.after)
    before = list(room.members)
    for user in said.users:
        plan.leave(room, user)
    room.conversation.count = len(room.members)
    plan.touch(room)
    plan.post_event(member_event(room, [], said.users, command.user), before)
    plan.ok(command)


def message(plan: Plan, command: Command) -> None:
    """Store a message as it was.

    Raises:
        RequestError: ``conflict`` if something before it is missing.
    """
    said = command.request
    assert isinstance(said, RestoredMessage)
    room = _room(plan, command, said.after)
    record, user = room.conversation, command.user
    seq = record.head = record.head + 1
    record.time = max(record.time, said.time)
    where = room.place_prefix + seq.to_bytes(8, "big")
    plan.changes.messages.append((where, said.text))
    plan.touch(room)
    plan.post(MessagePost(refs.message(where), said.text), room.members)
    if user in room.members:
        room.members[user].read = seq
        plan.change(room, user)
        if plan.now - said.time < plan.limits.client_id_ttl * 1000:
            # Its sender may not know yet that it arrived, and say it again here.
            index = len(plan.changes.runs[user].posts) - 1
            key = send_key(user, record.id, said.client_id)
            plan.changes.placements[key] = Placement(seq, said.time, said.body, 0, index, command)
    plan.ok(command)


_BEGINNING = After(0, 0, 0)

COMMANDS: dict[str, Callable[[Plan, Command], None]] = {
    "restore_conversation": conversation,
    "restore_members": members,
    "restore_leavers": leavers,
    "restore_message": message,
}


def _room(plan: Plan, command: Command, after: After) -> Room:
    room = plan.unit.room(command.conversation)
    if room is None:
        raise RequestError("not_found", f"no conversation {command.conversation}")
    if after != (room.conversation.head, len(room.members), room.conversation.ordinal):
        raise RequestError("conflict", f"{command.conversation} is not as it was after message {after.head}")
    return room
