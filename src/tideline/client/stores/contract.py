"""What a local store has to do for a device (protocol, section 6).

Pattern: everything is done by a piece of *work* in one transaction, which is given a :class:`Transaction` and runs
to its end without waiting for anything. What work means is not the store's business: a store keeps records.

Obligations of every store:

1. A transaction is all or nothing, also when the process is killed at any moment.
2. Transactions take effect one after the other, in the order in which :meth:`LocalStore.run` was called.
3. What a transaction has written is seen by all later ones, and by itself.
4. Only one process, and one client in it, uses a store at a time; another one is refused clearly.
5. Numbers of the outbox are never used twice, also after the message with the highest one is gone.
"""

from collections.abc import Callable, Sequence
from typing import Literal, Protocol, TypeVar

from msgspec import Raw, Struct

from tideline.client.ranges import Ranges
from tideline.client.state import Conversation
from tideline.protocol.responses import Message, State

T = TypeVar("T")


class Pending(Struct, kw_only=True):
    """A message of the outbox. Times in ms; ``tried`` by the server's clock, ``created`` by the device's.

    ``state``: ``pending`` goes out by itself; ``failed`` was refused, for ``code``; ``unconfirmed`` may or may not
    have been sent. The last two wait for the user's decision.
    """

    order: int
    client_id: str
    body: Raw
    conversation: str | None = None
    to: str | None = None
    reply_to: int | None = None
    mentions: list[str] | None = None
    created: int = 0
    tried: int | None = None
    state: Literal["pending", "failed", "unconfirmed"] = "pending"
    code: str | None = None
    message: str | None = None


class Transaction(Protocol):
    """The records of a store, inside one transaction. It is of no use after it."""

    def get(self, name: str) -> str | int | None:
        """Return a single value of the device: ``cursor``, ``epoch``, ``user``, ``device``; None when unset."""

    def set(self, name: str, value: str | int | None) -> None:
        """Store a single value."""

    def conversation(self, conversation: str) -> Conversation | None:
        """Return the state of a conversation, or None."""

    def conversations(self) -> list[Conversation]:
        """Return all states, in no order."""

    def put_conversation(self, state: Conversation) -> None:
        """Store a state in the place of the one before."""

    def drop_conversation(self, conversation: str) -> None:
        """Remove a conversation with its messages and ranges."""

    def message(self, conversation: str, message_seq: int) -> Message | None:
        """Return a message, or None; whether it may be shown is what the ranges say."""

    def messages(self, conversation: str, low: int, high: int) -> list[Message]:
        """Return the messages from ``low`` to ``high``, both included, ascending."""

    def put_message(self, message: Message) -> None:
        """Store a message in the place of the form before."""

    def held(self, conversation: str) -> Ranges:
        """Return which ranges of ``message_seq`` are held."""

    def put_held(self, conversation: str, ranges: Ranges) -> None:
        """Store which ranges are held."""

    def forget_messages(self, *, ranges_only: bool) -> None:
        """Remove the ranges of all conversations, and their messages too unless ``ranges_only``."""

    def stage(self, states: Sequence[State]) -> None:
        """Keep states of a snapshot aside; a later one of the same conversation replaces the earlier."""

    def take_staged(self) -> list[State]:
        """Return what is kept aside, and keep nothing aside any more."""

    def drop_conversations(self) -> None:
        """Remove all states, but no messages and ranges."""

    def pending(self) -> list[Pending]:
        """Return the messages of the outbox by ascending ``order``."""

    def find_pending(self, client_id: str) -> Pending | None:
        """Return a message of the outbox, or None."""

    def add_pending(self, message: Pending) -> Pending:
        """Put a message at the end of the outbox; return it with its ``order``, higher than any before."""

    def put_pending(self, message: Pending) -> None:
        """Store a message of the outbox in the place of the form before."""

    def drop_pending(self, client_id: str) -> None:
        """Remove a message from the outbox."""

    def count_pending(self) -> int:
        """Return how many messages the outbox holds."""


class LocalStore(Protocol):
    """A device's records on one machine."""

    async def open(self) -> None:
        """Make the store ready.

        Raises:
            StoreInUse: if another client uses it.
            StoreTooNew: if a later version of this library has written it.
        """

    async def run(self, work: Callable[[Transaction], T], *, durable: bool = False) -> T:
        """Run work in one transaction: commit what it did when it returns, undo it when it raises.

        ``durable``: when this returns, the transaction also survives a loss of power, and with it all before it.
        Otherwise only the last transactions may be lost so, never some in the middle.
        """

    async def close(self) -> None:
        """Let go of the store, after all work that was asked for."""
