"""How a device catches up and keeps up: rules 1 to 5 and 8 of the protocol's section 6.

Laws:

1. ``cursor`` moves over an entry only together with an :class:`~tideline.client.outputs.Apply` of it.
2. At most one pull or snapshot is in flight, and ``state`` says which; in ``behind`` there is none.
3. Nothing that failed, or led nowhere, is asked again at once.
4. A snapshot's states, its cursor and its epoch are taken over together or not at all.

``due`` is the time of the next request: in ``behind``, where None means that it waits for the consumer, and
in ``snapshot``, where None means that the request is in flight.
"""

from typing import Literal

from tideline.protocol import requests, responses
from tideline.protocol.errors import POSITION_ERRORS

from .flights import Asked
from .line import Line
from .outputs import Apply, Replace, Stage
from .position import Position

State = Literal["snapshot", "behind", "pulling", "live"]


class Sync:
    """The position of a device that is online."""

    def __init__(self, line: Line, position: Position) -> None:
        self.position = position
        self.state: State = "behind"
        self.flight: int | None = None
        self.paused = False
        self._line = line
        self._due: int | None = None
        self._failures = 0
        """Requests in a row that brought nothing."""
        self._reason = ""
        self._staged: tuple[int, str] | None = None
        """Cursor and epoch of the snapshot whose pages are being staged."""
        self._next: str | None = None

    def welcome(self, given: responses.Welcome) -> None:
        """Begin a connection: go on from the first page, or take a snapshot."""
        self._failures = 0
        reason = given.reset
        if self.position.cursor is None:
            reason = reason or "new_device"
        elif given.epoch != self.position.epoch:
            # Its position means nothing in another epoch, whatever the server thinks.
            reason = reason or "epoch_changed"
        if reason is not None:
            self._reset(reason, resume=self._staged is not None and self._staged[1] == given.epoch)
            return
        self._staged = self._next = None
        self.position.see(given.head)
        self._take(given.entries)
        self._settle(more=given.more)

    # Entries and heads.

    def push(self, given: responses.Push) -> None:
        """Apply pushed entries, or find a gap."""
        self.take(given.entries)

    def take(self, entries: list[responses.Entry]) -> None:
        """Apply entries by rules 1 to 3."""
        self._take(entries)
        if self.state == "live":
            self._settle()

    def head(self, head: int) -> None:
        """Learn that the timeline reaches up to ``head`` (rule 4; rule 8 while resynchronising)."""
        self.position.see(head)
        if self.state == "live":
            self._settle()

    def remember(self, given: responses.Push) -> None:
        """Note that entries exist: until resynchronised they mean nothing more (rule 8)."""
        for entry in given.entries:
            self.position.see(entry.seq)

    def page(self, given: responses.Page) -> None:
        """Apply a page, and pull again while there is more (rule 5)."""
        asked = self._line.flights.end(given.id, "pull")
        if given.epoch != self.position.epoch:
            if asked is not None:
                self._reset("epoch_changed")
            return
        before = self.position.cursor
        self.position.see(given.head)
        self._take(given.entries)
        if self.state == "live":
            self._settle()
        elif asked is not None and (self.state == "behind" or given.id == self.flight):
            self._flight_ends(given, asked, before)

    def _flight_ends(self, given: responses.Page, asked: Asked, before: int | None) -> None:
        """Go on at once, unless the page led nowhere; ``before``: the cursor before it."""
        overtaken = given.id == self.flight and asked.about != before  # Pushes were faster.
        if overtaken or self.paused or self.position.cursor != before:
            self.flight, self._failures = None, 0
            self._settle(more=given.more)
        elif asked.about != before:
            pass  # Late, and of no use any more.
        elif not (given.more or self.position.owed):
            self.flight = None
            self._settle()
        elif self.state == "pulling":
            self._pull_later()

    def _take(self, entries: list[responses.Entry]) -> None:
        taken = self.position.take(entries, hold=self.paused)
        if taken:
            assert self.position.cursor is not None
            assert self.position.epoch is not None
            self._line.put(Apply(entries=taken, cursor=self.position.cursor, epoch=self.position.epoch))

    def _settle(self, *, more: bool = False) -> None:
        """Be live, or pull what is missing: when nothing is in flight or has to wait."""
        if not (more or self.position.owed):
            self.state = "live"
            self._due, self._failures = None, 0
        elif self.paused:
            self.state = "behind"
            self._due = None
        else:
            self._pull()

    def _pull(self) -> None:
        after = self.position.cursor
        assert after is not None
        self.state = "pulling"
        self._due = None
        pull = requests.Pull(id=0, after=after, epoch=self.position.epoch, limit=self._line.policy.page)
        self.flight = self._line.ask("pull", pull, after)

    def _pull_later(self, retry_after: float | None = None) -> None:
        self.state = "behind"
        self.flight = None
        self._due = self._line.later(self._failures, retry_after)
        self._failures += 1

    # The reset: rule 8.

    def _reset(self, reason: str, *, resume: bool = False) -> None:
        """Take a snapshot; ``resume``: go on with the one that a lost connection interrupted."""
        self.position.forget()
        self.state = "snapshot"
        self.flight = None
        self._reason = reason
        if not resume:
            self._staged = self._next = None
        if self._failures == 0:
            self._ask_snapshot()
        else:  # A reset that the one before it didn't cure.
            self._due = self._line.later(self._failures)
        self._failures += 1

    def _ask_snapshot(self) -> None:
        self._due = None
        snapshot = requests.Snapshot(id=0, limit=self._line.policy.snapshot, next=self._next)
        self.flight = self._line.ask("snapshot", snapshot, self._next)

    def _snapshot_later(self, retry_after: float | None = None, *, again: bool = False) -> None:
        """Ask for the same page later; ``again``: for the first."""
        if again:
            self._staged = self._next = None
        self.flight = None
        self._due = self._line.later(self._failures, retry_after)
        self._failures += 1

    def stage(self, given: responses.SnapshotPage) -> None:
        """Keep a page aside; after the last one stand where the snapshot ends, and pull."""
        asked = self._line.flights.end(given.id, "snapshot")
        if asked is None or asked.about != self._next:
            return  # Repeated, or late and of no use any more.
        if self._staged not in (None, (given.cursor, given.epoch)):
            self._snapshot_later(again=True)
            return
        self._line.put(Stage(conversations=given.conversations, start=self._staged is None))
        self._staged, self._next = (given.cursor, given.epoch), given.next
        if given.next is not None:
            self._ask_snapshot()
            return
        self._staged = None
        self.position.move(given.cursor, given.epoch)
        messages: Literal["discard", "unverify"] = "unverify" if self._reason == "cursor_too_old" else "discard"
        self._line.put(Replace(cursor=given.cursor, epoch=given.epoch, reason=self._reason, messages=messages))
        if self.paused:
            self.state = "behind"
            self.flight = None
            self._due = self._line.now
        else:
            self._pull()

    # Failures: rule 7.

    def failed(self, asked: Asked, given: responses.Error) -> bool:
        """End a flight by an error; False: it would always fail so."""
        if asked.kind == "pull" and given.code in POSITION_ERRORS:
            if self.state != "snapshot":
                self._reset(given.code)
            return True
        if given.id != self.flight:
            return True  # Given up already.
        if asked.kind == "pull" and given.retry:
            self._pull_later(given.retry_after)
        elif given.retry:
            self._snapshot_later(given.retry_after)
        elif asked.kind == "snapshot" and asked.about is not None:
            self._snapshot_later(again=True)  # Its ``next`` is no longer usable.
        else:
            return False
        return True

    def unanswered(self, request: int) -> None:
        """End a flight that got no answer in time."""
        if request != self.flight:
            return
        if self.state == "pulling":
            self._pull_later()
        else:
            self._snapshot_later()

    def disconnected(self) -> None:
        """End the flight with the connection; what is stashed or staged stays good."""
        self.flight = self._due = None

    # Time and the consumer.

    def pause(self) -> None:
        """Apply and pull nothing more: the consumer is behind."""
        self.paused = True

    def resume(self, *, online: bool) -> None:
        """Go on with what was stashed, and pull what was dropped."""
        self.paused = False
        if self.position.cursor is None:
            return
        self._take([])
        if online and self.state == "behind":
            if self._due is None:
                self._settle()
            else:
                self.tick()

    def tick(self) -> None:
        """Ask what is due."""
        if self._due is None or self._line.now < self._due:
            return
        if self.state == "snapshot":
            self._ask_snapshot()
        elif not self.paused:
            self._pull()

    def wake(self) -> int | None:
        """Return when something is due (ms)."""
        return None if self.paused and self.state == "behind" else self._due
