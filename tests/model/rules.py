"""The rules that the model's world keeps, and the mistakes that it can be given instead.

A model that finds nothing has shown nothing until it has found what was put into it. Each of :data:`MISTAKES`
breaks one rule, and a test demands that the search finds it.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from tideline.client.flights import Asked
from tideline.client.position import Position
from tideline.client.sync import Sync
from tideline.delivery import engine
from tideline.delivery.outbox import Outbox, Output
from tideline.protocol import responses
from tideline.timeline.contract import Span


class Rules:
    """The rules as they are."""

    position: type[Position] = Position
    sync: type[Sync] = Sync
    outbox: type[Outbox] = Outbox
    apply_first = False
    """Entries and cursor are stored in two transactions, the entries first."""
    advance_first = False
    """The same, the cursor first."""
    push_early = False
    reuse_unknown = False
    skip_after_failure = False
    dedupe_stored = True
    dedupe_batch = True
    attach_late = False
    snapshot_cursor_late = False
    gives_up = True
    """A request without an answer is given up."""
    pings = True

    def judge(self, span: Span, epoch: str, after: int, theirs: str | None) -> str | None:
        return engine.judge(span, epoch, after, theirs)


# The device's rules.


class _AppliesAgain(Position):
    def take(self, entries: Iterable[responses.Entry], *, hold: bool = False) -> list[responses.Entry]:
        taken = []
        for entry in entries:
            if self.cursor is not None and entry.seq <= self.cursor:
                taken.append(entry)
            else:
                taken += super().take([entry], hold=hold)
        return taken


class _JumpsGaps(Position):
    def take(self, entries: Iterable[responses.Entry], *, hold: bool = False) -> list[responses.Entry]:
        taken = [entry for entry in entries if self.cursor is None or entry.seq > self.cursor]
        for entry in taken:
            self.see(entry.seq)
            self.cursor = entry.seq
        return taken


class _IgnoresGaps(Position):
    def take(self, entries: Iterable[responses.Entry], *, hold: bool = False) -> list[responses.Entry]:
        known = self.known_head
        taken = super().take(entries, hold=hold)
        self.known_head = max(known, self.cursor or 0)
        return taken


class _ForgetsDropped(Position):
    """What the stash drops is not remembered."""

    def take(self, entries: Iterable[responses.Entry], *, hold: bool = False) -> list[responses.Entry]:
        known = self.known_head
        taken = super().take(entries, hold=hold)
        self.known_head = max([known, self.cursor or 0, *self.stash])
        return taken


class _KeepsStash(Position):
    def forget(self) -> None:
        self.known_head = 0


class _DeafToHeads(Sync):
    def head(self, head: int) -> None:
        pass


class _OnePage(Sync):
    """A page is the end of a pull, whatever it says."""

    def _settle(self, *, more: bool = False) -> None:
        if self.state == "pulling":
            self.flight = None
            self.state = "live"
        else:
            super()._settle(more=more)


class _EndlessFlight(Sync):
    def _flight_ends(self, given: responses.Page, asked: Asked, before: int | None) -> None:
        pass


class _AdoptsEpoch(Sync):
    """An epoch without its position."""

    def _reset(self, reason: str, *, resume: bool = False) -> None:
        if reason == "epoch_changed" and self.position.cursor is not None:
            self.position.epoch = "e1" if self.position.epoch == "e0" else "e2"
            self.state = "behind"
            self._pull()
        else:
            super()._reset(reason, resume=resume)


class _ForgetsEpoch(Sync):
    """A position is believed whatever epoch it is of."""

    def welcome(self, given: responses.Welcome) -> None:
        given.epoch = self.position.epoch or given.epoch
        super().welcome(given)


# The connection's rules.


class _NeverArms(Outbox):
    def pull(self, after: int) -> None:
        super().pull(after)
        self.armed = False

    def page(self, last: int | None, head: int) -> bool:
        more = super().page(last, head)
        self.armed = False
        return more


class _Unheard(Outbox):
    """A page is compared with the head that was read for it, not with the one committed since."""

    def page(self, last: int | None, head: int) -> bool:
        self.head = head
        return super().page(last, head)


class _TellsNobody(Outbox):
    """A full buffer drops the entries and says nothing."""

    def entries(self, first: int, last: int, *, full: bool) -> Output:
        if full:
            return Output.NOTHING
        return super().entries(first, last, full=full)


class _Blind(Rules):
    def judge(self, span: Span, epoch: str, after: int, theirs: str | None) -> str | None:
        reason = super().judge(span, epoch, after, theirs)
        return None if reason == "cursor_too_old" else reason


class _AnyEpoch(Rules):
    def judge(self, span: Span, epoch: str, after: int, theirs: str | None) -> str | None:
        return super().judge(span, epoch, min(after, span.head), epoch)


def _any_epoch() -> Rules:
    rules = _AnyEpoch()
    rules.sync = _ForgetsEpoch
    return rules


def _with(**changed: Any) -> Callable[[], Rules]:
    def make() -> Rules:
        rules = Rules()
        for name, value in changed.items():
            setattr(rules, name, value)
        return rules

    return make


MISTAKES: Final[dict[str, tuple[str, Callable[[], Rules]]]] = {
    "rule 1 is dropped: an entry is applied again": ("network", _with(position=_AppliesAgain)),
    "rule 2 is loosened: a gap is jumped": ("network", _with(position=_JumpsGaps)),
    "rule 3 is dropped: a gap is seen and not pulled": ("network", _with(position=_IgnoresGaps)),
    "rule 3 without memory: what the stash drops is forgotten": ("overflow", _with(position=_ForgetsDropped)),
    "rule 4 is dropped: a head is heard and not pulled": ("quiet", _with(sync=_DeafToHeads)),
    "rule 5 is dropped: a page is the end of a pull": ("network", _with(sync=_OnePage)),
    "rule 5 is dropped: a page does not end the flight": ("network", _with(sync=_EndlessFlight)),
    "rule 7 is dropped: an answer is waited for without end": ("network", _with(gives_up=False)),
    "rule 8 is loosened: an epoch without its position": ("resets", _with(sync=_AdoptsEpoch)),
    "rule 8 is loosened: the stash survives a reset": ("resets", _with(position=_KeepsStash)),
    "rule 8 is loosened: an epoch is not compared": ("resets", _any_epoch),
    "the cursor is stored before the entries": ("network", _with(advance_first=True)),
    "the entries are stored before the cursor": ("network", _with(apply_first=True)),
    "nobody pings: a lost last push is never noticed": ("network", _with(pings=False)),
    "a pull does not arm": ("quiet", _with(outbox=_NeverArms)),
    "a page does not count what was committed while it was read": ("quiet", _with(outbox=_Unheard)),
    "a full buffer drops entries and says nothing": ("quiet", _with(outbox=_TellsNobody)),
    "a connection hears of commits only after its first read": ("quiet", _with(attach_late=True)),
    "a trimmed timeline is read as if it were whole": ("resets", _Blind),
    "a snapshot's cursor is read after its states": ("resets", _with(snapshot_cursor_late=True)),
    "entries are pushed before their commit": ("commits", _with(push_early=True)),
    "a number is used again after a commit of unknown outcome": ("commits", _with(reuse_unknown=True)),
    "numbers of a failed commit are skipped": ("commits", _with(skip_after_failure=True)),
    "a resend is stored again": ("sends", _with(dedupe_stored=False)),
    "a resend is stored again if both are in one batch": ("sends", _with(dedupe_batch=False)),
}
"""What is wrong: the scope of the search that finds it, and the rules with it."""
