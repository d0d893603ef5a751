"""What ought to have been applied, and what was: every message, on every device."""

from msgspec import Raw

from .frames import decode_message


class Log:
    """What one device applied, in the order in which it did."""

    def __init__(self) -> None:
        self.owed: dict[int, float] = {}
        """Messages sent since the device first logged in, and when; what is sent before is owed to no one."""
        self.applied: dict[int, float] = {}
        self.remaining = 0
        """Messages owed and not applied."""
        self.doubled = 0
        self.disorder = 0
        """Messages applied after a later one of their conversation."""
        self._latest: dict[str, int] = {}

    def owe(self, message: int, now: float) -> None:
        """Note that a message is sent which this device has to get."""
        self.owed[message] = now
        self.remaining += 1

    def apply(self, text: Raw, now: float) -> None:
        """Note that the device applies a message."""
        message = decode_message(text)
        if message.id in self.applied:
            self.doubled += 1
            return
        self.applied[message.id] = now
        if message.id in self.owed:
            self.remaining -= 1
        latest = self._latest.get(message.conversation, 0)
        if message.number < latest:
            self.disorder += 1
        else:
            self._latest[message.conversation] = message.number

    def waits(self) -> list[float]:
        """Return the times from send to applied of what was owed and came, in seconds."""
        return [self.applied[id_] - sent for id_, sent in self.owed.items() if id_ in self.applied]


def percentile(values: list[float], share: float) -> float | None:
    """Return the smallest value that this share of all values (sorted) does not exceed; None of nothing."""
    return values[max(0, -int(-len(values) * share // 1) - 1)] if values else None
