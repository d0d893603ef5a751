"""Push a hint, pull the message: only pulls deliver, so the cursor is never in doubt.

At most one hint per pull: a pull arms, a hint disarms (the product's own outbox decides, in its ``hint`` delivery).
A device that was told pulls; a hint that is lost is made good by the head in the next pong.
"""

from collections.abc import Mapping, Sequence

from tideline.delivery.outbox import Outbox, Output
from tideline_lab.frames import Down, Entry, Hello, Notify, Pull, Up
from tideline_lab.store import Store

from .model import Link
from .timeline import CursorDevice, TimelineServer


class HintServer(TimelineServer):
    """Tells devices that there is something new, never what."""

    def __init__(self, store: Store, members: Mapping[str, Sequence[str]], patience: float) -> None:
        super().__init__(store, members, patience)
        self.outboxes: dict[Link, Outbox] = {}

    def announce(self, user: str, run: list[Entry]) -> None:
        """Send a hint to every device that has pulled since its last one."""
        first, last = run[0].seq, run[-1].seq
        told = [
            link for link in self.links[user] if self.outboxes[link].entries(first, last, full=False) is Output.NOTIFY
        ]
        if told:
            self.tell(told, Notify(last))

    def on_connect(self, link: Link, hello: Hello, now: float) -> None:
        """Take the device's cursor."""
        self.outboxes[link] = Outbox(hint=True)
        self.outboxes[link].pull(hello.cursor)
        super().on_connect(link, hello, now)

    def on_disconnect(self, link: Link) -> None:
        """Forget the connection's position."""
        del self.outboxes[link]

    def on_frame(self, link: Link, frame: Up, now: float) -> None:
        """Take the device's cursor, and answer."""
        if isinstance(frame, Pull):
            self.outboxes[link].pull(frame.after)
        super().on_frame(link, frame, now)

    def paged(self, link: Link, after: int, entries: list[Entry], head: int) -> bool:
        """Note that a page is sent."""
        return self.outboxes[link].page(entries[-1].seq if entries else None, head)


class HintDevice(CursorDevice):
    """Pulls when it is told that there is something."""

    def on_frame(self, frame: Down) -> None:
        """Remember the head that a hint tells."""
        if isinstance(frame, Notify):
            self.known_head = max(self.known_head, frame.head)
        super().on_frame(frame)
