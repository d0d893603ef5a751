"""The outbox of a connection: a machine that decides what a connection is owed (protocol, section 5).

Laws:

1. A position never skips: what is pushed begins at ``position`` + 1.
2. There is at most one ``notify`` per pull: a pull arms, a notify disarms. It arms when its page enters the
   outgoing buffer: what is committed while the store is read is told by the page's ``more``, and a notify spent on
   it would leave none for the moment when the connection, live by then, turns behind.
3. No commit falls between a page and the first push: the machine hears of commits before its first read, and a
   page's place in the outgoing buffer is where ``position`` and the committed head are compared.
4. Nothing is ever owed silently: a connection that is not pushed to is told, or will pull.

Theory: the machine is a total table, state × input → next state and output. What an input is called already says
how it compares with ``position`` (:meth:`Outbox.entries` and the others classify); so the table has no conditions
but one, whether the connection is armed, and that is an output's business: ``NOTIFY`` is said only when armed.
"""

from enum import Enum, IntEnum, auto
from typing import Final, NamedTuple


class State(IntEnum):
    """What a connection is to its user's timeline."""

    UNPOSITIONED = auto()
    """It holds nothing that a push could continue: it takes a snapshot."""
    BEHIND = auto()
    """It is to pull."""
    LIVE = auto()
    """It has, or is being sent, everything up to the head."""


class Input(IntEnum):
    """What can happen to a connection."""

    PULL = auto()
    """It asks for what follows a position, which so becomes its own."""
    POSITION_ERROR = auto()
    """Its pull ended in ``epoch_changed``, ``cursor_ahead`` or ``cursor_too_old``."""
    PAGE_MORE = auto()
    """A page enters the outgoing buffer and the committed head is beyond it."""
    PAGE_LAST = auto()
    """A page enters the outgoing buffer and ends at the committed head."""
    SNAPSHOT = auto()
    """A snapshot's response enters the outgoing buffer."""
    NEXT = auto()
    """A commit brings entries that continue ``position``, and they can go out."""
    HELD = auto()
    """A commit brings entries that can't go out: ``hint`` delivery, a full buffer, or a hole before them."""
    OWN = auto()
    """A commit brings entries of this connection's own messages, and they continue ``position``."""
    OWN_APART = auto()
    """The same, but it does not continue ``position``."""


class Output(Enum):
    """What the gateway does about it, besides answering."""

    NOTHING = "nothing"
    PUSH = "push"
    NOTIFY = "notify"
    """Say ``notify`` if armed, and disarm."""


class Step(NamedTuple):
    """A cell of the table."""

    state: State
    output: Output = Output.NOTHING


_U, _B, _L = State.UNPOSITIONED, State.BEHIND, State.LIVE

TABLE: Final[dict[State, dict[Input, Step]]] = {
    _U: {
        Input.PULL: Step(_B),
        Input.POSITION_ERROR: Step(_U),
        # A page only answers a pull, which has left this state; a later position error wins over its page.
        Input.PAGE_MORE: Step(_U),
        Input.PAGE_LAST: Step(_U),
        Input.SNAPSHOT: Step(_B),
        Input.NEXT: Step(_U),
        Input.HELD: Step(_U),
        Input.OWN: Step(_U),
        Input.OWN_APART: Step(_U),
    },
    _B: {
        Input.PULL: Step(_B),
        Input.POSITION_ERROR: Step(_U),
        Input.PAGE_MORE: Step(_B),
        Input.PAGE_LAST: Step(_L),
        Input.SNAPSHOT: Step(_B),
        Input.NEXT: Step(_B, Output.NOTIFY),
        Input.HELD: Step(_B, Output.NOTIFY),
        # Its answer delivers nothing; a page will contain the entry, so there is something to pull.
        Input.OWN: Step(_B, Output.NOTIFY),
        Input.OWN_APART: Step(_B, Output.NOTIFY),
    },
    _L: {
        Input.PULL: Step(_B),
        Input.POSITION_ERROR: Step(_U),
        Input.PAGE_MORE: Step(_B, Output.NOTIFY),
        Input.PAGE_LAST: Step(_L),
        Input.SNAPSHOT: Step(_L),
        Input.NEXT: Step(_L, Output.PUSH),
        Input.HELD: Step(_B, Output.NOTIFY),
        Input.OWN: Step(_L),
        Input.OWN_APART: Step(_B, Output.NOTIFY),
    },
}


class Outbox:
    """What one connection is owed. Knows no socket and no clock."""

    __slots__ = ("armed", "head", "hint", "position", "state")

    def __init__(self, *, hint: bool = False) -> None:
        self.state = State.UNPOSITIONED
        self.position = 0
        """Up to here everything was delivered, or is in the outgoing buffer."""
        self.head = 0
        """The highest committed number that this connection has heard of."""
        self.armed = False
        self.hint = hint

    def pull(self, after: int) -> None:
        """Take a pull (or a hello with a usable cursor), before the store is read for it."""
        self.position = after
        self.armed = False
        self._step(Input.PULL)

    def position_error(self) -> None:
        """Take the answer that there is nothing after the position asked for."""
        self.armed = False
        self._step(Input.POSITION_ERROR)

    def page(self, last: int | None, head: int) -> bool:
        """Take a page that enters the outgoing buffer; return whether there is ``more``.

        ``last`` is the number of its last entry, None when it has none; ``head`` the head that was read with it.
        """
        if last is not None:
            self.position = last
        self.head = max(self.head, head)
        self.armed = True
        more = self.position < self.head
        self._step(Input.PAGE_MORE if more else Input.PAGE_LAST)
        return more

    def snapshot(self, cursor: int) -> None:
        """Take a snapshot's response that enters the outgoing buffer."""
        if self.state is State.UNPOSITIONED:
            self.position = cursor
            self.armed = True
        self._step(Input.SNAPSHOT)

    def entries(self, first: int, last: int, *, full: bool) -> Output:
        """Take committed entries of others; ``full`` says that the outgoing buffer is over its high-water mark.

        Returns ``PUSH`` (``position`` is then ``last``), ``NOTIFY``, or ``NOTHING``.
        """
        self.head = max(self.head, last)
        if last <= self.position:
            return Output.NOTHING  # heard of before
        deliverable = not (self.hint or full) and first == self.position + 1
        output = self._step(Input.NEXT if deliverable else Input.HELD)
        if output is Output.PUSH:
            self.position = last
        return output

    def own(self, first: int, last: int) -> Output:
        """Take committed entries of this connection's own messages, whose answers stand in for them."""
        self.head = max(self.head, last)
        if last <= self.position:
            return Output.NOTHING  # heard of before
        if first == self.position + 1 and self.state is State.LIVE:
            self.position = last
            return self._step(Input.OWN)
        return self._step(Input.OWN_APART)

    def _step(self, input_: Input) -> Output:
        self.state, output = TABLE[self.state][input_]
        if output is Output.NOTIFY:
            if not self.armed:
                return Output.NOTHING
            self.armed = False
        return output
