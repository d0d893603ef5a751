"""Pull by polling: the baseline. The server says nothing by itself; every device asks, again and again."""

from .timeline import CursorDevice, TimelineServer


class PollingServer(TimelineServer):
    """Answers pulls, and that is all."""


class PollingDevice(CursorDevice):
    """Pulls an interval after its last pull."""

    def on_quiet(self) -> None:
        """Ask whether there is something new."""
        self.pull()
