"""The survey contract: all that an app has in a store, in order, for those who look at the whole.

A :class:`Survey` is what a backend owes to ``tideline check`` and ``tideline export``, besides a :class:`Store` on the
same data for look-ups. It reads without changing anything. Listings come in chunks, ascending by what is named
first, so that several can be walked side by side with memory for one chunk each. A record that can't be decoded is
listed as None: finding it is what a survey is for.
"""

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple, Protocol

from .contract import Span, Store
from .records import Conversation, Member


class MemberRow(NamedTuple):
    """A member, as the conversation has it."""

    conversation: str
    user: str
    member: Member | None


class FormerRow(NamedTuple):
    """A membership that has ended: the first and the last message that belong to it."""

    conversation: str
    user: str
    joined: int
    last: int


class TimelineRow(NamedTuple):
    """What a user's sync timeline is said to hold."""

    user: str
    span: Span


class EntriesRow(NamedTuple):
    """Consecutive records of one user's sync timeline, as they are stored: number and reference."""

    user: str
    entries: list[tuple[int, bytes]]


class SendRow(NamedTuple):
    """An idempotency record; ``seq`` is the message's place in its sender's timeline."""

    sender: str
    conversation: str
    client_id: str
    message_seq: int
    seq: int


class Survey(Protocol):
    """One app's data as a whole, as it was when the survey was opened."""

    @property
    def app(self) -> str:
        """The app whose data it is."""
        ...

    @property
    def store(self) -> Store:
        """The same data, for look-ups."""
        ...

    def conversations(self) -> AsyncIterator[list[tuple[str, Conversation | None]]]:
        """List all conversations, by id."""
        ...

    def members(self) -> AsyncIterator[list[MemberRow]]:
        """List all members, by conversation and user."""
        ...

    def messages(self) -> AsyncIterator[list[tuple[str, int, bytes]]]:
        """List all messages, by conversation and ``message_seq``."""
        ...

    def timelines(self) -> AsyncIterator[list[TimelineRow]]:
        """List what all sync timelines are said to hold, by user."""
        ...

    def entries(self) -> AsyncIterator[list[EntriesRow]]:
        """List all entries, by user and ``seq``; a user's may be in several rows and chunks."""
        ...

    def memberships(self) -> AsyncIterator[list[tuple[str, str]]]:
        """List the index of users and their conversations, by user and conversation."""
        ...

    def former(self) -> AsyncIterator[list[FormerRow]]:
        """List all memberships that have ended, by user, conversation and ``joined``."""
        ...

    def former_of(self, conversation: str) -> AsyncIterator[list[FormerRow]]:
        """List the memberships of one conversation that have ended, by user and ``joined``."""
        ...

    def sends(self) -> AsyncIterator[list[SendRow | None]]:
        """List all idempotency records, in any order."""
        ...

    async def indexed(self, pairs: Sequence[tuple[str, str]]) -> list[bool]:
        """Tell of users and conversations whether the index has them."""
        ...

    async def entries_at(self, places: Sequence[tuple[str, int]]) -> list[bytes | None]:
        """Return references by user and ``seq``; None where there is none."""
        ...
