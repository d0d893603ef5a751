"""One batch on its way into RocksDB (implements ``Unit``)."""

from collections.abc import Collection, Mapping

import msgspec
from rocksdict import WriteBatch

from tideline.timeline.changes import Changes, Placement, Run, SendKey
from tideline.timeline.contract import StoreError
from tideline.timeline.records import Room

from .keys import SENT, Keys, number
from .working import Working

_pack = msgspec.msgpack.Encoder().encode


class EmbeddedUnit:
    """Rooms come from working memory and are changed in place; a unit that fails has them read again."""

    __slots__ = ("_absent", "_working", "committed", "placements")

    def __init__(self, working: Working, absent: Collection[str], placements: dict[SendKey, Placement]) -> None:
        self._working = working
        self.placements = placements
        self.committed = False
        self._absent = absent

    def room(self, conversation: str) -> Room | None:
        """Return a conversation with all of its members."""
        room = self._working.rooms.items.get(conversation)
        if room is None and conversation not in self._absent:
            room = self._working.room(conversation)
        return room

    def add_room(self, room: Room) -> None:
        """Let a new conversation be found."""
        self._working.rooms.put(room.conversation.id, room)

    async def heads(self, runs: Mapping[str, Run]) -> dict[str, int]:
        """Return the heads of the timelines that these runs continue."""
        return self._working.heads_of(runs)

    async def commit(self, changes: Changes) -> None:
        """Write everything in one synced batch."""
        working = self._working
        keys, handles = working.keys, working.database.handles
        batch = WriteBatch(raw_mode=True)
        put = batch.put
        family = handles["messages"]
        for place, text in changes.messages:
            put(keys.app + place, text, family)
        for user, run in changes.runs.items():
            _put_run(batch, working, user, run)
        family = handles["conversations"]
        for id_, record in changes.conversations.items():
            put(keys.conversation(id_), _pack(record), family)
        _put_members(batch, working, changes)
        family = handles["sends"]
        prefix = keys.generation(working.generation)
        for key, placement in changes.placements.items():
            value = SENT.pack(placement.message_seq, placement.seq, placement.time)
            put(prefix + key, value, family)
        try:
            working.database.write(batch)
        except StoreError:
            working.forget((), changes.runs)
            raise
        heads = working.heads
        for user, run in changes.runs.items():
            heads.put(user, run.last)
        working.rooms.grow(len(changes.joined))
        self.committed = True


def _put_run(batch: WriteBatch, working: Working, user: str, run: Run) -> None:
    handles = working.database.handles
    put, family = batch.put, handles["entries"]
    key = working.keys.user(user)
    prefix = key + b"\0"
    seq = run.first
    for post in run.posts:
        put(prefix + seq.to_bytes(8, "big"), post.ref, family)
        seq += 1
    put(key, (seq - 1).to_bytes(8, "big"), handles["heads"])


def _put_members(batch: WriteBatch, working: Working, changes: Changes) -> None:
    keys: Keys = working.keys
    handles = working.database.handles
    for (conversation, user, joined), last in changes.left.items():
        batch.put(keys.left(conversation, user, joined), number(last), handles["left"])
        if (conversation, user) not in changes.members:
            batch.delete(keys.pair(conversation, user), handles["members"])
            batch.delete(keys.pair(user, conversation), handles["memberships"])
    members, memberships = handles["members"], handles["memberships"]
    for (conversation, user), member in changes.members.items():
        batch.put(keys.pair(conversation, user), _pack(member), members)
        if (conversation, user) in changes.joined:
            batch.put(keys.pair(user, conversation), b"", memberships)
