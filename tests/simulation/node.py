"""A server process: the real gateway, hub, engine and sequencer over the shared store; it can crash at any await."""

import asyncio
import contextvars
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from tideline.delivery.commands import Commit
from tideline.delivery.engine import LocalEngine
from tideline.gateway.auth import Identity, Keyring
from tideline.gateway.connection import Connection
from tideline.gateway.gateway import Gateway
from tideline.gateway.settings import GatewaySettings
from tideline.observe import Observer
from tideline.protocol.limits import Limits
from tideline.stores.memory import MemoryStore
from tideline.timeline.changes import Run

from .network import Link

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

    def store_failed(self, reason: str) -> None:
        pass

    def closed(self, code: int, user: str | None, device: str | None, reason: str) -> None:
        self._simulation.counts[f"closed {code}"] += 1


class Node:
    """One process in front of the shared store."""

    def __init__(self, name: str, store: MemoryStore, simulation: "Simulation") -> None:
        self.name = name
        self.store = store
        self.simulation = simulation
        self.alive = False
        self.links: set[Link] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._hearing = False

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
        engine = LocalEngine(
            self.store,
            limits,
            observer,
            batch_records=simulation.batch_records,
            failed=self._failed,
            clock=time.time,
        )
        engine.listen(self._publish)
        self._engine = engine

        async def engine_of(app: str) -> LocalEngine:
            return engine

        settings = GatewaySettings(
            heartbeat=simulation.heartbeat, high_water=simulation.high_water, drain_timeout=20, max_in_flight=64
        )
        self.gateway = Gateway(Trusting(), engine_of, limits, settings, observer)
        self.gateway.start()

    def _publish(self, commit: Commit) -> None:
        if not self._hearing:  # else it is another node's
            self.simulation.bus.publish(self, commit.runs)

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

    def hear(self, runs: dict[str, Run]) -> None:
        """Learn what another node has committed."""
        if self.alive:
            self._hearing = True
            self.run(self._engine._announce, Commit(runs, []))
            self._hearing = False

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


class Bus:
    """Carries commits from node to node, and loses, delays and reorders them."""

    def __init__(self, simulation: "Simulation") -> None:
        self._simulation = simulation
        self.loss = 0.0

    def publish(self, sender: Node, runs: dict[str, Run]) -> None:
        """Tell the other nodes of a commit, perhaps."""
        simulation = self._simulation
        if not runs:
            return
        for node in simulation.nodes:
            if node is sender:
                continue
            if simulation.random.random() < self.loss:
                simulation.counts["lost between nodes"] += 1
                continue
            simulation.loop.call_later(simulation.random.choice((0, 0.001, 0.02, 0.3)), node.hear, runs)


def task_factory(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any) -> Any:
    """Make a task that belongs to the process that starts it."""
    task = asyncio.Task(coroutine, loop=loop, **options)
    context = options.get("context")
    node = context.get(_node) if context is not None else _node.get()
    if node is not None:
        node.owns(task)
    return task
