"""A store into records (:mod:`tideline.transfer.records`), in the order in which they happened.

Of a conversation everything; of a user what that user may read: the conversations that they are a member of, each
from where their history begins, without what concerns the other members alone.
"""

from collections.abc import AsyncIterator

import msgspec
from msgspec import Raw

from tideline.protocol.errors import TidelineError
from tideline.timeline.contract import Store
from tideline.timeline.records import Room, first_readable
from tideline.timeline.survey import FormerRow, Survey

from .records import (
    AnyRecord,
    ConversationRecord,
    GoneRecord,
    LeftRecord,
    MemberRecord,
    MessageRecord,
    ReadRecord,
)

_PAGE = 1000


class _Sent(msgspec.Struct):
    sender: str = ""
    gone: bool = False


_sent = msgspec.json.Decoder(_Sent).decode


async def conversations(survey: Survey) -> AsyncIterator[AnyRecord]:
    """Export everything."""
    async for chunk in survey.conversations():
        for name, _ in chunk:
            async for record in conversation(survey, name):
                yield record


async def readable(survey: Survey, user: str) -> AsyncIterator[AnyRecord]:
    """Export what a user may read.

    Raises:
        TidelineError: if the user is in no conversation.
    """
    found = sorted(await survey.store.conversations(user))
    if not found:
        raise TidelineError(f"{user} is in no conversation here")
    for name in found:
        async for record in conversation(survey, name, user):
            yield record


async def conversation(survey: Survey, name: str, reader: str | None = None) -> AsyncIterator[AnyRecord]:
    """Export a conversation: all of it, or what one of its members may read.

    Raises:
        TidelineError: if there is none of that name.
    """
    room = await survey.store.room(name)
    if room is None:
        raise TidelineError(f"there is no conversation {name} here")
    record = room.conversation
    yield ConversationRecord(
        conversation=record.id,
        kind=record.kind,
        title=record.title,
        history=record.history,
        creator=record.creator,
        time=record.time,
        origin=record.origin.hex(),
    )
    first = 1 if reader is None else first_readable(record, room.members[reader])
    former = [row async for chunk in survey.former_of(name) for row in chunk if row.last >= row.joined]
    last: dict[str, int] = {}
    """By member: the last message of their own."""
    position = 0
    for place, changes in sorted(_changes(room, former, reader).items()):
        async for message in _messages(survey.store, record.id, position, place, first, last):
            yield message
        position = place
        for change in changes:
            yield change
    async for message in _messages(survey.store, record.id, position, record.head, first, last):
        yield message
    for user, member in sorted(room.members.items(), key=lambda item: item[1].ordinal):
        if member.read > max(member.joined - 1, last.get(user, 0)) and reader in (None, user):
            yield ReadRecord(conversation=record.id, user=user, message_seq=member.read)


def _changes(room: Room, former: list[FormerRow], reader: str | None) -> dict[int, list[AnyRecord]]:
    """Return who came and went after which message: first those who went, then those who came."""
    name = room.conversation.id
    changes: dict[int, list[AnyRecord]] = {}
    for row in former:
        changes.setdefault(row.last, []).append(
            LeftRecord(conversation=name, user=row.user, joined=row.joined, left=row.last)
        )
    for row in former:
        changes.setdefault(row.joined - 1, []).append(
            MemberRecord(
                conversation=name,
                user=row.user,
                joined=row.joined,
                role="member" if room.conversation.kind == "group" else None,
            )
        )
    for user, member in sorted(room.members.items(), key=lambda item: item[1].ordinal):
        own = reader in (None, user)
        changes.setdefault(member.joined - 1, []).append(
            MemberRecord(
                conversation=name,
                user=user,
                joined=member.joined,
                role=member.role,
                muted=own and member.muted,
                pinned=own and member.pinned,
            )
        )
    return changes


async def _messages(
    store: Store, name: str, after: int, last: int, first: int, own: dict[str, int]
) -> AsyncIterator[AnyRecord]:
    """Yield the messages ``after`` … ``last`` (the latter included); those before ``first`` are gone.

    ``own`` learns what the last message of each sender is.
    """
    yielded, after = after, max(after, min(last, first - 1))
    while after < last:
        found = await store.history(name, after + 1, last, _PAGE, backwards=False)
        for seq, text in found:
            sent = _sent(text)
            if sent.gone:
                continue
            if seq > yielded + 1:
                yield GoneRecord(conversation=name, first=yielded + 1, last=seq - 1)
            own[sent.sender] = yielded = seq
            yield MessageRecord(message=Raw(text))
        after = found[-1][0] if found else last
    if yielded < last:
        yield GoneRecord(conversation=name, first=yielded + 1, last=last)
