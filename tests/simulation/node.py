"""A server process: the real gateway, hub, engine and sequencer on a database; it can crash at any await."""

import asyncio
import contextvars
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from tideline.bus.contract import Receive
from tideline.delivery.shared import SharedEngine
from tideline.gateway.auth import Identity, Keyring
from tideline.gateway.connection import Connection
from tideline.gateway.gateway import Gateway
from tideline.gateway.settings import GatewaySettings
from tideline.observe import Observer
from tideline.protocol.limits import Limits

from .network import Link
from .store import Database, NodeStore

if TYPE_CHECKING:
    from .world import Simulation

_node: contextvars.ContextVar["Node | None"] = contextvars.ContextVar("node", default=None)


class Trusting(Keyring):
    """Takes a token for the name of its user."""

    def __init__(self) -> None:
        super().__init__({})

    def verify(self, token: str) -> Identity:
        return Identity("main", token, None, "user", 1e12, 1e9)


class Watching(Observer):
    """Says nothing, and takes a defect for what it is."""

    def __init__(self, simulation: "Simulation") -> None:
        super().__init__()
        self._simulation = simulation

    def defect(self, where: str, error: BaseException) -> str:
        self._simulation.failed("defect", f"{where}: {error!r}")
        return "defect"

    def commit_failed(self, reason: str) -> None:
        self._simulation.counts["commits failed"] += 1

    def bus(self, connected: bool) -> None:
        pass

    def store_failed(self, reason: str) -> None:
        pass

    def closed(self, code: int, user: str | None, device: str | None, reason: str) -> None:
        self._simulation.counts[f"closed {code}"] += 1


class Node:
    """One process in front of the shared store."""

    def __init__(self, name: str, database: Database, simulation: "Simulation") -> None:
        self.name = name
        self.database = database
        self.simulation = simulation
        self.alive = False
        self.links: set[Link] = set()
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self) -> None:
        """Start, with nothing but what is in the store."""
        self.alive = True
        self._context = contextvars.copy_context()
        self._context.run(_node.set, self)
        self.run(self._wire)

    def _wire(self) -> None:
        simulation = self.simulation
        observer = Watching(simulation)
        limits = Limits(**simulation.limits)
        self._bus = simulation.exchange.bus(self)
        engine = self._engine = SharedEngine(
            NodeStore(self.database),
            self._bus,
            limits,
            observer,
            batch_records=simulation.batch_records,
            failed=self._failed,
            clock=time.time,
        )

        async def engine_of(app: str) -> SharedEngine:
            return engine

        settings = GatewaySettings(
            heartbeat=simulation.heartbeat, high_water=simulation.high_water, drain_timeout=20, max_in_flight=64
        )
        self.gateway = Gateway(Trusting(), engine_of, limits, settings, observer)
        self.gateway.start()

    def _failed(self, error: Exception) -> None:
        """End, as the process does when durability is in doubt."""
        self.simulation.loop.call_soon(self.simulation.crash_node, self)

    def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run something as this process: what it starts dies with it."""
        return self._context.copy().run(function, *args) if self.alive else None

    def accept(self, link: Link) -> Connection:
        """Take a connection."""
        self.links.add(link)
        connection = self.run(Connection, self.gateway)
        self.run(connection.on_ws_connected, link)
        return connection  # type: ignore[no-any-return]

    def hear(self, topic: str, message: bytes) -> None:
        """Take what the bus brings."""
        if self.alive:
            self.run(self._engine.receive, topic, message)

    def owns(self, task: asyncio.Task[Any]) -> None:
        """Note a task that dies with the process."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def crash(self) -> None:
        """End at once: what was not committed is gone, and nobody is told anything."""
        self.alive = False
        for task in list(self._tasks):
            task.cancel()
        for link in sorted(self.links, key=lambda link: link.device.name):
            link.die()
        self.links.clear()


class Exchange:
    """What the buses of all nodes have in common: it loses, delays, repeats and reorders."""

    def __init__(self, simulation: "Simulation") -> None:
        self.simulation = simulation
        self.loss = 0.0
        self.carries = simulation.random.choice((0, 300, 100_000))

    def bus(self, node: Node) -> "SimBus":
        """Return the bus of a node that starts."""
        return SimBus(self, node)

    def publish(self, sender: Node, topic: str, message: bytes) -> None:
        """Bring a message to the other nodes, perhaps."""
        simulation = self.simulation
        random = simulation.random
        for node in simulation.nodes:
            if node is sender:
                continue
            if random.random() < self.loss:
                simulation.counts["lost between nodes"] += 1
                continue
            for _ in range(1 if random.random() < 0.9 else 2):
                simulation.loop.call_later(random.choice((0, 0.001, 0.02, 0.3)), node.hear, topic, message)


class SimBus:
    """A node's bus (implements ``Bus``)."""

    connected = True

    def __init__(self, exchange: Exchange, node: Node) -> None:
        self._exchange = exchange
        self._node = node
        self.carries = exchange.carries

    async def open(self, receive: Receive, resumed: Callable[[], None]) -> None:
        """It is open."""

    async def watch(self, topic: str) -> None:
        """All topics are received."""
        await self._exchange.simulation.pause()

    def unwatch(self, topic: str) -> None:
        """All topics are received."""

    def publish(self, topic: str, message: bytes) -> None:
        """Send a message to the other nodes."""
        if self._node.alive:
            self._exchange.publish(self._node, topic, message)

    async def close(self) -> None:
        """There is nothing to close."""


def task_factory(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any) -> Any:
    """Make a task that belongs to the process that starts it."""
    task = asyncio.Task(coroutine, loop=loop, **options)
    context = options.get("context")
    node = context.get(_node) if context is not None else _node.get()
    if node is not None:
        node.owns(task)
    return task
