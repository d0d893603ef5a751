"""A batch while it is planned: the commands change rooms, post events and note outcomes here; nothing is written.

A command first checks everything, then changes: one that raises has changed nothing.
"""

from collections.abc import Collection
from functools import lru_cache

from msgspec import Struct

from tideline.protocol import splice
from tideline.protocol.errors import RequestError
from tideline.protocol.limits import Limits
from tideline.protocol.names import kind_of, parties
from tideline.timeline import refs
from tideline.timeline.changes import Changes, Placement, Post, Run
from tideline.timeline.contract import Unit
from tideline.timeline.records import Conversation, Member, Room

from .commands import Command

quoted = lru_cache(65_536)(splice.quote)
"""JSON of a name, which is the same every time."""

_RECORD_BYTES = 9
"""Content weighs a record for each 512 bytes (2 to this power) of it."""


class StatePost(Post, eq=False, gc=False, kw_only=True):
    """A conversation's state on its way to one user; whole only once the last message is in it."""

    where: bytes
    state: bytes

    def complete(self, last_message: bytes | None) -> None:
        """Put the last message in."""
        self.state = splice.with_last_message(self.state, last_message)
        self.content = splice.state_event(self.state)


class Sender(Struct, eq=False, gc=False):
    """A member who sends to a conversation, with all that each of the messages moves.

    ``room`` is that conversation, ``member`` the sender in it; ``audience`` are the posts of all members' runs,
    ``own`` the sender's among them.
    """

    room: Room
    member: Member
    audience: list[list[Post]]
    own: list[Post]


Outcome = bytes | RequestError | Placement | StatePost
"""What a command will be told: a frame, an error, or what becomes a frame once the batch is numbered."""


class Plan:
    """What a batch is going to commit, and what its commands will be told."""

    __slots__ = (
        "_audiences",
        "changes",
        "limits",
        "now",
        "outcomes",
        "placements",
        "room",
        "senders",
        "state_posts",
        "unit",
        "weight",
    )

    def __init__(self, unit: Unit, now: int, limits: Limits) -> None:
        self.unit = unit
        self.room = unit.room
        self.placements = unit.placements
        self.now = now
        self.limits = limits
        self.changes = Changes()
        self.outcomes: list[tuple[Command, Outcome]] = []
        self.state_posts: list[StatePost] = []
        self.senders: dict[tuple[str, str], Sender] = {}
        """By conversation and user, those who sent in this batch; void when members come or go."""
        self._audiences: dict[str, list[list[Post]]] = {}
        """By conversation; void like the senders who share them."""
        self.weight = 0
        """About how many records the commit will write: what a batch is bounded by."""

    # looking up

    def member(self, command: Command) -> tuple[Room, Member]:
        """Return the command's conversation and its user's membership.

        Raises:
            RequestError: ``forbidden``, whether the conversation exists or not.
        """
        room = self.unit.room(command.conversation)
        member = room.members.get(command.user) if room is not None else None
        if room is None or member is None:
            raise forbidden(command)
        return room, member

    def open_direct(self, conversation: str) -> Room:
        """Make the room of a direct conversation that is used for the first time."""
        users = parties(conversation)
        record = Conversation(id=conversation, kind="direct", time=self.now, count=len(users), ordinal=len(users))
        room = Room(record, {})
        self.unit.add_room(room)
        for place, user in enumerate(users):
            self.join(room, user, Member(joined=1, read=0, ordinal=place))
        return room

    # changing

    def touch(self, room: Room) -> None:
        """Have a conversation's record written."""
        self.changes.conversations[room.conversation.id] = room.conversation

    def change(self, room: Room, user: str) -> None:
        """Have a member's record written."""
        self.changes.members[room.conversation.id, user] = room.members[user]

    def join(self, room: Room, user: str, member: Member) -> None:
        """Let a user be a member."""
        room.members[user] = member
        key = room.conversation.id, user
        self._forget_senders()
        self.changes.members[key] = member
        self.changes.joined.add(key)

    def leave(self, room: Room, user: str) -> None:
        """Let a user be a member no more."""
        member = room.members.pop(user)
        key = room.conversation.id, user
        self._forget_senders()
        self.changes.members.pop(key, None)
        self.changes.joined.discard(key)
        self.changes.left[(*key, member.joined)] = room.conversation.head

    def weigh(self, receivers: int, content: bytes) -> None:
        """Account for what an event makes the commit write."""
        self.weight += receivers + (len(content) >> _RECORD_BYTES)

    def post(self, post: Post, users: Collection[str]) -> None:
        """Append an event to the timelines of these users."""
        self.weigh(len(users), post.content)
        for user in users:
            self.run(user).posts.append(post)

    def sender(self, room: Room, user: str) -> Sender:
        """Have a member be one who sends in this batch."""
        id_, member = room.conversation.id, room.members[user]
        self.touch(room)
        self.change(room, user)
        audience = self._audiences.get(id_)
        if audience is None:
            audience = self._audiences[id_] = [self.run(each).posts for each in room.members]
        sender = self.senders[id_, user] = Sender(room, member, audience, self.run(user).posts)
        return sender

    def _forget_senders(self) -> None:
        self.senders.clear()
        self._audiences.clear()

    def run(self, user: str) -> Run:
        """Return what the batch brings to a user's timeline."""
        run = self.changes.runs.get(user)
        if run is None:
            run = self.changes.runs[user] = Run(0, [])
        return run

    def post_event(self, event: bytes, users: Collection[str]) -> None:
        """Append an event that is whole in itself."""
        self.post(Post(refs.event(event), event), users)

    def post_state(self, where: bytes, state: bytes, user: str) -> None:
        """Append a conversation's state as one user sees it."""
        self.post(self._state_post(where, state), (user,))

    # answering

    def answer(self, command: Command, outcome: Outcome) -> None:
        """Note what a command will be told, after the commit."""
        self.outcomes.append((command, outcome))

    def answer_state(self, command: Command, where: bytes, state: bytes) -> None:
        """Note that a command will be told a conversation's state."""
        self.outcomes.append((command, self._state_post(where, state)))

    def _state_post(self, where: bytes, state: bytes) -> StatePost:
        post = StatePost(refs.state(where, state), b"", where=where, state=state)
        self.state_posts.append(post)
        return post

    def ok(self, command: Command) -> None:
        """Note that a command is done and has nothing to say."""
        self.outcomes.append((command, splice.ok(command.id)))


def forbidden(command: Command) -> RequestError:
    """Build the error for whoever is not a member, whether the conversation exists or not."""
    return RequestError("forbidden", f"not a member of {command.conversation}")


def unused_direct(command: Command) -> bool:
    """Tell whether the command's user is a party of a direct conversation; the id alone decides."""
    conversation = command.conversation
    return kind_of(conversation) == "direct" and command.user in parties(conversation)
