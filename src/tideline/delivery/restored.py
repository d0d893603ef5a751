"""What an import says of the past: of conversations that took place elsewhere, or earlier.

No device can send these: they come in only through :mod:`tideline.transfer`, from whoever owns the data folder.
So they name no admin who would have had to allow them, and they bring what a request can't: times, names, roles and
numbers as they were.
"""

from msgspec import Struct

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


class RestoredMembers(Struct, frozen=True):
    """Users who become members now, from the next message on; those who are there already change nothing."""

    members: list[RestoredMember]


class RestoredLeavers(Struct, frozen=True):
    """Members who leave now, after the last message."""

    users: list[str]


class RestoredMessage(Struct, frozen=True, kw_only=True):
    """A message with the number, the time and the text that it had; ``text`` is the JSON of the whole message.

    ``members`` and ``ordinal`` (see ``Conversation``) are what they must be by now: if something before this message
    failed, it must fail too.
    """

    message_seq: int
    members: int
    ordinal: int
    time: int
    text: bytes
    client_id: str = ""
    body: bytes = b"{}"


Restored = RestoredConversation | RestoredMembers | RestoredLeavers | RestoredMessage
