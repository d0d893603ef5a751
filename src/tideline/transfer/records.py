"""The format of an export: one JSON object a line (I-JSON, UTF-8), told apart by ``type``.

The first line says what the file is::

    {"type":"tideline-export","version":1}

Then one conversation after the other: its own line, and then what happened in it, in the order in which it did.

================ ============================================= ===================================================
``type``         fields                                        says
================ ============================================= ===================================================
``conversation`` ``conversation``, ``kind``, ``title``,        what is true of it for everyone; ``time`` is that of
                 ``history``, ``creator``, ``time``,           the latest activity (ms), ``origin`` a digest of what
                 ``origin``                                    it was created with, in hexadecimal
``member``       ``conversation``, ``user``, ``joined``,       somebody joined before message ``joined``; role and
                 ``role``, ``muted``, ``pinned``               marks as they are by the end
``left``         ``conversation``, ``user``, ``joined``,       a member who had joined before message ``joined``
                 ``left``                                      left after message ``left``
``message``      ``message``                                   a message in its present form (protocol, section 4)
``gone``         ``conversation``, ``first``, ``last``         messages that this file does not hold: their numbers
                                                               stay taken
``read``         ``conversation``, ``user``, ``message_seq``   a read position beyond what one's own messages and
                                                               joining imply; after all messages
================ ============================================= ===================================================

Messages have the numbers 1, 2, 3 … without a hole (those of ``gone`` lines included). The sync timelines are not in
it: an import gives every member entries of their own. Nor are devices, whose cursors mean nothing elsewhere.

A reader refuses a version that it doesn't know, and ignores fields that it doesn't know.
"""

from msgspec import Raw, Struct

from tideline.protocol.requests import ConversationId, MessageSeq, Position
from tideline.timeline.records import HistoryMode, Kind, MemberRole

VERSION = 1


class Record(Struct, tag=str.lower, tag_field="type", kw_only=True, frozen=True):
    """Base of all lines."""


class Header(Record, tag="tideline-export", kw_only=True, frozen=True):
    """What the file is."""

    version: int = VERSION


class ConversationRecord(Record, tag="conversation", kw_only=True, frozen=True):
    """What is true of a conversation for everyone."""

    conversation: ConversationId
    kind: Kind
    title: str | None = None
    history: HistoryMode = "all"
    creator: str | None = None
    time: Position = 0
    origin: str = ""


class MemberRecord(Record, tag="member", kw_only=True, frozen=True):
    """Somebody joined before message ``joined``."""

    conversation: ConversationId
    user: str
    joined: MessageSeq
    role: MemberRole | None = None
    muted: bool = False
    pinned: bool = False


class LeftRecord(Record, tag="left", kw_only=True, frozen=True):
    """A member who had joined before message ``joined`` left after message ``left``."""

    conversation: ConversationId
    user: str
    joined: MessageSeq
    left: Position


class MessageRecord(Record, tag="message", kw_only=True, frozen=True):
    """A message."""

    message: Raw


class GoneRecord(Record, tag="gone", kw_only=True, frozen=True):
    """Messages that this file does not hold."""

    conversation: ConversationId
    first: MessageSeq
    last: MessageSeq


class ReadRecord(Record, tag="read", kw_only=True, frozen=True):
    """A read position."""

    conversation: ConversationId
    user: str
    message_seq: MessageSeq


AnyRecord = Header | ConversationRecord | MemberRecord | LeftRecord | MessageRecord | GoneRecord | ReadRecord
