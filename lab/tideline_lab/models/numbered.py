"""Numbered pushes: the message itself is pushed with its number, and the device calculates whether it has to pull.

The numbers of a timeline have no holes, so a push whose number is the cursor + 1 is applied at once: no request, no
acknowledgement. Any other number says that something was missed: the device keeps what it got and pulls the rest.
The server pushes to a device that is level with the timeline and only hints to one that is behind (the product's
own outbox decides).
"""

from collections.abc import Callable, Mapping, Sequence

from msgspec import Raw

from tideline.delivery.outbox import Outbox, Output
from tideline_lab.frames import Down, Entry, Hello, Notify, Pull, Push, Up
from tideline_lab.store import Store

from .model import PAGE, Link
from .timeline import CursorDevice, TimelineServer


class NumberedServer(TimelineServer):
    """Pushes entries with their numbers."""

    def __init__(self, store: Store, members: Mapping[str, Sequence[str]], patience: float) -> None:
        super().__init__(store, members, patience)
        self.outboxes: dict[Link, Outbox] = {}

    def announce(self, user: str, run: list[Entry]) -> None:
        """Push the run to devices that are level, hint to those that are behind."""
        first, last = run[0].seq, run[-1].seq
        told: dict[Output, list[Link]] = {Output.PUSH: [], Output.NOTIFY: [], Output.NOTHING: []}
        for link in self.links[user]:
            told[self.outboxes[link].entries(first, last, full=False)].append(link)
        if told[Output.PUSH]:
            self.tell(told[Output.PUSH], Push(run))
        if told[Output.NOTIFY]:
            self.tell(told[Output.NOTIFY], Notify(last))

    def on_connect(self, link: Link, hello: Hello, now: float) -> None:
        """Take the device's cursor."""
        self.outboxes[link] = Outbox()
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
        """Note that a page is sent: it is where pushes go on."""
        return self.outboxes[link].page(entries[-1].seq if entries else None, head)


class NumberedDevice(CursorDevice):
    """Applies what is next, stashes what is further, and pulls only over a gap."""

    def __init__(self, user: str, device: str, apply: Callable[[Raw], None]) -> None:
        super().__init__(user, device, apply)
        self.stash: dict[int, Entry] = {}

    def on_frame(self, frame: Down) -> None:
        """Take pushes, and the head that a hint tells."""
        if isinstance(frame, Push):
            self.known_head = max(self.known_head, frame.entries[-1].seq)
            for entry in frame.entries:
                self.take(entry)
            self.settled()
        elif isinstance(frame, Notify):
            self.known_head = max(self.known_head, frame.head)
        super().on_frame(frame)

    def take(self, entry: Entry) -> None:
        """Apply the entry that is next, stash one that is further (over the bound it is dropped: it can be pulled)."""
        if entry.seq > self.cursor + 1 and len(self.stash) < PAGE:
            self.stash[entry.seq] = entry
        else:
            super().take(entry)

    def settled(self) -> None:
        """Apply what the stash continues, drop what was applied meanwhile."""
        while (entry := self.stash.pop(self.cursor + 1, None)) is not None:
            super().take(entry)
        if self.stash:
            self.stash = {seq: entry for seq, entry in self.stash.items() if seq > self.cursor}
