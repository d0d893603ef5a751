"""The outbox is the machine of section 5 of the protocol: every cell, and the laws over any interleaving."""

from collections import deque

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tideline.delivery.outbox import TABLE, Input, Outbox, Output, State

U, B, L = State.UNPOSITIONED, State.BEHIND, State.LIVE
NOTHING, PUSH, NOTIFY = Output.NOTHING, Output.PUSH, Output.NOTIFY

# Section 5, cell by cell: what the words say a connection becomes and is sent.
WORDS: dict[tuple[State, Input], tuple[State, Output, str]] = {
    (U, Input.PULL): (B, NOTHING, "the first pull leaves it"),
    (U, Input.POSITION_ERROR): (U, NOTHING, "after a pull that ended in a position error"),
    (U, Input.PAGE_MORE): (U, NOTHING, "a page answers a pull, which has left this state"),
    (U, Input.PAGE_LAST): (U, NOTHING, "a page answers a pull, which has left this state"),
    (U, Input.SNAPSHOT): (B, NOTHING, "so does a snapshot's response: behind and armed"),
    (U, Input.NEXT): (U, NOTHING, "neither push nor notify"),
    (U, Input.HELD): (U, NOTHING, "neither push nor notify"),
    (U, Input.OWN): (U, NOTHING, "`sent` moves position only when live"),
    (U, Input.OWN_APART): (U, NOTHING, "`sent` moves position only when live"),
    (B, Input.PULL): (B, NOTHING, "receiving a pull sets position and arms"),
    (B, Input.POSITION_ERROR): (U, NOTHING, "after a pull that ended in a position error"),
    (B, Input.PAGE_MORE): (B, NOTHING, "live exactly when position = head"),
    (B, Input.PAGE_LAST): (L, NOTHING, "live exactly when position = head"),
    (B, Input.SNAPSHOT): (B, NOTHING, "a snapshot on a positioned connection changes nothing"),
    (B, Input.NEXT): (B, NOTIFY, "a commit sends notify if armed, and disarms"),
    (B, Input.HELD): (B, NOTIFY, "a commit sends notify if armed, and disarms"),
    (B, Input.OWN): (B, NOTIFY, "`sent` delivers nothing, pages contain the entry"),
    (B, Input.OWN_APART): (B, NOTIFY, "`sent` delivers nothing, pages contain the entry"),
    (L, Input.PULL): (B, NOTHING, "receiving a pull sets position to its `after`"),
    (L, Input.POSITION_ERROR): (U, NOTHING, "after a pull that ended in a position error"),
    (L, Input.PAGE_MORE): (B, NOTIFY, "turning behind sends notify if armed"),
    (L, Input.PAGE_LAST): (L, NOTHING, "live exactly when position = head"),
    (L, Input.SNAPSHOT): (L, NOTHING, "a snapshot on a positioned connection changes nothing"),
    (L, Input.NEXT): (L, PUSH, "a commit is pushed, as a run, and position follows it"),
    (L, Input.HELD): (B, NOTIFY, "hint or a full buffer: turns behind, which sends notify if armed"),
    (L, Input.OWN): (L, NOTHING, "`sent` stands at its entry's place and moves position"),
    (L, Input.OWN_APART): (B, NOTIFY, "position < head, so behind"),
}


def test_the_table_is_total() -> None:
    assert {(state, each) for state, row in TABLE.items() for each in row} == {(s, i) for s in State for i in Input}
    assert WORDS.keys() == {(state, each) for state in State for each in Input}


@pytest.mark.parametrize("cell", WORDS, ids=lambda cell: f"{cell[0].name}-{cell[1].name}".lower())
def test_every_cell_is_what_section_5_says(cell: tuple[State, Input]) -> None:
    state, output, _ = WORDS[cell]
    assert TABLE[cell[0]][cell[1]] == (state, output)


def live(position: int, *, hint: bool = False) -> Outbox:
    outbox = Outbox(hint=hint)
    outbox.pull(position)
    assert outbox.page(None, position) is False
    assert outbox.state is L
    return outbox


def test_a_new_connection_is_told_nothing_before_it_has_a_position() -> None:
    outbox = Outbox()
    assert outbox.entries(1, 3, full=False) is NOTHING
    assert outbox.own(4, 4) is NOTHING
    assert outbox.state is U
    assert outbox.head == 4


def test_a_live_connection_is_pushed_what_follows_and_nothing_twice() -> None:
    outbox = live(5)
    assert outbox.entries(6, 8, full=False) is PUSH
    assert outbox.position == 8
    assert outbox.entries(7, 8, full=False) is NOTHING
    assert outbox.entries(9, 9, full=False) is PUSH
    assert outbox.state is L


