"""A group as a server has it, small enough to be seen to be right: what alice's timeline says, and what she sees."""

from typing import Any

import msgspec

from tideline.protocol import events
from tideline.protocol.responses import Message, State

ROOM = "g:team"
ME = "alice"


class ModelRoom:
    """Commands change it, and append to alice's timeline what they mean to her."""

    def __init__(self, history: str = "joined") -> None:
        self.history = history
        self.title = "Team"
        self.messages: list[Message] = []
        self.members: dict[str, dict[str, Any]] = {}
        self.timeline: list[events.AnyEvent] = []
        self.time = 0

    @property
    def head(self) -> int:
        return len(self.messages)

    def view(self) -> State | None:
        """Return the state as alice gets it in a snapshot."""
        me = self.members.get(ME)
        if me is None:
            return None
        first = me["joined"] if self.history == "joined" else 1
        return State(
            conversation=ROOM,
            kind="group",
            title=self.title,
            members=len(self.members),
            role=me["role"],
            head=self.head,
            last_message=self.messages[-1] if self.head >= first else None,
            read=me["read"],
            unread=self.head - me["read"],
            muted=me["muted"],
            joined=me["joined"],
            history=self.history,
            first=first,
        )

    def post(self, event: events.AnyEvent) -> None:
        """Append to alice's timeline, as it will be read."""
        self.timeline.append(msgspec.convert(msgspec.to_builtins(event), type(event)))

    def post_state(self) -> None:
        view = self.view()
        if view is not None:
            self.post(events.ConversationEvent(state=view))

    def add(self, user: str) -> None:
        if user in self.members:
            return
        self.members[user] = {"joined": self.head + 1, "read": self.head, "role": "member", "muted": False}
        if user == ME:
            self.post_state()
        if ME in self.members:
            count = len(self.members)
            self.post(events.MemberEvent(conversation=ROOM, added=[user], removed=[], by="x", members=count))

    def remove(self, user: str) -> None:
        if user not in self.members:
            return
        told = ME in self.members
        del self.members[user]
        if told:
            count = len(self.members)
            self.post(events.MemberEvent(conversation=ROOM, added=[], removed=[user], by="x", members=count))

    def send(self, user: str) -> None:
        if user not in self.members:
            return
        self.time += 1
        number = self.head + 1
        message = Message(
            conversation=ROOM,
            message_seq=number,
            sender=user,
            client_id=f"c{number}",
            time=self.time,
            body={"n": number},
        )
        self.messages.append(message)
        self.members[user]["read"] = number
        if ME in self.members:
            self.post(events.MessageEvent(message=message))

    def read(self, number: int) -> None:
        me = self.members.get(ME)
        if me is not None and me["read"] < min(number, self.head):
            me["read"] = min(number, self.head)
            self.post(events.ReadEvent(conversation=ROOM, user=ME, message_seq=me["read"]))

    def edit(self, number: int) -> None:
        if ME not in self.members or not 1 <= number <= self.head or self.messages[number - 1].recalled:
            return
        self.time += 1
        held = self.messages[number - 1]
        fresh = msgspec.structs.replace(held, body={"edited": self.time}, edited=self.time)
        self.messages[number - 1] = fresh
        self.post(events.Edited(conversation=ROOM, message_seq=number, by="x", time=self.time, message=fresh))

    def recall(self, number: int) -> None:
        if ME not in self.members or not 1 <= number <= self.head:
            return
        self.messages[number - 1] = msgspec.structs.replace(self.messages[number - 1], body={}, recalled=True)
        self.post(events.Recalled(conversation=ROOM, message_seq=number, by="x", time=self.time))

    def react(self, number: int, user: str, on: bool) -> None:
        if ME not in self.members or not 1 <= number <= self.head:
            return
        held = self.messages[number - 1]
        users = [name for name in held.reactions.get("+", []) if name != user]
        if on and user in held.reactions.get("+", []):
            return
        users = [*users, user] if on else users
        self.messages[number - 1] = msgspec.structs.replace(held, reactions={"+": users} if users else {})
        self.post(events.Reaction(conversation=ROOM, message_seq=number, by=user, reaction="+", on=on))

    def retitle(self, title: str) -> None:
        if ME in self.members:
            self.title = title
            self.post_state()

    def mute(self, muted: bool) -> None:
        if ME in self.members:
            self.members[ME]["muted"] = muted
            self.post_state()
