"""Any program of requests, by any of three users, leaves the server as a small model says."""

import http.client
import itertools
import json
from typing import Any, ClassVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.harness.server import ServerProcess

Frame = dict[str, Any]
_runs = itertools.count(1)
PEOPLE = st.integers(0, 2)
TEXTS = st.sampled_from(["", "hi", "ünïcode 👍", "x" * 300])


class Room:
    """A conversation as the model has it."""

    def __init__(self, members: list[str], admins: set[str]) -> None:
        self.members = dict.fromkeys(members, 1)
        self.admins = admins
        self.messages: list[tuple[str, str, str]] = []
        """Sender, client_id, text."""
        self.read: dict[str, int] = dict.fromkeys(members, 0)


class Programs(RuleBasedStateMachine):
    """A server beside what it should hold."""

    server: ClassVar[ServerProcess]

    def __init__(self) -> None:
        super().__init__()
        self.http = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=20)
        run = next(_runs)
        self.users = [f"fuzz{run}-{name}" for name in "abc"]
        self.group = f"g:fuzz{run}"
        self.tokens = {user: self.server.token(user) for user in self.users}
        self.rooms: dict[str, Room] = {}
        self.cursors = dict.fromkeys(self.users, 0)
        self.learned: dict[str, list[Frame]] = {user: [] for user in self.users}
        self.sent: dict[tuple[str, str, str], tuple[str, int]] = {}

    def teardown(self) -> None:
        self.http.close()

    def ask(self, user: str, kind: str, **fields: Any) -> Frame:
        headers = {"Authorization": f"Bearer {self.tokens[user]}", "Content-Type": "application/json"}
        self.http.request("POST", f"/v1/{kind}", json.dumps(fields), headers)
        answer: Frame = json.loads(self.http.getresponse().read())
        assert answer.get("code") != "internal", answer
        return answer

    def direct(self, one: str, other: str) -> str:
        return "d:" + "~".join(sorted((one, other)))

    @initialize()
    def begin(self) -> None:
        answer = self.ask(self.users[0], "create", conversation=self.group, members=[self.users[1]], title="t")
        assert answer["type"] == "conversation"
        self.rooms[self.group] = Room([self.users[0], self.users[1]], {self.users[0]})

    @rule(sender=PEOPLE, to=PEOPLE, grouped=st.booleans(), key=st.integers(0, 5), text=TEXTS)
    def send(self, sender: int, to: int, grouped: bool, key: int, text: str) -> None:
        user = self.users[sender]
        conversation = self.group if grouped else self.direct(user, self.users[to])
        room = self.rooms.get(conversation)
        client_id = f"client-id-{key}"
        body = {"type": "text", "text": text}
        answer = self.ask(user, "send", conversation=conversation, client_id=client_id, body=body)
        if grouped and (room is None or user not in room.members):
            assert answer["code"] == "forbidden"
            return
        known = self.sent.get((user, conversation, client_id))
        if known is not None:
            if known[0] != text:
                assert answer["code"] == "conflict"
            else:
                assert (answer["message_seq"], answer["duplicate"]) == (known[1], True)
            return
        if room is None:
            pair = sorted({user, self.users[to]})
            room = self.rooms[conversation] = Room(pair, set())
        room.messages.append((user, client_id, text))
        assert (answer["message_seq"], answer["duplicate"]) == (len(room.messages), False)
        room.read[user] = len(room.messages)
        self.sent[user, conversation, client_id] = (text, len(room.messages))

    @rule(who=PEOPLE, position=st.integers(1, 12))
    def read(self, who: int, position: int) -> None:
        user = self.users[who]
        room = self.rooms[self.group]
        answer = self.ask(user, "read", conversation=self.group, message_seq=position)
        if user not in room.members:
            assert answer["code"] == "forbidden"
        else:
            assert answer["type"] == "ok"
            room.read[user] = max(room.read[user], min(position, len(room.messages)))

    @rule(who=PEOPLE, whom=PEOPLE, adding=st.booleans())
    def change(self, who: int, whom: int, adding: bool) -> None:
        user, other = self.users[who], self.users[whom]
        room = self.rooms[self.group]
        answer = self.ask(user, "add" if adding else "remove", conversation=self.group, members=[other])
        allowed = user in room.admins or (not adding and user == other and user in room.members)
        if not allowed:
            assert answer["code"] == "forbidden"
            return
        assert answer["type"] == "ok", answer
        if adding and other not in room.members:
            room.members[other] = len(room.messages) + 1
            room.read[other] = len(room.messages)
        elif not adding and other in room.members:
            del room.members[other]
            del room.read[other]
            room.admins.discard(other)
            if room.members and not room.admins:
                room.admins.add(next(iter(room.members)))

    @rule(who=PEOPLE, limit=st.integers(1, 5))
    def pull(self, who: int, limit: int) -> None:
        user = self.users[who]
        page = self.ask(user, "pull", after=self.cursors[user], limit=limit)
        seqs = [entry["seq"] for entry in page["entries"]]
        assert seqs == list(range(self.cursors[user] + 1, self.cursors[user] + 1 + len(seqs)))
        assert page["more"] == (self.cursors[user] + len(seqs) < page["head"])
        assert len(seqs) == min(limit, page["head"] - self.cursors[user])
        self.cursors[user] += len(seqs)
        self.learned[user] += page["entries"]

    @rule(who=PEOPLE, limit=st.integers(1, 4))
    def history(self, who: int, limit: int) -> None:
        user = self.users[who]
        room = self.rooms[self.group]
        answer = self.ask(user, "history", conversation=self.group, limit=limit)
        if user not in room.members:
            assert answer["code"] == "forbidden"
            return
        first = room.members[user]
        wanted = list(range(first, len(room.messages) + 1))[-limit:]
        assert [message["message_seq"] for message in answer["messages"]] == wanted
        for message in answer["messages"]:
            sender, client_id, text = room.messages[message["message_seq"] - 1]
            assert (message["sender"], message["client_id"], message["body"]["text"]) == (sender, client_id, text)

    @invariant()
    def a_snapshot_says_what_the_model_says(self) -> None:
        for user in self.users:
            snapshot = self.ask(user, "snapshot", limit=50)
            states = {state["conversation"]: state for state in snapshot["conversations"]}
            mine = {name: room for name, room in self.rooms.items() if user in room.members}
            assert states.keys() == mine.keys()
            for name, room in mine.items():
                state = states[name]
                head = len(room.messages)
                read = max(room.read[user], room.members[user] - 1)
                assert (state["head"], state["read"], state["unread"]) == (head, read, head - read)
                assert state["members"] == len(room.members)

    @invariant()
    def a_timeline_holds_every_message_once(self) -> None:
        for user in self.users:
            places = [
                (entry["event"]["message"]["conversation"], entry["event"]["message"]["message_seq"])
                for entry in self.learned[user]
                if entry["event"]["type"] == "message"
            ]
            assert len(places) == len(set(places))


TestServer = Programs.TestCase
TestServer.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
