"""The requests that read: history, snapshot, members (protocol, section 4)."""

import base64
from collections.abc import Sequence
from typing import Any

import msgspec

from tideline.protocol import splice
from tideline.protocol.errors import RequestError, bad_request
from tideline.protocol.limits import Limits
from tideline.protocol.names import kind_of, parties
from tideline.protocol.requests import History, Members, Snapshot
from tideline.timeline import refs
from tideline.timeline.bounded import Bounded
from tideline.timeline.contract import Membership, Store
from tideline.timeline.records import first_readable

from .plan import quoted
from .states import last_place, state_json

_encode = msgspec.json.Encoder().encode
_OVERHEAD = 512
"""Bytes of a response that are no items."""
_ORDERS = 100_000
"""Conversations whose order is remembered between the pages of snapshots."""


class _Spoken(msgspec.Struct):
    """What any event says of the conversation that it is about."""

    conversation: str | None = None


_spoken = msgspec.json.Decoder(_Spoken).decode


class Queries:
    """Answers what a user asks, from one app's store."""

    def __init__(self, store: Store, limits: Limits) -> None:
        self._store = store
        self._limits = limits
        self._orders: Bounded[tuple[str, int], list[tuple[int, str]]] = Bounded(_ORDERS, lambda order: 1 + len(order))

    async def history(self, user: str, request: History, id: int | None) -> bytes:
        """Answer by a part of a conversation's message timeline, ascending.

        Raises:
            RequestError: ``forbidden``, or ``bad_request`` for both ``before`` and ``after``.
        """
        id_ = request.conversation
        if request.before is not None and request.after is not None:
            raise bad_request("`before` and `after` exclude each other")
        found = await self._membership(user, id_)
        if found is None:
            return splice.messages(id, quoted(id_), [], 0, 1, False)
        conversation, member = found
        head, first = conversation.head, first_readable(conversation, member)
        limit = min(request.limit, self._limits.history)
        backwards = request.after is None
        low = first if backwards else max(first, (request.after or 0) + 1)
        high = head if request.before is None else min(head, request.before - 1)
        pairs = await self._store.history(id_, low, high, limit, backwards=backwards)
        texts, more = self._fit([text for _, text in (reversed(pairs) if backwards else pairs)])
        if not more and len(pairs) == limit:
            more = pairs[0][0] > low if backwards else pairs[-1][0] < high
        return splice.messages(id, quoted(id_), texts[::-1] if backwards else texts, head, first, more)

    async def members(self, user: str, request: Members, id: int | None) -> bytes:
        """Answer by the members of a conversation, the longest-standing first."""
        if await self._membership(user, request.conversation) is None:
            return b'%b"members":[],"next":null}' % splice.answer(b"members", id)
        room = await self._store.room(request.conversation)
        assert room is not None
        after = -1
        if request.next is not None:
            (after,) = _read_token(request.next, int)
        ordered = sorted(room.members.items(), key=lambda item: item[1].ordinal)
        rest = [(name, member) for name, member in ordered if member.ordinal > after]
        page = rest[: min(request.limit, self._limits.group_members)]
        infos, _ = self._fit(
            [_encode({"user": name, "role": member.role, "joined": member.joined}) for name, member in page]
        )
        more = len(infos) < len(rest)
        next_ = _encode(_token(page[len(infos) - 1][1].ordinal) if more else None)
        return b'%b"members":[%b],"next":%b}' % (splice.answer(b"members", id), b",".join(infos), next_)

    async def snapshot(self, user: str, request: Snapshot, id: int | None) -> tuple[bytes, int]:
        """Answer by states of conversations; also return the cursor that the snapshot began at.

        First all conversations by latest activity, which may move to the front while pages are read; then those
        that entries after the cursor speak of, which catches what moved.
        """
        limit = min(request.limit, self._limits.snapshot)
        next_: str | None
        if request.next is None:
            cursor, at, before = (await self._store.span(user)).head, -1, None
        else:
            epoch, cursor, at, time, name = _read_token(request.next, str, int, int, int, str)
            before = (time, name)
            if epoch != self._store.epoch:
                raise bad_request("`next` is of another epoch: start again")
            first, head = await self._store.span(user)
            if not first - 1 <= cursor <= head or not (at == -1 or cursor <= at <= head):
                raise bad_request("`next` is not usable any more: start again")
        if at < 0:
            order = await self._order(user, cursor, again=before is None)
            rest = [item for item in order if before is None or (-item[0], item[1]) > (-before[0], before[1])]
            states = await self._states(user, [name for _, name in rest[:limit]])
            states, cut = self._fit(states)
            taken = rest[: len(states)] if cut else rest[:limit]
            if len(taken) < len(rest):
                next_ = _token(self._store.epoch, cursor, -1, *taken[-1])
            else:
                moved = (await self._store.span(user)).head > cursor
                next_ = _token(self._store.epoch, cursor, cursor, 0, "") if moved else None
        else:
            found = await self._store.read(user, at, limit)
            states, cut = self._fit(await self._states(user, _spoken_of([ref for _, ref in found])))
            if cut:  # fewer entries, so fewer conversations, fit
                found = found[: len(states)]
            at = found[-1][0] if found else at
            more = bool(found) and (await self._store.span(user)).head > at
            next_ = _token(self._store.epoch, cursor, at, 0, "") if more else None
        return splice.snapshot(id, cursor, quoted(self._store.epoch), states, _encode(next_)), cursor

    async def receivers(self, user: str, conversation: str) -> list[str]:
        """Return the other members of a conversation: whom a signal is for; none if the user is no member."""
        room = await self._store.room(conversation)
        if room is None:
            users = parties(conversation) if kind_of(conversation) == "direct" else ()
            return [name for name in users if name != user] if user in users else []
        return [name for name in room.members if name != user] if user in room.members else []

    async def _membership(self, user: str, conversation: str) -> Membership | None:
        """Return a membership; None for a party of a direct conversation that was never used.

        Raises:
            RequestError: ``forbidden`` for everyone else who is no member, ``bad_request`` for what is no id.
        """
        if kind_of(conversation) is None:
            raise bad_request("`conversation` is no valid id")
        (found,) = await self._store.memberships(user, [conversation])
        if found is None and not (kind_of(conversation) == "direct" and user in parties(conversation)):
            raise RequestError("forbidden", f"not a member of {conversation}")
        return found

    async def _order(self, user: str, cursor: int, *, again: bool) -> list[tuple[int, str]]:
        """Return (time of latest activity, conversation), latest first: the same for all pages if it can be."""
        key = (user, cursor)
        order = None if again else self._orders.get(key)
        if order is None:
            names = await self._store.conversations(user)
            found = await self._store.memberships(user, names)
            order = [(each.conversation.time, each.conversation.id) for each in found if each is not None]
            order.sort(key=lambda item: (-item[0], item[1]))
            self._orders.put(key, order)
        return order

    async def _states(self, user: str, names: Sequence[str]) -> list[bytes]:
        found = [each for each in await self._store.memberships(user, names) if each is not None]
        messages = await self._store.messages([last_place(*each) for each in found])
        return [
            splice.with_last_message(state_json(*each, user), message)
            for each, message in zip(found, messages, strict=True)
        ]

    def _fit(self, texts: list[bytes]) -> tuple[list[bytes], bool]:
        """Return as many as ``page_bytes`` allows, at least one, and whether that left some out."""
        room = self._limits.page_bytes - _OVERHEAD
        for count, text in enumerate(texts):
            room -= len(text) + 1
            if room < 0 and count:
                return texts[:count], True
        return texts, False


def _spoken_of(found: list[bytes]) -> list[str]:
    """Return the conversations that entries speak of, each once."""
    names: dict[str, None] = {}
    for ref in found:
        _, place, data = refs.parse(ref)
        name = refs.read_place(place)[0].decode() if place else _spoken(data).conversation
        if name is not None:
            names[name] = None
    return list(names)


def _token(*parts: str | int) -> str:
    """Encode where a listing goes on."""
    return base64.urlsafe_b64encode(_encode(parts)).decode().rstrip("=")


def _read_token(token: str, *types: type) -> tuple[Any, ...]:
    """Decode where a listing goes on.

    Raises:
        RequestError: ``bad_request`` if the server did not make it.
    """
    try:
        parts = msgspec.json.decode(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        if isinstance(parts, list) and [type(part) for part in parts] == list(types):
            return tuple(parts)
    except (ValueError, msgspec.DecodeError, UnicodeDecodeError):
        pass
    raise bad_request("`next` is not usable: start again")
