"""What a model is to the lab: a server side and a device side, neither of which knows a socket or a clock.

The server calls, in this order and never interleaved, ``on_send`` for every message of a batch, commits, and calls
``on_commit``: nothing is told to anyone before it is on the disk. What a model puts and deletes at other times goes
into the same batch.
"""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from msgspec import Raw

from tideline_lab.frames import Down, Hello, Message, Ping, Up, encode
from tideline_lab.store import Store

PAGE = 200
"""Messages given at a time to a device that catches up, in all models."""


class Link(Protocol):
    """A connected device, as the server sees it."""

    user: str
    device: str

    def write(self, frame: Down, text: bytes) -> None:
        """Send a frame that is encoded already."""


class ServerModel(ABC):
    """The server of one model. Times are seconds of one clock, handed in."""

    def __init__(self, store: Store, members: Mapping[str, Sequence[str]], patience: float) -> None:
        self.store = store
        self.members = members
        self.patience = patience
        """Seconds after which what was not acknowledged is pushed again, where a model has that."""
        self.links: defaultdict[str, list[Link]] = defaultdict(list)

    def tell(self, links: Iterable[Link], frame: Down) -> None:
        """Send a frame to some devices; its bytes are made once."""
        text = encode(frame)
        for link in links:
            link.write(frame, text)

    def connect(self, link: Link, hello: Hello, now: float) -> None:
        """Take a device that has said hello, and welcome it."""
        self.links[link.user].append(link)
        self.on_connect(link, hello, now)

    def disconnect(self, link: Link) -> None:
        """Forget a connection."""
        self.links[link.user].remove(link)
        self.on_disconnect(link)

    def head(self, user: str) -> int:
        """Return the head of a user's timeline, for a ``pong``; 0 in a model without timelines."""
        return 0

    @abstractmethod
    def on_connect(self, link: Link, hello: Hello, now: float) -> None:
        """Welcome a device."""

    def on_disconnect(self, link: Link) -> None:  # noqa: B027 - most models keep nothing
        """Drop what is kept of a connection."""

    @abstractmethod
    def on_send(self, message: Message) -> None:
        """Number a message and store it; what is put here is not committed yet."""

    @abstractmethod
    def on_commit(self, now: float) -> None:
        """Tell the devices of what was stored since the last commit."""

    @abstractmethod
    def on_frame(self, link: Link, frame: Up, now: float) -> None:
        """Take a pull or an acknowledgement."""

    def on_tick(self, now: float) -> None:  # noqa: B027 - most models owe nothing to time
        """Do what time demands; called a few times per ``patience``."""


class DeviceModel(ABC):
    """The device of one model. It lives on between connections: what it holds here is its local store."""

    def __init__(self, user: str, device: str, apply: Callable[[Raw], None]) -> None:
        self.user = user
        self.device = device
        self.apply = apply
        """Apply a message to the device's local store, for good."""
        self.send: Callable[[Up], None] = _unconnected

    @property
    def idle(self) -> bool:
        """Whether the device knows of nothing that it has yet to get."""
        return True

    def hello(self) -> Hello:
        """Begin a connection."""
        return Hello(self.user, self.device)

    @abstractmethod
    def on_frame(self, frame: Down) -> None:
        """Take a frame."""

    def on_quiet(self) -> None:
        """Do what is due when nothing was sent for a heartbeat (in polling: for the interval)."""
        self.send(Ping())


class Model(NamedTuple):
    """A model by name."""

    name: str
    title: str
    server: type[ServerModel]
    device: type[DeviceModel]


def _unconnected(frame: Up) -> None:
    raise RuntimeError(f"{frame} without a connection")
