"""Records into a store: numbered by the sequencer like everything else, in large batches.

What is in already is never written again: the records of a conversation come in one order, batches are atomic, so
the conversation's head says how far an earlier run came. Whether what is there is what this file holds is seen by
the last message that both have.
"""

from collections.abc import Iterable

import msgspec

from tideline.delivery.engine import LocalEngine
from tideline.delivery.restored import (
    After,
    RestoredConversation,
    RestoredLeavers,
    RestoredMember,
    RestoredMembers,
    RestoredMessage,
)
from tideline.protocol.errors import too_large
from tideline.protocol.names import is_name, kind_of, parties
from tideline.protocol.requests import Position, Read
from tideline.protocol.responses import Message
from tideline.protocol.splice import gone, quote
from tideline.timeline.contract import Store

from .records import (
    AnyRecord,
    ConversationRecord,
    GoneRecord,
    Header,
    LeftRecord,
    MemberRecord,
    MessageRecord,
)
from .sources import TransferError
from .submitting import Figures, Submitter


class _Said(msgspec.Struct):
    """What has to be known of a message."""

    conversation: str
    message_seq: int
    sender: str = ""
    client_id: str = ""
    time: Position = 0
    body: msgspec.Raw = msgspec.Raw(b"{}")
    gone: bool = False


_CLIENT_ID = 64
"""Characters of a ``client_id``, at most."""
_GONE = 1_000_000
"""Messages that one line may say are gone; each leaves a trace."""
_said = msgspec.json.Decoder(_Said).decode
_message = msgspec.json.Decoder(Message).decode


class _Conversation:
    """Where the conversation that is being imported is."""

    def __init__(self, record: ConversationRecord, head: int, members: Iterable[str], ordinal: int) -> None:
        self.id = record.conversation
        self.by = record.creator or ""
        self.kind = record.kind
        self.head = head
        """How many messages were in before."""
        self.position = 0
        """The last message of the file that was looked at."""
        self.members = set(members)
        self.after = After(head, len(self.members), ordinal)
        """What it is at once everything that was submitted is in."""
        self.joining: list[RestoredMember] = []
        self.leaving: list[str] = []
        self.shared: _Said | None = None
        """The last message that the store should have too."""


