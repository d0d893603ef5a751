"""The timeline, which three of the models share: store first, then every device pulls from its own cursor.

Two stores: every message once, by conversation (table ``m``), and for every user a timeline of references (table
``e``), numbered 1, 2, 3 … without holes, from which all devices of that user read. The server keeps nothing per
device. The three models differ only in how a device comes to know that it should read.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from msgspec import Raw

from tideline_lab.frames import Down, Entry, Hello, Message, Page, Pong, Pull, Up, Welcome, encode_message
from tideline_lab.store import Store, number, read_number

from .model import PAGE, DeviceModel, Link, ServerModel


class Heads(dict[bytes, int]):
    """The highest number of each timeline; read from the timeline's tail when first asked for."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._store = store

    def __missing__(self, timeline: bytes) -> int:
        tail = self._store.last(timeline)
        self[timeline] = 0 if tail is None else read_number(tail)
        return self[timeline]


class TimelineServer(ServerModel):
    """Stores messages and references, and answers pulls."""

    def __init__(self, store: Store, members: Mapping[str, Sequence[str]], patience: float) -> None:
        super().__init__(store, members, patience)
        self.heads = Heads(store)
        self.runs: defaultdict[str, list[Entry]] = defaultdict(list)
        """What the batch brings to each user: consecutive entries."""

    def head(self, user: str) -> int:
        """Return the head of a user's timeline."""
        return self.heads[_timeline(user)]

    def on_send(self, message: Message) -> None:
        """Store the content once, and a reference in the timeline of every member."""
        conversation = b"m%b\0" % message.conversation.encode()
        self.heads[conversation] = message.number = self.heads[conversation] + 1
        place = conversation + number(message.number)
        content = encode_message(message)
        self.store.put(place, content)
        for user in self.members[message.conversation]:
            timeline = _timeline(user)
            self.heads[timeline] = seq = self.heads[timeline] + 1
            self.store.put(timeline + number(seq), place)
            self.runs[user].append(Entry(seq, Raw(content)))

    def on_commit(self, now: float) -> None:
        """Tell the devices of each run."""
        runs = dict(self.runs)
        self.runs.clear()
        for user, run in runs.items():
            self.announce(user, run)

    def announce(self, user: str, run: list[Entry]) -> None:
        """Tell a user's devices of new entries: the models differ here."""

    def read(self, user: str, after: int) -> list[Entry]:
        """Read entries after a cursor, with the messages they refer to."""
        timeline = _timeline(user)
        references = list(self.store.scan(timeline, timeline + number(after + 1), PAGE))
        return [Entry(read_number(seq), Raw(self.store.get(place) or b"null")) for seq, place in references]

    def on_connect(self, link: Link, hello: Hello, now: float) -> None:
        """Welcome a device with what follows its cursor."""
        entries, head = self.read(link.user, hello.cursor), self.head(link.user)
        more = self.paged(link, hello.cursor, entries, head)
        self.tell([link], Welcome(entries, head, more))

    def on_frame(self, link: Link, frame: Up, now: float) -> None:
        """Answer a pull."""
        assert isinstance(frame, Pull)
        entries, head = self.read(link.user, frame.after), self.head(link.user)
        more = self.paged(link, frame.after, entries, head)
        self.tell([link], Page(entries, head, more))

    def paged(self, link: Link, after: int, entries: list[Entry], head: int) -> bool:
        """Note that a page is sent; return whether there is more."""
        return (entries[-1].seq if entries else after) < head


class CursorDevice(DeviceModel):
    """A device that is a cursor into its user's timeline: what it applies, it applies in order and once."""

    def __init__(self, user: str, device: str, apply: Callable[[Raw], None]) -> None:
        super().__init__(user, device, apply)
        self.cursor = 0
        self.known_head = 0
        """The highest number heard of."""
        self.in_flight = False
        """Whether an answer with entries is awaited: there is never more than one."""

    @property
    def idle(self) -> bool:
        """Whether the cursor has reached everything heard of."""
        return not self.in_flight and self.cursor >= self.known_head

    def hello(self) -> Hello:
        """Begin a connection at the cursor: its answer is the first page."""
        self.in_flight = True
        return Hello(self.user, self.device, self.cursor)

    def on_frame(self, frame: Down) -> None:
        """Take a page, or the head that a pong tells."""
        if isinstance(frame, Welcome | Page):
            self.in_flight = False
            self.known_head = max(self.known_head, frame.head)
            for entry in frame.entries:
                self.take(entry)
            self.settled()
        elif isinstance(frame, Pong):
            self.known_head = max(self.known_head, frame.head)
        self.catch_up()

    def take(self, entry: Entry) -> None:
        """Apply the entry that is next, drop one that was applied before."""
        if entry.seq == self.cursor + 1:
            self.apply(entry.message)
            self.cursor = entry.seq

    def settled(self) -> None:
        """Use what a page has made usable."""

    def catch_up(self) -> None:
        """Pull, if the cursor has not reached everything heard of."""
        if self.cursor < self.known_head:
            self.pull()

    def pull(self) -> None:
        """Pull what follows the cursor, unless an answer is awaited."""
        if not self.in_flight:
            self.in_flight = True
            self.send(Pull(self.cursor))


def _timeline(user: str) -> bytes:
    return b"e%b\0" % user.encode()
