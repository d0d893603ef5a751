"""What a check finds: for each promise, how many things were looked at, how many break it, and some of those."""

from enum import Enum


class Promise(Enum):
    """What is promised of the data; in brackets the invariant of the design."""

    READABLE = "every record can be read"
    NUMBERS = "a sync timeline has the numbers 1 … head, or from where it is trimmed, without a hole [T1]"
    HEADS = "a sync timeline's head is its last entry [T1]"
    MESSAGES = "a conversation has the messages 1 … head, without a hole [T1]"
    DELIVERED = "every message is in the timeline of each of its members, once and in order [T3]"
    REFERENCES = "every entry is about something that is there, and that is its user's [T3]"
    MEMBERS = "members, their positions, their number and the index of memberships agree"
    SENDS = "an idempotency key leads to its sender's message [T4]"


PROMISES = tuple(Promise)
EXAMPLES = 10


class Report:
    """Counts, and at most ``examples`` sentences per promise on what breaks it."""

    def __init__(self, examples: int = EXAMPLES) -> None:
        self.checked = dict.fromkeys(PROMISES, 0)
        self.broken = dict.fromkeys(PROMISES, 0)
        self.examples: dict[Promise, list[str]] = {promise: [] for promise in PROMISES}
        self._limit = examples

    def count(self, promise: Promise, number: int = 1) -> None:
        """Say that so many things were looked at."""
        self.checked[promise] += number

    def found(self, promise: Promise, what: str, number: int = 1) -> None:
        """Say what is broken; ``number`` of things."""
        self.broken[promise] += number
        if len(self.examples[promise]) < self._limit:
            self.examples[promise].append(what)

    @property
    def sound(self) -> bool:
        """Whether nothing is broken."""
        return not any(self.broken.values())