class Importer:
    """Takes records and submits what is not in yet, for the only process that has the store open."""

    def __init__(self, store: Store, engine: LocalEngine, figures: Figures, batch_records: int) -> None:
        self._store = store
        self._limits = engine.limits
        self._figures = figures
        self._submitter = Submitter(engine, figures, batch_records)
        self._at: _Conversation | None = None

    async def take(self, records: Iterable[AnyRecord], name: str) -> None:
        """Import one file.

        Raises:
            TransferError: if it doesn't fit: into itself, or with what is in the store.
            RequestError: if the store can't take it, or not what came before.
        """
        try:
            for record in records:
                await self._take(record)
            await self._end()
        except _Misfit as error:
            raise TransferError(f"{name}: {error}") from None

    async def finish(self) -> None:
        """Wait until everything is durable.

        Raises:
            RequestError: if the store can't take it.
        """
        await self._submitter.settle()

    async def _take(self, record: AnyRecord) -> None:
        if isinstance(record, ConversationRecord):
            await self._end()
            await self._begin(record)
            return
        if isinstance(record, Header):
            raise _Misfit("a header after the first line")
        at = self._at
        if at is None:
            raise _Misfit("a line before that of its conversation")
        if isinstance(record, MessageRecord):
            await self._message(at, bytes(record.message))
            return
        if record.conversation != at.id:
            raise _Misfit(f"a line of {record.conversation} among those of {at.id}")
        if isinstance(record, GoneRecord):
            if record.last - record.first >= _GONE:
                raise _Misfit(f"over {_GONE} messages of {at.id} are gone in one line")
            for seq in range(record.first, record.last + 1):
                await self._message(at, gone(quote(at.id), seq))
        elif isinstance(record, MemberRecord):
            await self._join(at, record)
        elif isinstance(record, LeftRecord):
            await self._leave(at, record)
        elif at.position >= at.head and record.user in at.members:
            await self._compare(at)
            await self._change_members(at)
            read = Read(id=1, conversation=at.id, message_seq=record.message_seq)
            await self._submitter.submit("read", record.user, at.id, read, 4)

    async def _end(self) -> None:
        at, self._at = self._at, None
        if at is not None:
            if at.kind == "direct" and not at.members.issuperset(parties(at.id)):
                raise _Misfit(f"{at.id} lacks one of the two")
            await self._compare(at)
            await self._change_members(at)

    async def _begin(self, record: ConversationRecord) -> None:
        if kind_of(record.conversation) != record.kind:
            raise _Misfit(f"{record.conversation!r} can't name a {record.kind} conversation")
        if record.creator is not None and not is_name(record.creator):
            raise _Misfit(f"{record.creator!r} can't have created {record.conversation}")
        size = len((record.title or "").encode())
        if size > self._limits.title:
            raise too_large(f"the title of {record.conversation}", size, self._limits.title, "bytes")
        try:
            origin = bytes.fromhex(record.origin)
        except ValueError:
            raise _Misfit("`origin` is not hexadecimal") from None
        self._figures.conversations += 1
        if self._submitter.waits(record.conversation):
            await self._submitter.settle()
        room = await self._store.room(record.conversation)
        if room is not None:
            conversation = room.conversation
            if conversation.origin != origin:
                raise _Misfit(f"there is another {record.conversation} already")
            self._at = _Conversation(record, conversation.head, room.members, conversation.ordinal)
            return
        self._at = _Conversation(record, 0, (), 0)
        restored = RestoredConversation(
            kind=record.kind,
            time=record.time,
            history=record.history,
            title=record.title,
            creator=record.creator,
            origin=origin,
        )
        await self._submitter.submit("restore_conversation", record.creator or "", record.conversation, restored, 1)

    async def _join(self, at: _Conversation, record: MemberRecord) -> None:
        if not is_name(record.user) or (at.kind == "direct" and record.user not in parties(at.id)):
            raise _Misfit(f"{record.user!r} can't be a member of {at.id}")
        if record.joined != at.position + 1:
            raise _Misfit(f"{record.user} joined {at.id} before message {record.joined}: said at another place")
        if at.position < at.head or record.user in at.members:
            return
        if at.leaving:
            await self._change_members(at)
        if len(at.members) >= self._limits.group_members:
            raise too_large(at.id, len(at.members) + 1, self._limits.group_members, "members")
        at.members.add(record.user)
        joining = RestoredMember(user=record.user, role=record.role, muted=record.muted, pinned=record.pinned)
        at.joining.append(joining)

    async def _leave(self, at: _Conversation, record: LeftRecord) -> None:
        if record.left != at.position:
            raise _Misfit(f"{record.user} left {at.id} after message {record.left}: said at another place")
        if at.position < at.head or record.user not in at.members:
            return
        if at.joining:
            await self._change_members(at)
        at.members.discard(record.user)
        at.leaving.append(record.user)

    async def _change_members(self, at: _Conversation) -> None:
        """Submit who joins and who leaves before the next message, several at once."""
        head, members, ordinal = at.after
        weight = 4 + len(at.members)
        if at.joining:
            by, number = at.by or at.joining[0].user, len(at.joining)
            joining = RestoredMembers(at.after, at.joining)
            await self._submitter.submit("restore_members", by, at.id, joining, weight)
            at.after, at.joining = After(head, members + number, ordinal + number), []
        elif at.leaving:
            leaving = RestoredLeavers(at.after, at.leaving)
            await self._submitter.submit("restore_leavers", at.leaving[0], at.id, leaving, weight)
            at.after, at.leaving = After(head, members - len(at.leaving), ordinal), []

    async def _message(self, at: _Conversation, text: bytes) -> None:
        try:
            said = _said(text)
            _message(text)
        except msgspec.DecodeError as error:
            raise _Misfit(f"a message of {at.id} is malformed: {error}") from None
        if said.conversation != at.id:
            raise _Misfit(f"a message of {said.conversation} among those of {at.id}")
        if not said.gone and not (is_name(said.sender) and 1 <= len(said.client_id) <= _CLIENT_ID):
            raise _Misfit(f"message {said.message_seq} of {at.id} has no valid sender or client_id")
        if said.message_seq != at.position + 1:
            raise _Misfit(f"message {said.message_seq} of {at.id} comes after message {at.position}")
        if len(text) > self._limits.page_bytes:
            raise too_large(f"message {said.message_seq} of {at.id}", len(text), self._limits.page_bytes, "bytes")
        at.position += 1
        if at.position <= at.head:
            at.shared = said
            self._figures.known += 1
            return
        if at.position == at.head + 1:
            await self._compare(at)
        await self._change_members(at)
        restored = RestoredMessage(
            after=at.after,
            time=said.time,
            text=text,
            client_id=said.client_id,
            body=said.body,
        )
        at.after = at.after._replace(head=said.message_seq)
        await self._submitter.submit("restore_message", said.sender, at.id, restored, 4 + len(at.members))

    async def _compare(self, at: _Conversation) -> None:
        """Make sure that what is in the store is what the file holds.

        Raises:
            _Misfit: if the last message that both should have is two.
        """
        said, at.shared = at.shared, None
        if said is None:
            return
        found = await self._store.history(at.id, said.message_seq, said.message_seq, 1, backwards=False)
        if not found:
            raise _Misfit(f"{at.id} is there already, but message {said.message_seq} is missing: try 'tideline check'")
        stored = _said(found[0][1])
        if stored.sender and said.sender and (stored.sender, stored.client_id) != (said.sender, said.client_id):
            raise _Misfit(
                f"{at.id} is there already and differs: its message {said.message_seq} is another one, by "
                f"{stored.sender}"
            )


class _Misfit(Exception):
    """The records don't fit; the message says which."""
