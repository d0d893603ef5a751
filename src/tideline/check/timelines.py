"""The sync store: each user's timeline against the conversations that the user is, or was, a member of.

Theory: a user's membership of a conversation is the span of messages ``joined`` … ``head`` (of a former one: … the
last one it got), and a timeline refers to exactly the messages of its user's spans, each conversation's in ascending
order. So it is enough to know, for each conversation, which message must come next. That those messages exist is
verified with the conversations.
"""

import msgspec

from tideline.timeline import refs
from tideline.timeline.contract import Membership, Span
from tideline.timeline.survey import Survey

from .expected import Expected
from .report import Promise, Report
from .walk import Progress, Walk, lowest


class _Event(msgspec.Struct):
    """Any event."""

    type: str


_event = msgspec.json.Decoder(_Event).decode
_STATE = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Unreadable:
    """Stands for a membership whose record can't be decoded."""


class Timelines:
    """Verifies timeline by timeline."""

    def __init__(self, survey: Survey, report: Report, progress: Progress) -> None:
        self._survey = survey
        self._report = report
        self._progress = progress
        self._heads = Walk(survey.timelines(), lambda row: row.user, progress)
        self._memberships = Walk(survey.memberships(), lambda row: row[0], progress)
        self._former = Walk(survey.former(), lambda row: row.user, progress)
        self._entries = Walk(survey.entries(), lambda row: row.user, lambda rows: None)

    async def run(self) -> None:
        """Verify everything."""
        walks = (self._heads, self._memberships, self._former, self._entries)
        while (user := await lowest(*walks)) is not None:  # type: ignore[misc]
            await self._check(user)

    async def _check(self, user: str) -> None:
        report = self._report
        spans = [row.span async for row in self._heads.take(user)]
        span = spans[0] if spans else Span(1, 0)
        expected = await self._expected(user, trimmed=span.first > 1)
        last = await self._check_entries(user, span, expected)
        report.count(Promise.HEADS)
        if not spans and last:
            report.found(Promise.HEADS, f"the timeline of {user} has entries up to {last} and no head")
        elif last > span.head:
            report.found(Promise.HEADS, f"the head of {user}'s timeline is {span.head}, but its last entry is {last}")
        elif last < span.head:
            report.found(
                Promise.HEADS,
                f"the head of {user}'s timeline is {span.head}, but it lacks {_these(last + 1, span.head)}",
                span.head - last,
            )
        for conversation, each in expected.items():
            if not each.loose and not each.anything:
                self._missing(user, conversation, each, _BEYOND)

    async def _expected(self, user: str, trimmed: bool) -> dict[bytes, Expected]:
        """Return what a timeline has to refer to, by conversation."""
        report = self._report
        expected: dict[bytes, Expected] = {}
        async for row in self._former.take(user):
            expected.setdefault(row.conversation.encode(), Expected(trimmed)).add(row.joined, row.last)
        names = [name async for _, name in self._memberships.take(user)]
        report.count(Promise.MEMBERS, len(names))
        for name, found in zip(names, await self._look_up(user, names), strict=True):
            if found is None:
                report.found(Promise.MEMBERS, f"the index says that {user} is in {name}, which says otherwise")
                continue
            each = expected.setdefault(name.encode(), Expected(trimmed))
            if isinstance(found, Unreadable):
                each.anything = True
            else:
                each.add(found.member.joined, found.conversation.head)
        return expected

    async def _look_up(self, user: str, names: list[str]) -> list[Membership | Unreadable | None]:
        """Look up memberships; those whose records can't be decoded were told of with the conversations."""
        try:
            return [*await self._survey.store.memberships(user, names)]
        except msgspec.DecodeError:
            if len(names) == 1:
                return [Unreadable()]
            return [found for name in names for found in await self._look_up(user, [name])]

    async def _check_entries(self, user: str, span: Span, expected: dict[bytes, Expected]) -> int:
        """Verify the entries of one timeline; return the number of the last."""
        report = self._report
        following = span.first
        count = delivered = 0
        others: list[tuple[int, bytes]] = []
        async for row in self._entries.take(user):
            for seq, ref in row.entries:
                if seq != following:
                    self._hole(user, following, seq, span)
                following = seq + 1
                if ref[:1] != refs.MESSAGE:
                    others.append((seq, ref))
                    continue
                delivered += 1
                number = int.from_bytes(ref[-8:], "big")
                each = expected.get(ref[1:-9])
                if each is not None and number == each.next and number <= each.last:
                    each.next = number + 1
                    each.loose = False
                else:
                    self._unexpected(user, seq, ref, each)
            count += len(row.entries)
            self._progress(len(row.entries))
            await self._check_others(user, others)
            others = []
        report.count(Promise.NUMBERS, count)
        report.count(Promise.REFERENCES, count)
        report.count(Promise.DELIVERED, delivered)
        return following - 1 if count else span.first - 1

    def _hole(self, user: str, following: int, seq: int, span: Span) -> None:
        if seq < span.first:
            self._report.found(Promise.NUMBERS, f"{user}'s timeline has entry {seq}, which is trimmed")
        else:
            self._report.found(
                Promise.NUMBERS, f"{user}'s timeline lacks {_these(following, seq - 1)}", max(1, seq - following)
            )

    def _unexpected(self, user: str, seq: int, ref: bytes, each: Expected | None) -> None:
        """Find out what is wrong with a reference that is not the one that must come next, if anything is."""
        report = self._report
        try:
            _, place, _ = refs.parse(ref)
            name, number = refs.read_place(place)
        except ValueError:
            report.found(Promise.READABLE, f"entry {seq} of {user} can't be decoded")
            return
        conversation = name.decode("utf-8", "backslashreplace")
        if each is None:
            report.found(
                Promise.REFERENCES,
                f"entry {seq} of {user} is about message {number} of {conversation}, of which {user} is no member",
            )
            return
        if each.anything:
            return
        if each.loose:
            each.missing_up_to(number)
            each.loose = False
        each.turn()
        if number < each.next:
            report.found(
                Promise.DELIVERED,
                f"entry {seq} of {user} is about message {number} of {conversation}, which came before",
            )
            return
        self._missing(user, name, each, number)
        if number == each.next and number <= each.last:
            each.next = number + 1
        else:
            report.found(
                Promise.REFERENCES,
                f"entry {seq} of {user} is about message {number} of {conversation}, which is not {user}'s",
            )

    def _missing(self, user: str, name: bytes, each: Expected, number: int) -> None:
        """Say what should have come before a message."""
        for span in each.missing_up_to(number):
            self._report.found(
                Promise.DELIVERED,
                f"{user}'s timeline lacks {_messages(*span)} of {name.decode('utf-8', 'backslashreplace')}",
                span.head - span.first + 1,
            )

    async def _check_others(self, user: str, entries: list[tuple[int, bytes]]) -> None:
        """Verify entries that are no messages."""
        places = []
        for seq, ref in entries:
            try:
                kind, place, data = refs.parse(ref)
                if kind == refs.EVENT:
                    _event(data)
                else:
                    _STATE(data)
            except (ValueError, msgspec.DecodeError):
                self._report.found(Promise.READABLE, f"entry {seq} of {user} can't be decoded")
                continue
            if place and refs.read_place(place)[1]:
                places.append((seq, place))
        found = await self._survey.store.messages([place for _, place in places]) if places else []
        for (seq, place), text in zip(places, found, strict=True):
            if text is None:
                name, number = refs.read_place(place)
                self._report.found(
                    Promise.REFERENCES,
                    f"entry {seq} of {user} is about message {number} of {name.decode()}, which is missing",
                )


_BEYOND = 2**63


def _these(first: int, last: int) -> str:
    return f"entry {first}" if first == last else f"entries {first} to {last}"


def _messages(first: int, last: int) -> str:
    return f"message {first}" if first == last else f"messages {first} to {last}"
