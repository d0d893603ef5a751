"""Whatever is lost, repeated or reordered on the way: every entry is applied once, in order (promise D3)."""

from dataclasses import dataclass, field

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tideline.client import inputs, outputs
from tideline.client.core import Device
from tideline.client.policy import Policy
from tideline.protocol import responses

from .model_server import Connection, ModelServer

POLICY = Policy(stash=5, page=4, snapshot=2, window=3)

FATES = ("deliver", "deliver", "deliver", "lose", "repeat", "delay")
ACTS = (
    "commit",
    "commit",
    "commit",
    "send",
    "send",
    "run",
    "run",
    "wait",
    "cut",
    "trim",
    "restore",
    "restart",
)
ACTS_OF_CONSUMER = (*ACTS, "pause", "resume", "fail", "heal")


@dataclass
class World:
    """A device, a server, and a way between them that does what ``fates`` say."""

    fates: list[str]
    only_pushes: bool
    server: ModelServer = field(default_factory=ModelServer)
    connection: Connection | None = None
    now: int = 1_000_000
    delayed: list[responses.ServerFrame] = field(default_factory=list)
    applied: list[tuple[int, str]] = field(default_factory=list)
    cursor: int | None = None
    epoch: str | None = None
    outbox: dict[str, inputs.Submit] = field(default_factory=dict)
    submitted: int = 0
    requests: int = 0

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Start the device from what it has stored."""
        self.device = Device(
            device="laptop",
            instance="i",
            random=lambda: 0.5,
            cursor=self.cursor,
            epoch=self.epoch,
            policy=POLICY,
        )
        self.connection, self.delayed = None, []
        for message in reversed(self.outbox.values()):  # In any order.
            self.tell(message)
        self.tell(inputs.Start())

    def tell(self, given_input: inputs.Input) -> None:
        for output in self.device.handle(self.now, given_input):
            self.carry_out(output)

    def carry_out(self, output: outputs.AnyOutput) -> None:
        match output:
            case outputs.Apply():
                for entry in output.entries:
                    event = msgspec.json.decode(entry.event)
                    self.applied.append((entry.seq, event["message"]["client_id"]))
                self.cursor, self.epoch = output.cursor, output.epoch
            case outputs.Replace():
                entries = self.server.entries[: output.cursor]
                self.applied = [(seq, entry["client_id"]) for seq, entry in enumerate(entries, 1)]
                self.cursor, self.epoch = output.cursor, output.epoch
            case outputs.Attempt():
                message = self.outbox[output.client_id]
                self.outbox[output.client_id] = msgspec.structs.replace(message, tried=output.tried)
            case outputs.Confirmed():
                del self.outbox[output.client_id]
            case outputs.Connect():
                self.connection = Connection(self.server)
                self.tell(inputs.Connected())
            case outputs.Close():
                self.connection, self.delayed = None, []
            case outputs.Transmit() if self.connection is not None:
                self.requests += 1
                self.connection.receive(output.frame)

    def fate(self, frame: responses.ServerFrame) -> str:
        unlucky = isinstance(frame, responses.Push | responses.Notify) or not self.only_pushes
        return self.fates.pop() if self.fates and unlucky else "deliver"

    def run(self) -> None:
        """Carry what is on the way, until nothing is."""
        for _ in range(200):
            connection = self.connection
            if connection is None or not connection.out:
                break
            frame = connection.out.pop(0)
            fate = self.fate(frame)
            if fate == "delay":
                self.delayed.append(frame)
                continue
            for _ in range({"deliver": 1, "lose": 0, "repeat": 2}[fate]):
                self.now += 1
                self.tell(frame)
            for late in self.delayed:
                if self.connection is connection:
                    self.tell(late)
            self.delayed = []

    def act(self, what: str) -> None:
        match what:
            case "commit":
                self.server.commit("bob", f"b{self.server.head + 1}")
            case "send":
                self.submitted += 1
                message = inputs.Submit(
                    order=self.submitted, client_id=f"c{self.submitted}", body=msgspec.Raw(b"{}"), to="bob"
                )
                self.outbox[message.client_id] = message
                self.tell(message)
            case "run":
                self.run()
            case "wait":
                self.wait()
            case "cut" if self.connection is not None:
                self.connection, self.delayed = None, []
                self.tell(inputs.Disconnected())
            case "trim":
                self.server.trimmed = self.server.head
            case "restore":
                self.server.renew_epoch(self.server.head // 2)
                self.act("cut")
            case "restart":
                self.start()
            case "pause":
                self.tell(inputs.Pause())
            case "resume":
                self.tell(inputs.Resume())
            case "fail":
                self.server.failing = True
            case "heal":
                self.server.failing = False

    def wait(self) -> None:
        """Let time go on to the next thing to do."""
        due = self.device.wake()
        if due is not None:
            self.now = max(self.now, due)
            self.tell(inputs.Tick())

    def settle(self) -> None:
        """End all faults and let time go on."""
        self.fates = []
        self.act("heal")
        self.act("resume")
        for _ in range(60):
            self.run()
            self.wait()


worlds = st.builds(World, fates=st.lists(st.sampled_from(FATES), max_size=40), only_pushes=st.booleans())


@given(world=worlds, acts=st.lists(st.sampled_from(ACTS_OF_CONSUMER), max_size=40))
@settings(max_examples=400, deadline=None)
def test_every_entry_is_applied_once_and_in_order(world: World, acts: list[str]) -> None:
    for act in acts:
        world.act(act)
        assert [seq for seq, _ in world.applied] == list(range(1, len(world.applied) + 1))
        assert world.cursor is None or len(world.applied) == world.cursor
    world.settle()
    assert world.applied == [(seq, entry["client_id"]) for seq, entry in enumerate(world.server.entries, 1)]
    assert world.device.state == "live"


@given(world=worlds, acts=st.lists(st.sampled_from([act for act in ACTS if act != "restore"]), max_size=40))
@settings(max_examples=300, deadline=None)
def test_every_message_is_stored_once_and_in_order(world: World, acts: list[str]) -> None:
    for act in acts:
        world.act(act)
    world.settle()
    assert world.outbox == {}
    stored = [entry["client_id"] for entry in world.server.entries if entry["sender"] == "alice"]
    assert stored == [f"c{number}" for number in range(1, world.submitted + 1)]


@given(commits=st.lists(st.integers(1, 4), max_size=20))
@settings(deadline=None)
def test_without_loss_an_entry_costs_one_frame_and_no_request(commits: list[int]) -> None:
    world = World(fates=[], only_pushes=True, cursor=0, epoch="e1")
    world.run()
    before = world.requests
    for count in commits:
        for _ in range(count):
            world.act("commit")
        world.run()
    assert world.cursor == sum(commits)
    assert world.requests == before


@given(missed=st.integers(0, POLICY.page))
@settings(deadline=None)
def test_a_device_that_missed_less_than_a_page_catches_up_in_one_round_trip(missed: int) -> None:
    world = World(fates=[], only_pushes=True, cursor=0, epoch="e1")
    world.run()
    world.act("cut")
    for _ in range(missed):
        world.act("commit")
    before = world.requests
    world.wait()
    world.run()
    assert world.cursor == missed
    assert world.device.state == "live"
    assert world.requests == before + 1


@given(missed=st.integers(1, 3))
@settings(deadline=None)
def test_a_device_that_misses_a_push_pulls_exactly_once(missed: int) -> None:
    world = World(fates=["lose"] * missed, only_pushes=True, cursor=0, epoch="e1")
    world.run()
    for _ in range(missed):
        world.act("commit")
    world.run()
    before = world.requests
    world.act("commit")
    world.run()
    assert world.cursor == missed + 1
    assert world.requests == before + 1


def test_a_lost_last_push_is_noticed_within_a_heartbeat() -> None:
    world = World(fates=["lose"], only_pushes=True, cursor=0, epoch="e1")
    world.run()
    world.act("commit")
    world.run()
    assert world.cursor == 0
    before = world.now
    world.wait()
    world.run()
    assert world.cursor == 1
    assert world.now - before <= 30_000 + 10
