"""An inbox per device: push, acknowledge, delete.

Every device of every receiver has an inbox of its own, with its own copy of the message (table ``i``). A message is
pushed to the devices that are connected, a device acknowledges what it has applied, and the acknowledgement deletes
the copy. What is not acknowledged within ``patience`` is pushed again, and at login a device gets all that its inbox
holds. Nothing is lost while the inbox lasts; but what was delivered is gone, and a device has an inbox only from its
first login on (table ``d``).

At most ``WINDOW`` messages are pushed and not acknowledged; a device over that is given its inbox in pages, as at
login, until it is empty.
"""

import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping, Sequence

from msgspec import Raw, Struct, field

from tideline_lab.frames import Ack, Down, Entry, Hello, Message, Push, Up, Welcome, encode_message
from tideline_lab.store import Store, number, read_number

from .model import PAGE, DeviceModel, Link, ServerModel

WINDOW = 1000
REMEMBERED = 10_000
"""Messages that a device remembers, to know one that is pushed again."""


class Session(Struct):
    """What the server keeps of a connection."""

    pushed: dict[int, float] = field(default_factory=dict)
    """What was pushed and is not acknowledged, and when to push it again."""
    last: int = 0
    """The last that was pushed."""
    draining: bool = True
    """Whether the device is still being given what its inbox held."""


class TraditionalServer(ServerModel):
    """Keeps the inboxes."""

    def __init__(
        self,
        store: Store,
        members: Mapping[str, Sequence[str]],
        patience: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(store, members, patience)
        self.clock = clock
        self.sessions: dict[Link, Session] = {}
        self.devices: defaultdict[str, list[str]] = defaultdict(list)
        for key, _ in store.scan(b"d", b"d", 10**9):
            user, _, device = key.decode().partition("\0")
            self.devices[user].append(device)
        self.fresh: defaultdict[str, list[Entry]] = defaultdict(list)
        self.last = 0

    def on_send(self, message: Message) -> None:
        """Put a copy into the inbox of every device of every member."""
        # An emptied inbox can't tell the last number, so numbers come from the clock, and grow whatever it does.
        self.last = message.number = max(self.last + 1, int(self.clock() * 1_000_000))
        content = encode_message(message)
        for user in self.members[message.conversation]:
            for device in self.devices[user]:
                self.store.put(_inbox(user, device) + number(self.last), content)
            self.fresh[user].append(Entry(self.last, Raw(content)))

    def on_commit(self, now: float) -> None:
        """Push to the devices that are connected and up to date."""
        fresh = dict(self.fresh)
        self.fresh.clear()
        for user, entries in fresh.items():
            ready = []
            for link in self.links[user]:
                session = self.sessions[link]
                session.draining = session.draining or len(session.pushed) + len(entries) > WINDOW
                if not session.draining:
                    self._note(session, entries, now)
                    ready.append(link)
            if ready:
                self.tell(ready, Push(entries))

    def on_connect(self, link: Link, hello: Hello, now: float) -> None:
        """Give the device an inbox if it has none, and begin to give what it holds."""
        if link.device not in self.devices[link.user]:
            self.devices[link.user].append(link.device)
            self.store.put(f"d{link.user}\0{link.device}".encode(), b"")
        session = self.sessions[link] = Session()
        self.tell([link], Welcome(self._page(link, session, now)))

    def on_disconnect(self, link: Link) -> None:
        """Forget what was pushed: the inbox still has it."""
        del self.sessions[link]

    def on_frame(self, link: Link, frame: Up, now: float) -> None:
        """Delete what is acknowledged; go on giving what the inbox holds."""
        assert isinstance(frame, Ack)
        session, inbox = self.sessions[link], _inbox(link.user, link.device)
        for seq in frame.seqs:
            if session.pushed.pop(seq, None) is not None:
                self.store.delete(inbox + number(seq))
        if session.draining and not session.pushed:
            entries = self._page(link, session, now)
            if entries:
                self.tell([link], Push(entries))

    def on_tick(self, now: float) -> None:
        """Push again what was not acknowledged in time."""
        for link, session in self.sessions.items():
            late = [seq for seq, due in session.pushed.items() if due <= now][:PAGE]
            if late:
                inbox = _inbox(link.user, link.device)
                copies = [(seq, self.store.get(inbox + number(seq))) for seq in late]
                entries = [Entry(seq, Raw(copy)) for seq, copy in copies if copy is not None]
                self._note(session, entries, now)
                self.tell([link], Push(entries))

    def _page(self, link: Link, session: Session, now: float) -> list[Entry]:
        inbox = _inbox(link.user, link.device)
        found = self.store.scan(inbox, inbox + number(session.last + 1), PAGE)
        entries = [Entry(read_number(seq), Raw(content)) for seq, content in found]
        session.draining = len(entries) == PAGE
        self._note(session, entries, now)
        return entries

    def _note(self, session: Session, entries: list[Entry], now: float) -> None:
        for entry in entries:
            session.pushed[entry.seq] = now + self.patience
        if entries:
            session.last = max(session.last, entries[-1].seq)


class TraditionalDevice(DeviceModel):
    """Applies what comes, as it comes, and acknowledges it."""

    def __init__(self, user: str, device: str, apply: Callable[[Raw], None]) -> None:
        super().__init__(user, device, apply)
        self.seen: OrderedDict[int, None] = OrderedDict()

    def on_frame(self, frame: Down) -> None:
        """Apply what was not seen before; acknowledge all of it."""
        if not isinstance(frame, Push | Welcome) or not frame.entries:
            return
        for entry in frame.entries:
            if entry.seq not in self.seen:
                self.apply(entry.message)
                self.seen[entry.seq] = None
                if len(self.seen) > REMEMBERED:
                    self.seen.popitem(last=False)
        self.send(Ack([entry.seq for entry in frame.entries]))


def _inbox(user: str, device: str) -> bytes:
    return f"i{user}\0{device}\0".encode()
