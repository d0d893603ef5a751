"""A local store in memory: for devices that need not outlive their process, and for tests."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from msgspec import structs

from tideline.client.ranges import Ranges
from tideline.client.state import Conversation
from tideline.protocol.responses import Message, State

from .contract import Pending, Transaction

T = TypeVar("T")

_ABSENT: Any = object()


class MemoryStore:
    """Records in dictionaries. Work runs in the caller's own turn, so it never waits."""

    def __init__(self) -> None:
        self._records = _Records()

    async def open(self) -> None:
        """Make the store ready, which it is."""

    async def run(self, work: Callable[[Transaction], T], *, durable: bool = False) -> T:
        """Run work in one transaction; ``durable`` is beyond this store."""
        del durable
        records = self._records
        records.undo.clear()
        try:
            return work(records)
        except BaseException:
            records.roll_back()
            raise

    async def close(self) -> None:
        """Let go of the store."""


class _Records:
    """The dictionaries, and how to undo what a transaction did. Whoever reads a record doesn't change it."""

    def __init__(self) -> None:
        self.undo: list[tuple[dict[Any, Any], Any, Any]] = []
        self._values: dict[str, str | int | None] = {}
        self._states: dict[str, Conversation] = {}
        self._messages: dict[str, dict[int, Message]] = {}
        self._held: dict[str, Ranges] = {}
        self._staged: dict[str, State] = {}
        self._outbox: dict[str, Pending] = {}
        self._orders = 0

    def roll_back(self) -> None:
        for records, key, value in reversed(self.undo):
            if value is _ABSENT:
                records.pop(key, None)
            else:
                records[key] = value

    def _put(self, records: dict[Any, Any], key: Any, value: Any) -> None:
        self.undo.append((records, key, records.get(key, _ABSENT)))
        if value is _ABSENT:
            records.pop(key, None)
        else:
            records[key] = value

    def _clear(self, records: dict[Any, Any]) -> None:
        for key in list(records):
            self._put(records, key, _ABSENT)

    def get(self, name: str) -> str | int | None:
        return self._values.get(name)

    def set(self, name: str, value: str | int | None) -> None:
        self._put(self._values, name, value)

    def conversation(self, conversation: str) -> Conversation | None:
        return self._states.get(conversation)

    def conversations(self) -> list[Conversation]:
        return list(self._states.values())

    def put_conversation(self, state: Conversation) -> None:
        self._put(self._states, state.conversation, state)

    def drop_conversation(self, conversation: str) -> None:
        for records in (self._states, self._messages, self._held):
            self._put(records, conversation, _ABSENT)

    def message(self, conversation: str, message_seq: int) -> Message | None:
        return self._messages.get(conversation, {}).get(message_seq)

    def messages(self, conversation: str, low: int, high: int) -> list[Message]:
        held = self._messages.get(conversation, {})
        if high - low < len(held):
            return [held[number] for number in range(low, high + 1) if number in held]
        return [held[number] for number in sorted(held) if low <= number <= high]

    def put_message(self, message: Message) -> None:
        if message.conversation not in self._messages:
            self._put(self._messages, message.conversation, {})
        self._put(self._messages[message.conversation], message.message_seq, message)

    def held(self, conversation: str) -> Ranges:
        return self._held.get(conversation, ())

    def put_held(self, conversation: str, ranges: Ranges) -> None:
        self._put(self._held, conversation, ranges)

    def forget_messages(self, *, ranges_only: bool) -> None:
        self._clear(self._held)
        if not ranges_only:
            self._clear(self._messages)

    def stage(self, states: Sequence[State]) -> None:
        for state in states:
            self._put(self._staged, state.conversation, state)

    def take_staged(self) -> list[State]:
        staged = list(self._staged.values())
        self._clear(self._staged)
        return staged

    def drop_conversations(self) -> None:
        self._clear(self._states)

    def pending(self) -> list[Pending]:
        return sorted(self._outbox.values(), key=lambda message: message.order)

    def find_pending(self, client_id: str) -> Pending | None:
        return self._outbox.get(client_id)

    def add_pending(self, message: Pending) -> Pending:
        self._orders += 1
        message = structs.replace(message, order=self._orders)
        self._put(self._outbox, message.client_id, message)
        return message

    def put_pending(self, message: Pending) -> None:
        self._put(self._outbox, message.client_id, message)

    def drop_pending(self, client_id: str) -> None:
        self._put(self._outbox, client_id, _ABSENT)

    def count_pending(self) -> int:
        return len(self._outbox)
