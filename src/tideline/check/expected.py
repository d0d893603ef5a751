"""Which messages a timeline must refer to, conversation by conversation: spans, and the next one of them."""

from tideline.timeline.contract import Span


class Expected:
    """Which of a conversation's messages a timeline must refer to next, and up to which without another look."""

    __slots__ = ("anything", "last", "loose", "next", "spans")

    def __init__(self, loose: bool) -> None:
        self.spans: list[Span] = []
        """Those that come later."""
        self.next = 1
        self.last = 0
        self.loose = loose
        """Whether the timeline is trimmed, and nothing of this conversation was seen yet: it may begin anywhere."""
        self.anything = False
        """Whether nobody knows what to expect."""

    def add(self, first: int, last: int) -> None:
        """Expect a span of messages, after those that are expected already."""
        if first <= last:
            self.spans.append(Span(first, last))
        self.turn()

    def turn(self) -> None:
        """Go on with the next span when this one is complete."""
        while self.next > self.last and self.spans:
            self.next, self.last = self.spans.pop(0)

    def missing_up_to(self, number: int) -> list[Span]:
        """Skip all that is expected before a message; return what was skipped."""
        skipped = []
        while self.next <= self.last and self.next < number:
            end = min(self.last, number - 1)
            skipped.append(Span(self.next, end))
            self.next = end + 1
            self.turn()
        return skipped
