"""Requests in flight: what waits for an answer, and since when (protocol, section 6, rule 7)."""

from typing import Literal, NamedTuple

Kind = Literal["hello", "pull", "snapshot", "ping", "renew", "send", "call"]


class Asked(NamedTuple):
    """A request that was sent: when (ms), and what its answer is for.

    ``about`` is a pull's ``after``, a snapshot's ``next``, a send's ``client_id`` or a call's key.
    """

    kind: Kind
    about: int | str | None
    at: int


class Flights:
    """The requests of one connection that have no answer yet, oldest first.

    One that is given up is still understood when its answer comes late: a slow server's work isn't lost.
    """

    def __init__(self, late: int) -> None:
        self._waiting: dict[int, Asked] = {}
        self._late: dict[int, Asked] = {}
        self._bound = late
        self._last = 0

    def begin(self, kind: Kind, about: int | str | None, now: int) -> int:
        """Return the id for a request that is being sent: higher than any before it."""
        self._last += 1
        self._waiting[self._last] = Asked(kind, about, now)
        return self._last

    def end(self, request: int | None, *kinds: Kind) -> Asked | None:
        """Return what an answer is for; None when it was answered already, or isn't one of those kinds."""
        if request is None:
            return None
        where = self._waiting if request in self._waiting else self._late
        asked = where.get(request)
        if asked is None or asked.kind not in kinds:
            return None
        return where.pop(request)

    def oldest(self) -> tuple[int, Asked] | None:
        """Return the request that waits longest."""
        return next(iter(self._waiting.items()), None)

    def give_up(self, request: int) -> None:
        """Stop waiting for an answer."""
        self._late[request] = self._waiting.pop(request)
        if len(self._late) > self._bound:
            del self._late[min(self._late)]

    def has(self, kind: Kind) -> bool:
        """Tell whether an answer to such a request is waited for."""
        return any(asked.kind == kind for asked in self._waiting.values())

    def clear(self) -> None:
        """Forget all of a connection that is gone. Ids are not used again."""
        self._waiting.clear()
        self._late.clear()
