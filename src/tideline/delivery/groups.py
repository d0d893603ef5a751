"""The commands on conversations: create, add, remove, role, update (protocol, section 4)."""

import hashlib

import msgspec

from tideline.protocol.errors import RequestError, bad_request, too_large
from tideline.protocol.requests import Add, Create, Remove, Role, Update
from tideline.timeline.records import Conversation, Member, Room

from .commands import Command
from .plan import Plan, quoted, unused_direct
from .states import last_place, state_json

_encode = msgspec.json.Encoder().encode


def create(plan: Plan, command: Command) -> None:
    """Create a group whose admin is the caller; the same call again returns its state."""
    request = command.request
    assert isinstance(request, Create)
    _group(command)
    _check_title(plan, request.title)
    members = dict.fromkeys([command.user, *request.members])
    _check_size(plan, len(members))
    origin = _origin(command.user, request)
    room = plan.unit.room(command.conversation)
    if room is not None:
        if room.conversation.origin != origin or command.user not in room.members:
            raise RequestError("conflict", f"{command.conversation} exists already")
        _answer_state(plan, command, room)
        return
    record = Conversation(
        id=command.conversation,
        kind="group",
        time=plan.now,
        count=len(members),
        ordinal=len(members),
        history=request.history,
        title=request.title,
        creator=command.user,
        origin=origin,
    )
    room = Room(record, {})
    plan.unit.add_room(room)
    for ordinal, user in enumerate(members):
        role = "admin" if user == command.user else "member"
        plan.join(room, user, Member(joined=1, read=0, ordinal=ordinal, role=role))  # type: ignore[arg-type]
    plan.touch(room)
    for user in members:
        post_state(plan, room, user)
    _answer_state(plan, command, room)


def add(plan: Plan, command: Command) -> None:
    """Add members, all or none; those who are there already change nothing."""
    request = command.request
    assert isinstance(request, Add)
    _group(command)
    room, member = plan.member(command)
    _admin(command, member)
    added = [user for user in dict.fromkeys(request.members) if user not in room.members]
    conversation = room.conversation
    _check_size(plan, len(room.members) + len(added))
    if added:
        for user in added:
            head = conversation.head
            fresh = Member(joined=head + 1, read=head, ordinal=conversation.ordinal, role="member")
            conversation.ordinal += 1
            plan.join(room, user, fresh)
        conversation.count = len(room.members)
        plan.touch(room)
        for user in added:
            post_state(plan, room, user)
        plan.post_event(member_event(room, added, [], command.user), room.members)
    plan.ok(command)


def remove(plan: Plan, command: Command) -> None:
    """Remove members, or leave; a group whose last admin leaves gets its longest-standing member as one."""
    request = command.request
    assert isinstance(request, Remove)
    _group(command)
    room, member = plan.member(command)
    if set(request.members) != {command.user}:
        _admin(command, member)
    removed = [user for user in dict.fromkeys(request.members) if user in room.members]
    if removed:
        before = list(room.members)
        for user in removed:
            plan.leave(room, user)
        room.conversation.count = len(room.members)
        plan.touch(room)
        plan.post_event(member_event(room, [], removed, command.user), before)
        if room.members and not any(each.role == "admin" for each in room.members.values()):
            heir = min(room.members, key=lambda user: room.members[user].ordinal)
            room.members[heir].role = "admin"
            plan.change(room, heir)
            post_state(plan, room, heir)
    plan.ok(command)


def role(plan: Plan, command: Command) -> None:
    """Make a member an admin, or an admin a member; a group keeps at least one admin."""
    request = command.request
    assert isinstance(request, Role)
    _group(command)
    room, member = plan.member(command)
    _admin(command, member)
    target = room.members.get(request.user)
    if target is None:
        raise RequestError("not_found", f"user {request.user} is not a member")
    if target.role != request.role:
        others = any(each.role == "admin" for each in room.members.values() if each is not target)
        if request.role == "member" and not others:
            raise RequestError("conflict", f"user {request.user} is the last admin")
        target.role = request.role
        plan.change(room, request.user)
        post_state(plan, room, request.user)
    plan.ok(command)


def update(plan: Plan, command: Command) -> None:
    """Change a group's title for all, or ``muted`` and ``pinned`` for oneself."""
    request = command.request
    assert isinstance(request, Update)
    if request.title is not None:
        _group(command)
    if plan.room(command.conversation) is None and unused_direct(command):
        raise RequestError("not_found", f"{command.conversation} was never used")
    room, member = plan.member(command)
    retitled = request.title is not None and request.title != room.conversation.title
    if request.title is not None:
        _admin(command, member)
        _check_title(plan, request.title)
    muted = member.muted if request.muted is None else request.muted
    pinned = member.pinned if request.pinned is None else request.pinned
    changed = (muted, pinned) != (member.muted, member.pinned)
    if changed:
        member.muted, member.pinned = muted, pinned
        plan.change(room, command.user)
    if retitled:
        room.conversation.title = request.title
        plan.touch(room)
    for user in room.members if retitled else (command.user,) if changed else ():
        post_state(plan, room, user)
    plan.ok(command)


def _group(command: Command) -> None:
    if not command.conversation.startswith("g:"):
        raise bad_request(f"`conversation` is not a group: {command.kind} is for groups")


def _admin(command: Command, member: Member) -> None:
    if member.role != "admin":
        raise RequestError("forbidden", f"not an admin of {command.conversation}")


def _check_title(plan: Plan, title: str | None) -> None:
    size = len(title.encode()) if title is not None else 0
    if size > plan.limits.title:
        raise too_large("title", size, plan.limits.title, "bytes")


def _check_size(plan: Plan, size: int) -> None:
    if size > plan.limits.group_members:
        raise too_large("the group", size, plan.limits.group_members, "members")


def _origin(user: str, request: Create) -> bytes:
    said = _encode([user, request.title, sorted(set(request.members)), request.history])
    return hashlib.blake2b(said, digest_size=16).digest()


def member_event(room: Room, added: list[str], removed: list[str], by: str) -> bytes:
    """Encode the event of members who came or went."""
    return b'{"type":"member","conversation":%b,"added":%b,"removed":%b,"by":%b,"members":%d}' % (
        quoted(room.conversation.id),
        _encode(added),
        _encode(removed),
        quoted(by),
        room.conversation.count,
    )


def post_state(plan: Plan, room: Room, user: str) -> None:
    """Tell a member of the conversation's present state."""
    member = room.members[user]
    plan.post_state(last_place(room.conversation, member), state_json(room.conversation, member, user), user)


def _answer_state(plan: Plan, command: Command, room: Room) -> None:
    """Answer by the state; the last message is in the store, or there is none yet."""
    member = room.members[command.user]
    state = state_json(room.conversation, member, command.user)
    plan.answer_state(command, last_place(room.conversation, member), state)
