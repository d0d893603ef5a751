"""Reading a sync timeline: references become events in their present form, a page at a time.

An entry's message is looked up when the entry is read, so that a device that learns of it late gets it as it is
now: edited, recalled, or gone. A page never leaves out a number.
"""

from typing import NamedTuple

from tideline.protocol import splice
from tideline.timeline import refs
from tideline.timeline.contract import Store

from .plan import quoted

CHUNK = 250
"""References resolved at a time: a page of large messages ends early without having read all of them."""

_OVERHEAD = 1024
"""Bytes of a page, or of a welcome, that are no entries."""


class Slice(NamedTuple):
    """A part of a user's sync timeline: encoded entries, the number of the last (None: no entries)."""

    entries: list[bytes]
    last: int | None


async def read_slice(store: Store, user: str, after: int, limit: int, max_bytes: int) -> Slice:
    """Read entries after a position: at most ``limit``, at most ``max_bytes`` with the page around them."""
    entries: list[bytes] = []
    room = max_bytes - _OVERHEAD
    last: int | None = None
    while limit > 0:
        chunk = await store.read(user, after, min(limit, CHUNK))
        events = await resolve(store, [ref for _, ref in chunk])
        for (seq, _), event in zip(chunk, events, strict=True):
            entry = b'{"seq":%d,"event":%b}' % (seq, event)
            room -= len(entry) + 1
            if room < 0 and entries:
                return Slice(entries, last)
            entries.append(entry)
            last = seq
        if len(chunk) < min(limit, CHUNK) or last is None:
            break
        limit -= len(chunk)
        after = last
    return Slice(entries, last)


async def resolve(store: Store, found: list[bytes]) -> list[bytes]:
    """Turn references into events, with one look-up for all their messages."""
    places = [ref[1:] for ref in found if ref[:1] == refs.MESSAGE]
    if len(places) == len(found):
        texts = await store.messages(places)
        return [
            b'{"type":"message","message":%b}' % (text if text is not None else _gone(place))
            for place, text in zip(places, texts, strict=True)
        ]
    parsed = [refs.parse(ref) for ref in found]
    wanted = [place for _, place, _ in parsed if place]
    messages = iter(await store.messages(wanted))
    events = []
    for kind, place, data in parsed:
        if kind == refs.EVENT:
            events.append(data)
            continue
        text = next(messages)
        if kind == refs.MESSAGE:
            events.append(splice.message_event(text if text is not None else _gone(place)))
        else:
            events.append(splice.state_event(splice.with_last_message(data, text)))
    return events


def _gone(place: bytes) -> bytes:
    conversation, seq = refs.read_place(place)
    return splice.gone(quoted(conversation.decode()), seq)
