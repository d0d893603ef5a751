"""What the sequencer works with: rooms, heads and idempotency records, read when asked for and kept in bounded memory.

Between the beginning of a unit and its commit this is ahead of the database; after a unit that failed, or after the
database was opened anew, it is read again.
"""

import time
from collections.abc import Collection, Iterable

import msgspec
from rocksdict import WriteBatch

from tideline.timeline import refs
from tideline.timeline.bounded import Bounded
from tideline.timeline.changes import Placement, SendKey, body_of, read_send_key
from tideline.timeline.records import Conversation, Member, Room, weigh_room

from .database import Database
from .keys import SENT, Keys, read_number
from .ranges import many, pairs

_conversation = msgspec.msgpack.Decoder(Conversation).decode
_member = msgspec.msgpack.Decoder(Member).decode


class Working:
    """The working memory of one app."""

    def __init__(self, database: Database, keys: Keys) -> None:
        self.database = database
        self.keys = keys
        self.heads: Bounded[str, int] = Bounded(database.options.cached_heads)
        self.rooms: Bounded[str, Room] = Bounded(database.options.cached_members, weigh_room)
        self.generation = 0
        """The idempotency generation of now."""
        self._earlier = True
        self._seen = database.generation
        self.turn_generation()

    def ensure(self) -> None:
        """Have an open database; after one was opened anew, nothing kept here counts."""
        if self.database.broken is not None:
            self.database.ensure()
        if self._seen != self.database.generation:
            self._seen = self.database.generation
            self.rooms.clear()
            self.heads.clear()
            self._earlier = True

    def forget(self, rooms: Iterable[str], users: Iterable[str]) -> None:
        """Drop what is cached of these, because it may not be what is stored."""
        for conversation in rooms:
            self.rooms.drop(conversation)
        for user in users:
            self.heads.drop(user)

    def turn_generation(self) -> None:
        """Move on to the idempotency generation of now, dropping the one before the last.

        A record is looked for in this generation and in the one before, each as long as the time to live.
        """
        now = int(time.time()) // max(1, self.database.options.client_id_ttl)
        if now <= self.generation:
            return
        earlier, present = self.keys.generation(now - 1), self.keys.generation(now)
        if self.generation:
            batch = WriteBatch(raw_mode=True)
            batch.delete_range(self.keys.generation(0), earlier, self.database.handles["sends"])
            self.database.write(batch, sync=False)
        self.generation = now
        self._earlier = next(pairs(self.database.family("sends"), earlier, present), None) is not None

    def placements(self, sends: Collection[SendKey]) -> dict[SendKey, Placement]:
        """Return where messages went, of those that are known and within their time to live."""
        family = self.database.family("sends")
        placements: dict[SendKey, Placement] = {}
        generations = (self.generation, self.generation - 1) if self._earlier else (self.generation,)
        for generation in generations:
            prefix = self.keys.generation(generation)
            found = many(family, [prefix + key for key in sends])
            # Nearly always none is known.
            if any(found):
                placements |= {
                    key: self._placement(key, value)
                    for key, value in zip(sends, found, strict=True)
                    if value is not None
                }
        return placements

    def _placement(self, key: SendKey, value: bytes) -> Placement:
        message_seq, seq, sent = SENT.unpack(value)
        _, conversation, _ = read_send_key(key)
        text = self.database.family("messages").get(self.keys.app + refs.place(conversation.encode(), message_seq))
        return Placement(message_seq, sent, body_of(text), seq)

    def head(self, user: str) -> int:
        """Return a timeline's head."""
        return self.heads_of((user,))[user]

    def heads_of(self, users: Collection[str]) -> dict[str, int]:
        """Return the heads of timelines; those that are not in memory are read by one look-up."""
        young = self.heads.items
        heads: dict[str, int] = {}
        missing = []
        for user in users:
            head = young.get(user)
            if head is None and (head := self.heads.get(user)) is None:
                missing.append(user)
            else:
                heads[user] = head
        if missing:
            keys = [self.keys.user(user) for user in missing]
            for user, found in zip(missing, many(self.database.family("heads"), keys), strict=True):
                head = heads[user] = 0 if found is None else read_number(found)
                self.heads.put(user, head)
        return heads

    def room(self, conversation: str) -> Room | None:
        """Return a conversation with its members from memory, or read it into memory."""
        room = self.rooms.get(conversation)
        if room is None:
            found = self.database.family("conversations").get(self.keys.conversation(conversation))
            if found is not None:
                room = self._load_room(conversation, found)
        return room

    def load_rooms(self, conversations: Collection[str]) -> set[str]:
        """Read conversations into memory, by one look-up; return those that don't exist."""
        missing = [conversation for conversation in conversations if self.rooms.get(conversation) is None]
        if not missing:
            return set()
        records = many(self.database.family("conversations"), [self.keys.conversation(name) for name in missing])
        absent = set()
        for conversation, record in zip(missing, records, strict=True):
            if record is None:
                absent.add(conversation)
            else:
                self._load_room(conversation, record)
        return absent

    def _load_room(self, conversation: str, record: bytes) -> Room:
        prefix = self.keys.under(conversation)
        members = {
            key[len(prefix) :].decode(): _member(value)
            for key, value in pairs(self.database.family("members"), prefix, prefix + b"\xff")
        }
        room = Room(_conversation(record), members)
        self.rooms.put(conversation, room)
        return room