def test_a_page_is_live_exactly_when_it_ends_at_the_head() -> None:
    outbox = Outbox()
    outbox.pull(0)
    assert outbox.page(10, 11) is True
    assert outbox.state is B
    outbox.pull(10)
    assert outbox.page(11, 11) is False
    assert outbox.state is L


def test_no_commit_falls_between_a_page_and_the_first_push() -> None:
    outbox = Outbox()
    outbox.pull(0)
    assert outbox.entries(3, 3, full=False) is NOTHING  # while the store is read: the page will tell
    assert outbox.page(2, 2) is True  # what was read is older than what was heard
    assert outbox.position == 2
    assert outbox.state is B


def test_there_is_at_most_one_notify_per_pull() -> None:
    outbox = live(0, hint=True)
    assert outbox.entries(1, 1, full=False) is NOTIFY
    assert outbox.entries(2, 2, full=False) is NOTHING
    assert outbox.own(3, 3) is NOTHING
    outbox.pull(0)
    outbox.page(3, 3)
    assert outbox.entries(4, 4, full=False) is NOTIFY
    assert outbox.entries(5, 5, full=False) is NOTHING


def test_what_is_committed_while_a_page_is_read_leaves_the_pull_its_notify() -> None:
    outbox = Outbox()
    outbox.pull(0)
    assert outbox.entries(1, 1, full=False) is NOTHING
    assert outbox.page(1, 1) is False  # the page brings it
    assert outbox.entries(2, 2, full=True) is NOTIFY


def test_a_full_buffer_turns_a_connection_behind_and_a_pull_brings_it_back() -> None:
    outbox = live(0)
    assert outbox.entries(1, 1, full=True) is NOTIFY
    assert outbox.state is B
    assert outbox.entries(2, 2, full=False) is NOTHING
    assert outbox.position == 0
    outbox.pull(0)
    outbox.page(2, 2)
    assert outbox.entries(3, 3, full=False) is PUSH


def test_a_hole_before_entries_turns_a_connection_behind() -> None:
    outbox = live(5)
    assert outbox.entries(7, 7, full=False) is NOTIFY
    assert (outbox.state, outbox.position, outbox.head) == (B, 5, 7)


def test_an_own_message_moves_the_position_only_when_it_follows() -> None:
    outbox = live(5)
    assert outbox.own(6, 6) is NOTHING
    assert (outbox.state, outbox.position) == (L, 6)
    assert outbox.own(8, 8) is NOTIFY
    assert (outbox.state, outbox.position) == (B, 6)


def test_an_own_message_that_a_page_has_brought_already_changes_nothing() -> None:
    outbox = Outbox()
    outbox.pull(0)
    outbox.page(3, 3)  # read from the store after the commit, before it was announced
    assert outbox.own(3, 3) is NOTHING
    assert outbox.state is L
    assert outbox.entries(4, 4, full=False) is PUSH


def test_a_position_error_makes_a_connection_unpositioned_and_a_snapshot_ends_that_armed() -> None:
    outbox = live(5)
    outbox.pull(99)
    outbox.position_error()
    assert outbox.state is U
    assert outbox.entries(6, 6, full=False) is NOTHING
    outbox.snapshot(4)
    assert (outbox.state, outbox.position) == (B, 4)
    assert outbox.entries(7, 7, full=False) is NOTIFY
    outbox.snapshot(7)  # positioned: changes nothing
    assert (outbox.state, outbox.position, outbox.armed) == (B, 4, False)


def test_a_hint_connection_is_live_when_nothing_is_owed_but_never_pushed_to() -> None:
    outbox = live(5, hint=True)
    assert outbox.own(6, 6) is NOTHING
    assert outbox.state is L
    assert outbox.entries(7, 7, full=False) is NOTIFY
    assert outbox.state is B


