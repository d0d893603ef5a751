"""A simulation: everything that happens follows from its seed.

For a while users write, groups change, devices come, go, crash and are slow, connections break or fall silent,
commits fail, nodes crash, messages between nodes are lost, timelines are trimmed, a backup is restored. Then all of
it stops, every device is started, and each of them has to get everything, by its own pulls.
"""

import asyncio
import copy
from collections import Counter, deque
from random import Random
from typing import Any
from zlib import crc32

import msgspec

from tideline.client.policy import Policy
from tideline.protocol import requests
from tideline.stores.memory import Tables
from tideline.timeline.changes import Changes
from tideline.timeline.contract import StoreFailed, StoreUnavailable

from . import loop as virtual
from .device import SimDevice
from .node import Exchange, Node, task_factory
from .oracle import Oracle
from .store import Database

PATIENCE = 120.0
"""Virtual seconds without any progress, once nothing goes wrong any more, after which it is called stuck."""


class Violated(Exception):
    """An invariant does not hold."""


class SeemedToFail(StoreUnavailable):
    """A commit that happened, and whose outcome nobody got."""

    committed = True


class Simulation:
    """One run. ``large``: hundreds of users."""

    def __init__(self, seed: int, *, large: bool = False, keep_trace: bool = False) -> None:
        self.seed = seed
        self.random = random = Random(seed)
        self.counts: Counter[str] = Counter()
        self.traced: deque[str] | None = deque(maxlen=4000) if keep_trace else None
        self.digest = 0
        self.large = large
        self.users = [f"u{number}" for number in range(random.randrange(150, 300) if large else random.randrange(3, 9))]
        self.seconds = 30.0 if large else random.choice((20.0, 40.0, 60.0))
        self.heartbeat = random.choice((5.0, 15.0, 30.0))
        self.high_water = random.choice((2_000, 16_000, 262_144))
        self.largest_commit = 1_500_000
        self.batch_records = random.choice((8, 64, 8192))
        self.policy = Policy(
            stash=random.choice((2, 20, 500)),
            window=random.choice((1, 4, 32)),
            page=random.choice((1, 3, 20, 200)),
            snapshot=random.choice((1, 3, 200)),
        )
        self.pace = 6.0 if large else random.choice((1.0, 3.0) if self.policy.page < 20 else (0.3, 1.0, 3.0))
        """Seconds between two acts of one device, on average."""
        self.limits: dict[str, Any] = {"client_id_ttl": random.choice((60, 86_400))}
        self.loud = random.choice((0.0, 0.3, 1.0))
        """How much goes wrong."""
        self.refuses_sends = False
        self._error: BaseException | None = None
        self._failing = 0.0
        self._kill = 0.0

    def run(self) -> None:
        """Run it.

        Raises:
            Violated: if an invariant does not hold.
        """
        try:
            virtual.run(self._main, self.random)
        except RuntimeError:
            if self._error is None:
                raise
        if self._error is not None:
            raise self._error

    async def _main(self, loop: virtual.VirtualLoop) -> None:
        self.loop = loop
        loop.set_task_factory(task_factory)  # type: ignore[arg-type]
        loop.set_exception_handler(self._unhandled)
        random = self.random
        self.store = Database(epoch="e0", client_id_ttl=self.limits["client_id_ttl"])
        self.store.clock = lambda: virtual.EPOCH + loop.virtual
        self.store.pause = self.pause
        self.store.fault = self._fault
        self.oracle = Oracle(self, self.store)
        self.exchange = Exchange(self)
        self.nodes = [Node(f"n{number}", self.store, self) for number in range(random.choice((1, 1, 2, 3)))]
        for node in self.nodes:
            node.start()
        self.devices = [
            SimDevice(self, user, f"{user}.d{number}", self.policy, hint=random.random() < 0.2)
            for user in self.users
            for number in range(random.choice((1, 1, 2) if self.large else (1, 2, 3)))
        ]
        self._groups = 0
        self._saved: Tables | None = None
        self._make_trouble()
        for device in self.devices:
            loop.call_later(random.random() * 5, self._live, device)
        await self._until(self.seconds)
        self._heal()
        await self._come_to_rest()
        self.oracle.final()
        for node in self.nodes:
            node.crash()

    async def _until(self, when: float) -> None:
        while self.loop.time() < when:
            await asyncio.sleep(1)
            self.oracle.check_bounds()

    async def _come_to_rest(self) -> None:
        progress, since = -1, 0.0
        while (missing := self.oracle.complete()) is not None:
            made = self.counts["entries applied"] + self.counts["acknowledged"] + self.counts["states staged"]
            if made != progress:
                progress, since = made, self.loop.time()
            elif self.loop.time() > since + PATIENCE:
                self.failed("D3", f"not everything arrives: {missing}")
            await asyncio.sleep(1)

    def failed(self, invariant: str, what: str) -> None:
        """Stop: something is wrong."""
        error = Violated(f"seed {self.seed}, {self.loop.time():.3f} s: {invariant}: {what}")
        self._error = self._error or error
        raise error

    def _unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Take what was raised in a callback."""
        error = context.get("exception") or Violated(str(context["message"]))
        self._error = self._error or error
        loop.stop()

    def trace(self, name: str, given: Any) -> None:
        """Note what reaches a device."""
        self.counts["inputs"] += 1
        line = f"{self.loop.time():10.4f} {name:8} {type(given).__name__}"
        self.digest = crc32(line.encode(), self.digest)
        if self.traced is not None:
            self.traced.append(f"{line} {_short(given)}")

    def now_ms(self) -> int:
        """The time by everyone's clock."""
        return round((virtual.EPOCH + self.loop.virtual) * 1000)

    # trouble

    def _make_trouble(self) -> None:
        random, loud = self.random, self.loud
        if not loud:
            return
        self.exchange.loss = random.choice((0.0, 0.1, 0.5, 1.0))
        self._kill = random.choice((0.0, 0.001, 0.01)) * loud
        fails = random.random() < 0.4
        crashes = random.random() < 0.5
        for _ in range(int(self.seconds / 4)):
            when = random.random() * self.seconds
            kind = random.choice(("cut", "cut", "silence", "slow", "crash", "fail", "node", "trim", "save", "off"))
            if (kind == "fail" and not fails) or (kind == "node" and not crashes):
                continue
            if kind == "fail":
                self.refuses_sends = True
            if random.random() < loud:
                self.loop.call_later(when, getattr(self, f"_{kind}"))
        if crashes and random.random() < 0.3:
            self.loop.call_later(random.uniform(0.5, 1.0) * self.seconds, self._restore)

    def _some_link(self) -> Any:
        links = [device.link for device in self.devices if device.link is not None]
        return self.random.choice(links) if links else None

    def _cut(self) -> None:
        link = self._some_link()
        if link is not None:
            self.counts["links cut"] += 1
            link.cut()

    def _silence(self) -> None:
        link = self._some_link()
        if link is not None:
            self.counts["links silent"] += 1
            link.silent = True

    def _slow(self) -> None:
        device = self.random.choice(self.devices)
        device.bandwidth = self.random.choice((200.0, 1_000.0, 20_000.0))
        if device.link is not None:
            device.link.bandwidth = device.bandwidth

    def _crash(self) -> None:
        device = self.random.choice(self.devices)
        if device.machine is not None:
            self._end(device)

    def _end(self, device: SimDevice) -> None:
        self.counts["devices crashed"] += 1
        device.crash()
        self.loop.call_later(self.random.choice((0.01, 1, 10)), device.boot)

    def _off(self) -> None:
        device = self.random.choice(self.devices)
        device.crash()
        self.loop.call_later(self.random.uniform(5, self.seconds), device.boot)

    def kills(self, device: SimDevice) -> bool:
        """Tell whether a device is to be killed here, between two of its steps."""
        if self._kill and self.random.random() < self._kill:
            self._end(device)
            return True
        return False

    def _fail(self) -> None:
        """Let commits fail for a while."""
        self._failing = self.random.choice((0.2, 0.7, 1.0))
        self.loop.call_later(self.random.uniform(0.1, 3), self._unfail)

    def _unfail(self) -> None:
        self._failing = 0.0

    def _fault(self, changes: Changes) -> Exception | None:
        if self._failing and self.random.random() < self._failing:
            kind = self.random.random()
            if kind < 0.02:
                return StoreFailed("fsync failed")
            self.counts["commits refused"] += 1
            after = self.random.choice((0.1, 1.0))
            return StoreUnavailable("full", after) if kind < 0.5 else SeemedToFail("lost", after)
        return None

    async def pause(self) -> None:
        """Take time, perhaps: whatever waits for the database or the network."""
        if self.random.random() < 0.3:
            await asyncio.sleep(self.random.choice((0, 0.001, 0.01, 0.05)))

    def _node(self) -> None:
        self.crash_node(self.random.choice(self.nodes))

    def crash_node(self, node: Node) -> None:
        """Crash a node, and start it again later."""
        if node.alive:
            self.counts["nodes crashed"] += 1
            node.crash()
            self.loop.call_later(self.random.choice((0.05, 1, 5)), self._start_node, node)

    def _start_node(self, node: Node) -> None:
        if not node.alive:
            node.start()

    def any_node(self) -> Node | None:
        """Return a node that accepts connections."""
        alive = [node for node in self.nodes if node.alive]
        return self.random.choice(alive) if alive else None

    def _trim(self) -> None:
        user = self.random.choice(self.users)
        head = self.store.tables.heads.get(user, 0)
        if head:
            self.counts["trimmed"] += 1
            self.loop.create_task(self.store.trim(user, self.random.randrange(1, head + 2)))

    def _save(self) -> None:
        """Make a backup."""
        self._saved = copy.deepcopy(self.store.tables)

    def _restore(self) -> None:
        """Go back to a backup, as a new epoch."""
        saved = self._saved
        if saved is None:
            return
        self.counts["restored"] += 1
        for node in self.nodes:
            node.crash()
        self.oracle.lost_epochs.add(self.store.epoch)
        self.loop.call_later(0.5, self._restored, saved)

    def _restored(self, saved: Tables) -> None:
        for node in self.nodes:  # one that crashed shortly before may have started again
            if node.alive:
                node.crash()
        self.store.tables = copy.deepcopy(saved)
        self.store.epoch = f"e{self.counts['restored']}"
        for node in self.nodes:
            self._start_node(node)

    def _heal(self) -> None:
        self.exchange.loss = self._failing = self._kill = 0.0
        for node in self.nodes:
            self._start_node(node)
        for device in self.devices:
            device.bandwidth = None
            if device.link is not None and device.link.bandwidth is not None:
                device.link.cut()  # what is in it would take as long as it takes
            device.start()

    # what users do

    def body_size(self) -> int:
        """Return how long a message is to be."""
        return self.random.choice((0, 10, 10, 100, 2_000))

    def _live(self, device: SimDevice) -> None:
        if self.loop.time() >= self.seconds:
            return
        if device.machine is None and not device.wanted:
            device.boot()
        elif device.machine is not None:
            self._act(device)
        self.loop.call_later(self.random.expovariate(1 / self.pace), self._live, device)

    def _act(self, device: SimDevice) -> None:
        random = self.random
        held = device.conversations()
        groups = [state.conversation for state in held if state.kind == "group"]
        act = random.random()
        if act < 0.55 or not held:
            for _ in range(random.choice((1, 1, 1, 5))):
                if held and random.random() < 0.8:
                    device.write(random.choice(held).conversation, None)
                else:
                    device.write(None, random.choice(self.users))
        elif act < 0.75:
            state = random.choice(held)
            if state.head:
                read = requests.Read(id=1, conversation=state.conversation, message_seq=random.randint(1, state.head))
                device.call(read)
        elif act < 0.82 or not groups:
            self._groups += 1
            members = random.sample(self.users, min(len(self.users), random.randrange(1, 40 if self.large else 5)))
            device.call(requests.Create(id=1, conversation=f"g:g{self._groups}", title="t", members=members))
        else:
            self._change(device, random.choice(groups))

    def _change(self, device: SimDevice, group: str) -> None:
        random = self.random
        users = random.sample(self.users, min(len(self.users), random.randrange(1, 3)))
        match random.randrange(5):
            case 0:
                device.call(requests.Add(id=1, conversation=group, members=users))
            case 1:
                device.call(requests.Remove(id=1, conversation=group, members=users))
            case 2:
                device.call(requests.Remove(id=1, conversation=group, members=[device.user]))
            case 3:
                device.call(requests.Update(id=1, conversation=group, title=f"t{random.randrange(9)}"))
            case 4:
                device.call(requests.Update(id=1, conversation=group, muted=random.random() < 0.5))


def _short(given: Any) -> str:
    return msgspec.json.encode(given).decode()[:300]
