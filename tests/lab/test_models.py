"""The two sides of a model, without a network between: what happens at the edges."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from msgspec import Raw

from tideline_lab.frames import Ack, Down, Entry, Hello, Message, Notify, Page, Pong, Pull, Push, Up, Welcome
from tideline_lab.models.model import DeviceModel, ServerModel
from tideline_lab.models.numbered import NumberedDevice, NumberedServer
from tideline_lab.models.traditional import WINDOW, TraditionalDevice, TraditionalServer
from tideline_lab.store import Store

MEMBERS = {"g:1": ["alice", "bob"]}


class Link:
    """A connection that keeps what it is told."""

    def __init__(self, user: str = "alice", device: str = "phone") -> None:
        self.user = user
        self.device = device
        self.told: list[Down] = []

    def write(self, frame: Down, text: bytes) -> None:
        assert msgspec.json.decode(text)["type"] == frame.__struct_config__.tag
        self.told.append(frame)

    def pushed(self) -> list[int]:
        """Return the numbers of what was pushed, and forget it."""
        told, self.told = self.told, []
        return [entry.seq for frame in told if isinstance(frame, Push | Welcome) for entry in frame.entries]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "store", sync=False)
    yield store
    store.close()


def say(server: ServerModel, count: int = 1, now: float = 0) -> None:
    for id_ in range(count):
        server.on_send(Message(id_, "g:1", "bob", "hi"))
    server.store.commit()
    server.on_commit(now)


def traditional(store: Store, clock: float = 1) -> TraditionalServer:
    return TraditionalServer(store, MEMBERS, patience=5, clock=lambda: clock)


def connect(server: ServerModel, device: str = "phone", cursor: int = 0) -> Link:
    link = Link("alice", device)
    server.connect(link, Hello("alice", device, cursor), 0)
    server.store.commit()
    return link


def entry(seq: int) -> Entry:
    return Entry(seq, Raw(b"%d" % seq))


def device(kind: type[DeviceModel]) -> tuple[DeviceModel, list[int], list[Up]]:
    applied: list[int] = []
    sent: list[Up] = []
    made = kind("alice", "phone", lambda text: applied.append(int(bytes(text))))
    made.send = sent.append
    return made, applied, sent


# an inbox per device


def test_what_is_not_acknowledged_in_time_is_pushed_again(store: Store) -> None:
    server = traditional(store)
    link = connect(server)
    say(server, 2)
    first, second = link.pushed()
    server.on_frame(link, Ack([second]), now=1)
    server.on_tick(4)
    assert link.pushed() == []
    server.on_tick(5)
    assert link.pushed() == [first]
    server.on_tick(6)
    assert link.pushed() == [], "it has the same time again"
    server.on_frame(link, Ack([first]), now=6)
    server.on_tick(100)
    assert link.pushed() == []


def test_an_acknowledgement_that_comes_twice_deletes_once(store: Store) -> None:
    server = traditional(store)
    link = connect(server)
    say(server)
    acknowledged = Ack(link.pushed())
    server.on_frame(link, acknowledged, now=0)
    server.on_frame(link, acknowledged, now=0)
    store.commit()
    assert store.counts().deletes == {"i": 1}


def test_an_inbox_outlasts_the_connection_and_the_server(store: Store) -> None:
    server = traditional(store)
    link = connect(server)
    say(server, 3)
    pushed = link.pushed()
    server.disconnect(link)
    restarted = traditional(store, clock=2)
    say(restarted)
    given = connect(restarted).pushed()
    assert given[:3] == pushed
    assert len(given) == 4, "a device that is away is remembered over a restart"


def test_numbers_grow_when_the_clock_does_not(store: Store) -> None:
    server = traditional(store)
    link = connect(server)
    say(server, 3)
    pushed = link.pushed()
    assert pushed == sorted(set(pushed))
    assert len(pushed) == 3


def test_a_device_that_does_not_acknowledge_is_pushed_no_more_than_a_window(store: Store) -> None:
    server = traditional(store)
    link = connect(server)
    for _ in range(WINDOW // 100 + 5):
        say(server, 100)
    pushed = link.pushed()
    assert len(pushed) == WINDOW
    got = list(pushed)
    while pushed:
        server.on_frame(link, Ack(pushed), now=0)
        store.commit()
        pushed = link.pushed()
        got += pushed
    assert len(got) == len(set(got)) == WINDOW + 500
    say(server)
    assert len(link.pushed()) == 1, "an emptied inbox is pushed to again"


def test_a_message_that_is_pushed_again_is_applied_once_and_acknowledged_twice() -> None:
    phone, applied, sent = device(TraditionalDevice)
    phone.on_frame(Push([entry(1)]))
    phone.on_frame(Push([entry(1), entry(2)]))
    assert applied == [1, 2]
    assert sent == [Ack([1]), Ack([1, 2])]


# the timeline


def test_numbers_go_on_after_a_restart(store: Store) -> None:
    say(NumberedServer(store, MEMBERS, 1), 3)
    restarted = NumberedServer(store, MEMBERS, 1)
    say(restarted, 2)
    assert connect(restarted).pushed() == [1, 2, 3, 4, 5]


def test_a_device_that_is_behind_gets_one_hint_until_it_pulls(store: Store) -> None:
    server = NumberedServer(store, MEMBERS, 1)
    say(server, 450)
    link = connect(server)
    assert len(link.pushed()) == 200
    say(server)
    say(server)
    assert link.told == [Notify(451)]
    server.on_frame(link, Pull(200), 0)
    server.on_frame(link, Pull(400), 0)
    link.told.clear()
    say(server)
    assert link.pushed() == [453], "now it is level"


def test_a_device_over_a_gap_pulls_exactly_once() -> None:
    phone, applied, sent = device(NumberedDevice)
    phone.hello()
    phone.on_frame(Welcome())
    phone.on_frame(Push([entry(1)]))
    assert sent == []
    phone.on_frame(Push([entry(3)]))
    phone.on_frame(Push([entry(5)]))
    phone.on_frame(Pong(5))
    assert sent == [Pull(1)]
    phone.on_frame(Page([entry(2), entry(3), entry(4)], head=4, more=False))
    assert applied == [1, 2, 3, 4, 5]
    assert sent == [Pull(1)]
    assert phone.idle


def test_repeated_and_old_pushes_are_dropped() -> None:
    phone, applied, sent = device(NumberedDevice)
    phone.hello()
    phone.on_frame(Welcome([entry(1), entry(2)], head=2))
    phone.on_frame(Push([entry(2), entry(3)]))
    phone.on_frame(Push([entry(1)]))
    assert applied == [1, 2, 3]
    assert sent == []


def test_the_stash_is_bounded_and_what_it_dropped_is_pulled() -> None:
    phone, applied, sent = device(NumberedDevice)
    phone.hello()
    phone.on_frame(Welcome())
    for seq in range(2, 500):
        phone.on_frame(Push([entry(seq)]))
    assert isinstance(phone, NumberedDevice)
    assert len(phone.stash) <= 200
    phone.on_frame(Page([entry(1)], head=1, more=False))
    assert applied == list(range(1, 202))
    assert sent == [Pull(0), Pull(201)]


def test_a_hint_to_what_is_known_needs_no_pull() -> None:
    phone, _, sent = device(NumberedDevice)
    phone.hello()
    phone.on_frame(Welcome([entry(1)], head=1))
    phone.on_frame(Notify(1))
    assert sent == []
