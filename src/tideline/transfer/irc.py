"""IRC logs: one file a day, ``[09:14] <nick> text`` a line, the date in the file's name.

A file becomes the group ``g:<file name without its ending>``, which everyone may read from the beginning; its
members are those who speak in it, each from their first line on. A line that addresses one of them (``nick: …``,
``nick, …``) mentions them. Lines without a speaker (``=== nick has joined``) are no messages.
"""

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain

from msgspec import Raw

from tideline.protocol.codec import encode
from tideline.protocol.names import group, is_name
from tideline.protocol.splice import message

from .records import AnyRecord, ConversationRecord, MemberRecord, MessageRecord
from .sources import Source, TransferError

_SAID = re.compile(r"\[([01]\d|2[0-3]):([0-5]\d)\] <([^>]*)> ?(.*)", re.DOTALL)
_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_HALF_A_DAY = 12 * 60
_SEARCHED = 1000
"""Lines in which the first one with a speaker must be."""


class _Clock:
    """Turns a day and times of day into ms since 1970 (UTC) that never go back.

    A log that goes on past midnight, or past noon on a clock of twelve hours, only shows a smaller time.
    """

    def __init__(self, day: datetime) -> None:
        self._midnight = int(day.timestamp()) * 1000
        self._last = self._ahead = 0

    def time(self, hours: int, minutes: int) -> int:
        """Return the moment of a line."""
        now = self._ahead + hours * 60 + minutes
        # A few minutes back are lines out of order; more than some hours are a clock that began anew.
        while now < self._last - _HALF_A_DAY // 2:
            now += _HALF_A_DAY
            self._ahead += _HALF_A_DAY
        self._last = max(self._last, now)
        return self._midnight + self._last * 60_000


def records(source: Source, first: list[bytes]) -> Iterator[AnyRecord]:
    """Read a log; ``first`` are the lines that were read already.

    Raises:
        TransferError: if it is none, or can't become a group.
    """
    if not is_name(source.stem):
        raise TransferError(f"{source.name}: {source.stem!r} can't name a group (see 'identity' in the protocol)")
    conversation = group(source.stem)
    clock = _Clock(_day(source))
    members: dict[str, str] = {}
    """Those who spoke, by their name as it is, and in lower case: on IRC both mean the same."""
    ordinal = 0
    for number, line in enumerate(chain(first, source.lines), 1):
        said = _SAID.fullmatch(line.decode("utf-8", "replace"))
        if said is None:
            if number == _SEARCHED and ordinal == 0:
                break
            continue
        hours, minutes, nick, text = said.groups()
        if not is_name(nick):
            raise TransferError(f"{source.name}, line {number}: {nick!r} can't be a user's name")
        time = clock.time(int(hours), int(minutes))
        if ordinal == 0:
            yield ConversationRecord(
                conversation=conversation,
                kind="group",
                creator=nick,
                time=time,
                origin=_digest("irc", source.stem, nick),
            )
        ordinal += 1
        if members.get(nick) != nick:
            role = "admin" if ordinal == 1 else "member"
            yield MemberRecord(conversation=conversation, user=nick, joined=ordinal, role=role)  # type: ignore[arg-type]
            members[nick] = nick
            members.setdefault(nick.lower(), nick)
        yield MessageRecord(
            message=Raw(
                message(
                    conversation,
                    ordinal,
                    nick,
                    # Made from what it names, so that a second run knows what the first one stored.
                    _digest(source.stem, str(ordinal), nick, text),
                    time,
                    Raw(encode({"type": "text", "text": text})),
                    None,
                    _addressed(text, members),
                )
            )
        )
    if ordinal == 0:
        raise TransferError(f"{source.name} is no chat log of a kind that is known: no line like '[09:14] <nick> text'")


def _addressed(text: str, members: dict[str, str]) -> list[str]:
    """Return the member that a line begins with, as a list."""
    word = text.split(" ", 1)[0]
    if word[-1:] not in (":", ","):
        return []
    member = members.get(word[:-1]) or members.get(word[:-1].lower())
    return [member] if member is not None else []


def _day(source: Source) -> datetime:
    found = _DATE.search(source.stem)
    try:
        return datetime(*map(int, found.groups()), tzinfo=UTC)  # type: ignore[union-attr, arg-type, misc]
    except (AttributeError, ValueError):
        raise TransferError(f"{source.name}: no date (YYYY-MM-DD) in its name, so nobody knows when it was") from None


def _digest(*parts: str) -> str:
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()