class Interleavings(RuleBasedStateMachine):
    """One connection, its device, and a store that announces what it has committed some time later."""

    hint = False

    def __init__(self) -> None:
        super().__init__()
        self.outbox = Outbox(hint=self.hint)
        self.committed = 0
        self.announcements: deque[tuple[int, list[bool]]] = deque()
        self.cursor: int | None = None
        """Up to where the device has everything, when it has read all that was sent to it."""
        self.known = 0
        """The highest number that it was told of."""
        self.asked = False
        """Whether it knows that it is to pull, whatever it was told."""
        self.reading: tuple[int, int] | None = None
        """A pull in the making: its ``after`` and ``limit``."""
        self.notifies_left = 0

    # the store

    @rule(own=st.lists(st.booleans(), min_size=1, max_size=4))
    def commit(self, own: list[bool]) -> None:
        self.announcements.append((self.committed + 1, own))
        self.committed += len(own)

    @rule(full=st.booleans())
    @precondition(lambda self: self.announcements)
    def announce(self, full: bool) -> None:
        first, own = self.announcements.popleft()
        if not any(own):
            self._others(first, first + len(own) - 1, full)
            return
        start = first
        for seq, mine in enumerate(own, first):
            if not mine:
                continue
            if start < seq:
                self._others(start, seq - 1, full)
            self._said(self.outbox.own(seq, seq))
            self._got(seq, seq)
            start = seq + 1
        if start < first + len(own):
            self._others(start, first + len(own) - 1, full)

    def _others(self, first: int, last: int, full: bool) -> None:
        output = self.outbox.entries(first, last, full=full)
        if output is PUSH:
            assert not self.hint
            assert not full
            assert self.cursor is not None
            assert first == self.cursor + 1, "a push continues what the device has"
            self._got(first, last)
        else:
            self._said(output)

    def _said(self, output: Output) -> None:
        if output is NOTIFY:
            assert self.notifies_left == 1, "at most one notify per pull"
            self.notifies_left = 0
            self.known = max(self.known, self.outbox.head)

    def _got(self, first: int, last: int) -> None:
        """Apply rules 1 to 3 of section 6 to an entry."""
        self.known = max(self.known, last)
        if self.cursor is not None and first <= self.cursor + 1:
            self.cursor = max(self.cursor, last)

    # the device

    @rule(data=st.data(), limit=st.integers(1, 5))
    @precondition(lambda self: self.reading is None and self.cursor is not None)
    def pull(self, data: st.DataObject, limit: int) -> None:
        assert self.cursor is not None
        after = data.draw(st.sampled_from([self.cursor, max(0, self.cursor - 1), 0]))
        self.outbox.pull(after)
        self.cursor = after
        self.notifies_left = 0
        self.reading = after, limit

    @rule(unseen=st.integers(0, 3))
    @precondition(lambda self: self.reading is not None)
    def page(self, unseen: int) -> None:
        """A page whose reading missed the last ``unseen`` commits."""
        assert self.reading is not None
        after, limit = self.reading
        head = max(after, self.committed - unseen)
        read = min(after + limit, head)
        last = read if read > after else None
        more = self.outbox.page(last, head)
        self.reading = None
        self.notifies_left = 1
        self.known = max(self.known, self.outbox.head)
        if last is not None:
            self._got(after + 1, last)
        assert more == (self.outbox.position < self.outbox.head)
        self.asked = more

    @rule()
    @precondition(lambda self: self.reading is not None)
    def position_error(self) -> None:
        self.outbox.position_error()
        self.reading = None
        self.cursor = None
        self.notifies_left = 0

    @rule(back=st.integers(0, 3))
    @precondition(lambda self: self.reading is None)
    def snapshot(self, back: int) -> None:
        cursor = max(0, self.committed - back)
        positioned = self.outbox.state is not U
        before = (self.outbox.state, self.outbox.position, self.outbox.armed)
        self.outbox.snapshot(cursor)
        if positioned:
            assert (self.outbox.state, self.outbox.position, self.outbox.armed) == before
            return
        self.notifies_left = 1
        self.cursor = cursor
        self.asked = True  # having taken a snapshot it pulls: section 6, rule 8

    # the laws

    @invariant()
    def a_position_is_what_the_device_has(self) -> None:
        if self.outbox.state is L:
            assert self.outbox.position == self.cursor

    @invariant()
    def unpositioned_is_what_has_no_cursor(self) -> None:
        assert (self.outbox.state is U) == (self.cursor is None)

    @invariant()
    def nothing_is_owed_silently(self) -> None:
        if self.cursor is None or self.reading is not None:
            return
        announced = self.announcements[0][0] - 1 if self.announcements else self.committed
        if self.cursor < announced:
            assert self.asked or self.known > self.cursor, "the device does not know that it is to pull"

    @invariant()
    def live_means_that_nothing_announced_is_owed(self) -> None:
        if self.outbox.state is L:
            announced = self.announcements[0][0] - 1 if self.announcements else self.committed
            assert self.outbox.position >= announced

    @invariant()
    def what_comes_next_is_told(self) -> None:
        """Whoever is behind without knowing of more can still be told: it is armed."""
        if self.outbox.state is B and self.reading is None and self.cursor is not None:
            assert self.outbox.armed or self.asked or self.known > self.cursor


class HintInterleavings(Interleavings):
    hint = True


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestHintInterleavings = HintInterleavings.TestCase
TestHintInterleavings.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
