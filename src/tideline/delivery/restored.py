"""What an import says of the past: of conversations that took place elsewhere, or earlier.

No device can send these: they come in only through :mod:`tideline.transfer`, from whoever owns the data folder.
So they name no admin who would have had to allow them, and they bring what a request can't: times, names, roles and
numbers as they were.
"""

from typing import NamedTuple

from msgspec import Raw, Struct

from tideline.timeline.records import HistoryMode, Kind, MemberRole


class RestoredConversation(Struct, frozen=True, kw_only=True):
    """A conversation that nobody is a member of yet; there already is no error, when its ``origin`` is the same."""

    kind: Kind
    time: int
    """In ms."""
    history: HistoryMode = "all"
    title: str | None = None
    creator: str | None = None
    origin: bytes = b""


class RestoredMember(Struct, frozen=True, kw_only=True):
    """A member as they are by the end."""

    user: str
    role: MemberRole | None = None
    muted: bool = False
    pinned: bool = False


class After(NamedTuple):
    """What a conversation must be at when something happens to it: else something before it failed, and it must too.

    ``members`` is how many there are, ``ordinal`` how many have ever joined.
    """

    head: int
    members: int
    ordinal: int


class RestoredMembers(Struct, frozen=True):
    """Users who become members now, from the next message on."""

    after: After
    members: list[RestoredMember]


class RestoredLeavers(Struct, frozen=True):
    """Members who leave now, after the last message."""

    after: After
    users: list[str]


class RestoredMessage(Struct, frozen=True, kw_only=True):
    """The next message, with the time and the text that it had; ``text`` is the JSON of the whole message."""

    after: After
    time: int
    text: bytes
    client_id: str = ""
    body: Raw = Raw(b"{}")


Restored = RestoredConversation | RestoredMembers | RestoredLeavers | RestoredMessage
