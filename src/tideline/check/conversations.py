"""The message store: conversations, their members and their messages, which are sorted alike."""

import msgspec

from tideline.protocol.names import kind_of, parties
from tideline.timeline.records import Conversation, Member
from tideline.timeline.survey import MemberRow, Survey

from .report import Promise, Report
from .walk import Progress, Walk, lowest


class _Message(msgspec.Struct):
    """What a message says of itself."""

    conversation: str
    message_seq: int
    sender: str = ""
    gone: bool = False


_message = msgspec.json.Decoder(_Message).decode


class Conversations:
    """Verifies conversation by conversation."""

    def __init__(self, survey: Survey, report: Report, progress: Progress) -> None:
        self._survey = survey
        self._report = report
        self._records = Walk(survey.conversations(), lambda row: row[0], progress)
        self._members = Walk(survey.members(), lambda row: row.conversation, progress)
        self._messages = Walk(survey.messages(), lambda row: row[0], progress)

    async def run(self) -> None:
        """Verify everything."""
        while (name := await lowest(self._records, self._members, self._messages)) is not None:  # type: ignore[misc]
            records = [row[1] async for row in self._records.take(name)]
            record = records[0] if records else None
            if records and record is None:
                self._report.found(Promise.READABLE, f"the record of {name} can't be decoded")
            elif record is not None and (record.id != name or kind_of(name) != record.kind):
                self._report.found(Promise.READABLE, f"the record of {name} is of {record.kind} {record.id}")
            self._report.count(Promise.READABLE, len(records))
            orphaned = not records
            await self._check_members(name, record, orphaned)
            await self._check_messages(name, record, orphaned)

    async def _check_members(self, name: str, record: Conversation | None, orphaned: bool) -> None:
        report = self._report
        rows = [row async for row in self._members.take(name)]
        report.count(Promise.MEMBERS, len(rows))
        report.count(Promise.READABLE, len(rows))
        if record is None:
            if rows and orphaned:
                report.found(Promise.MEMBERS, f"{name} has {len(rows)} members and no record", len(rows))
            return
        if record.count != len(rows):
            report.found(Promise.MEMBERS, f"{name} has {len(rows)} members; its record says {record.count}")
        standings: dict[int, str] = {}
        for row in rows:
            if row.member is None:
                report.found(Promise.READABLE, f"the record of {row.user} in {name} can't be decoded")
                continue
            wrong = _wrong(row, row.member, record)
            other = standings.setdefault(row.member.ordinal, row.user)
            if other != row.user:
                wrong = f"has the same standing as {other}"
            if wrong is not None:
                report.found(Promise.MEMBERS, f"{row.user} in {name} {wrong}")
        indexed = await self._survey.indexed([(row.user, name) for row in rows])
        for row, is_indexed in zip(rows, indexed, strict=True):
            if not is_indexed:
                report.found(Promise.MEMBERS, f"{row.user} is a member of {name}, which the index does not say")

    async def _check_messages(self, name: str, record: Conversation | None, orphaned: bool) -> None:
        report = self._report
        last = count = 0
        async for _, seq, text in self._messages.take(name):
            count += 1
            if seq > last + 1:
                report.found(Promise.MESSAGES, f"{name} lacks {_these(last + 1, seq - 1)}", seq - last - 1)
            elif seq < 1:
                report.found(Promise.MESSAGES, f"{name} has a message {seq}")
            last = seq
            try:
                said = _message(text)
            except (msgspec.DecodeError, UnicodeDecodeError):
                report.found(Promise.READABLE, f"message {seq} of {name} can't be decoded")
                continue
            if (said.conversation, said.message_seq) != (name, seq):
                other = f"{said.message_seq} of {said.conversation}"
                report.found(Promise.MESSAGES, f"message {seq} of {name} says that it is {other}")
            elif not said.sender and not said.gone:
                report.found(Promise.MESSAGES, f"message {seq} of {name} has no sender")
        report.count(Promise.MESSAGES, count)
        report.count(Promise.READABLE, count)
        if record is None:
            if count and orphaned:
                report.found(Promise.MESSAGES, f"{name} has {count} messages and no record", count)
        elif record.head > last:
            report.found(
                Promise.MESSAGES,
                f"the head of {name} is {record.head}, but it lacks {_these(last + 1, record.head)}",
                record.head - last,
            )
        elif record.head < last:
            report.found(Promise.MESSAGES, f"the head of {name} is {record.head}, but its last message is {last}")


def _wrong(row: MemberRow, member: Member, record: Conversation) -> str | None:
    """Say what is wrong with a member; None if nothing is."""
    if record.kind == "direct" and row.user not in parties(record.id):
        return "is not one of the two"
    if not 1 <= member.joined <= record.head + 1:
        return f"joined before message {member.joined}, but the head is {record.head}"
    if not member.joined - 1 <= member.read <= record.head:
        return f"has read up to {member.read}, not between {member.joined - 1} and {record.head}"
    if not 0 <= member.ordinal < record.ordinal:
        return f"has standing {member.ordinal}, but only {record.ordinal} ever joined"
    return None


def _these(first: int, last: int) -> str:
    return f"message {first}" if first == last else f"messages {first} to {last}"
