"""What a device makes of its entries, written from sections 4, 6 and 7 of the protocol alone."""

from typing import Any

State = dict[str, Any]


class Replica:
    """A user's conversations, as a device without a memory of messages holds them."""

    def __init__(self, user: str) -> None:
        self.user = user
        self.states: dict[str, State] = {}
        self.cursor = 0

    def load(self, states: dict[str, State], cursor: int) -> None:
        """Begin with a snapshot."""
        self.states = {name: dict(state) for name, state in states.items()}
        self.cursor = cursor

    def apply_all(self, entries: list[dict[str, Any]]) -> None:
        for entry in entries:
            assert entry["seq"] == self.cursor + 1, "no number is left out"
            self.apply(entry["event"])
            self.cursor = entry["seq"]

    def apply(self, event: dict[str, Any]) -> None:
        """Apply one event; twice is as good as once."""
        getattr(self, f"_{event['type']}")(event)

    def _message(self, event: dict[str, Any]) -> None:
        message = event["message"]
        name, number = message["conversation"], message["message_seq"]
        if name not in self.states:
            if not name.startswith("d:"):
                return  # of a group that was left since
            self.states[name] = self._implied(name)
        state = self.states[name]
        if number >= state["head"]:
            state["head"] = number
            state["last_message"] = message
        if message.get("sender") == self.user:
            state["read"] = max(state["read"], number)
        self._count(state)

    def _implied(self, name: str) -> State:
        a, b = name[2:].split("~")
        return {
            "conversation": name,
            "kind": "direct",
            "peer": b if a == self.user else a,
            "title": None,
            "members": 1 if a == b else 2,
            "role": None,
            "head": 0,
            "last_message": None,
            "read": 0,
            "unread": 0,
            "muted": False,
            "pinned": False,
            "joined": 1,
            "history": "all",
            "first": 1,
        }

    def _read(self, event: dict[str, Any]) -> None:
        state = self.states.get(event["conversation"])
        if state is not None and event["user"] == self.user:
            state["read"] = max(state["read"], event["message_seq"])
            self._count(state)

    def _conversation(self, event: dict[str, Any]) -> None:
        self.states[event["state"]["conversation"]] = dict(event["state"])

    def _member(self, event: dict[str, Any]) -> None:
        name = event["conversation"]
        if self.user in event["removed"]:
            self.states.pop(name, None)
        elif name in self.states:
            self.states[name]["members"] = event["members"]

    @staticmethod
    def _count(state: State) -> None:
        state["unread"] = state["head"] - state["read"]
