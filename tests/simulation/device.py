"""A device: the real machine and the real rules of its local store, run by a shell that can be killed anywhere.

Like the product's own driver, the shell carries out all outputs that wait together in one transaction, then those
for the network. Between any two of these steps the process can end; what is in its store is then all that it has.
"""

from collections.abc import Coroutine
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec

from tideline.client import inputs, outputs
from tideline.client.apply import Result, carry_out
from tideline.client.core import Device
from tideline.client.policy import Policy
from tideline.client.state import Conversation
from tideline.client.stores.contract import Pending, Transaction
from tideline.client.stores.memory import MemoryStore
from tideline.protocol import requests
from tideline.protocol.codec import decode_frames, encode

from .network import ABNORMAL, Link

if TYPE_CHECKING:
    from .world import Simulation

STORE_OUTPUTS = (
    outputs.Apply
    | outputs.Stage
    | outputs.Replace
    | outputs.Attempt
    | outputs.Confirmed
    | outputs.Failed
    | outputs.Unconfirmed
)


class SimDevice:
    """One device of a user."""

    def __init__(self, simulation: "Simulation", user: str, name: str, policy: Policy, *, hint: bool) -> None:
        self.simulation = simulation
        self.loop = simulation.loop
        self.user = user
        self.name = name
        self.store = MemoryStore()
        self.machine: Device | None = None
        self.wanted = False
        """Whether it is meant to be running."""
        self.bandwidth: float | None = None
        self._policy = policy
        self._hint = hint
        self._random: Random = simulation.random
        self._link: Link | None = None
        self._todo: list[tuple[outputs.AnyOutput, Link | None]] = []
        self._carrying = False
        self._timer: Any = None
        self._calls = 0
        self._incarnation = 0
        self.written = 0
        """Messages that its user has written, ever."""

    # life

    def boot(self) -> None:
        """Start the process, with what its store has."""
        self.wanted = True
        if self.machine is not None:
            return
        self._incarnation += 1
        values, pending = self._transact(
            lambda tx: ({name: tx.get(name) for name in ("cursor", "epoch", "user")}, tx.pending())
        )
        self.machine = Device(
            device=self.name.replace(":", "."),
            instance=f"{self.name}.{self._incarnation}",
            random=self._random.random,
            policy=self._policy,
            delivery="hint" if self._hint else "content",
            **values,
        )
        for message in pending:
            if message.state == "pending":
                self._submit(message)
        self.feed(inputs.Start())

    def crash(self) -> None:
        """End the process at once."""
        self.machine = None
        self._todo.clear()
        if self._timer is not None:
            self._timer.cancel()
        if self._link is not None:
            self._link.leave()
            self._link = None

    def start(self) -> None:
        """Connect, whatever it waits for."""
        if self.machine is None:
            self.boot()
        else:
            self.feed(inputs.Start())

    @property
    def idle(self) -> bool:
        """Whether all outputs are carried out."""
        return not self._todo

    @property
    def link(self) -> Link | None:
        return self._link

    # what its user does

    def write(self, conversation: str | None, to: str | None) -> None:
        """Put a message into the outbox, and have it sent."""
        if self.machine is None:
            return
        self.written += 1
        client_id = f"{self.name}/{self.written}"
        body = encode({"type": "text", "by": self.name, "n": self.written, "text": "x" * self.simulation.body_size()})
        message = Pending(order=0, client_id=client_id, body=msgspec.Raw(body), conversation=conversation, to=to)
        stored = self._transact(lambda tx: tx.add_pending(message))
        self._submit(stored)

    def _submit(self, message: Pending) -> None:
        self.feed(
            inputs.Submit(
                order=message.order,
                client_id=message.client_id,
                body=message.body,
                conversation=message.conversation,
                to=message.to,
                tried=message.tried,
            )
        )

    def call(self, frame: inputs.AnyCall) -> None:
        """Make a request."""
        self._calls += 1
        self.feed(inputs.Call(key=str(self._calls), frame=frame, until=self._now() + 40_000))

    # what the store holds

    def conversations(self) -> list[Conversation]:
        held: list[Conversation] = self._transact(lambda tx: tx.conversations())
        return sorted(held, key=lambda state: state.conversation)

    def pending(self) -> list[Pending]:
        held: list[Pending] = self._transact(lambda tx: tx.pending())
        return held

    def position(self) -> tuple[int | None, str | None]:
        """Return cursor and epoch as they are stored."""
        found: tuple[int | None, str | None] = self._transact(lambda tx: (tx.get("cursor"), tx.get("epoch")))
        return found

    def _transact(self, work: Any) -> Any:
        return at_once(self.store.run(work))

    # the shell

    def feed(self, given: inputs.Input) -> None:
        """Hand an input to the machine and queue what it wants done."""
        machine = self.machine
        if machine is None:
            return
        self.simulation.trace(self.name, given)
        for output in machine.handle(self._now(), given):
            if isinstance(output, outputs.Close):
                link, self._link = self._link, None
                if link is not None:
                    link.leave()
            else:
                self._todo.append((output, self._link))
        if self._todo and not self._carrying:
            self._carrying = True
            self.loop.call_later(self._random.choice((0, 0, 0.001, 0.02)), self._carry, self._incarnation)
        self._set_timer()

    def _set_timer(self) -> None:
        assert self.machine is not None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wake = self.machine.wake()
        if wake is not None:
            after = max(0.0, (wake - self._now()) / 1000)
            self._timer = self.loop.call_later(after, self.feed, inputs.Tick())

    def _carry(self, incarnation: int) -> None:
        self._carrying = False
        if self.machine is None or incarnation != self._incarnation:
            if self._todo:
                self._carrying = True
                self.loop.call_soon(self._carry, self._incarnation)
            return
        todo, self._todo = self._todo, []
        stored = [output for output, _ in todo if isinstance(output, STORE_OUTPUTS)]
        if self.simulation.kills(self):
            return  # before the transaction
        result = self._transact(lambda tx: self._store(tx, stored))
        if self.simulation.kills(self):
            return  # after it, and before anyone is told
        for output, link in todo:
            self._do(output, link)
        for client_id, _ in result.found:
            self.feed(inputs.Found(client_id=client_id))

    def _store(self, tx: Transaction, todo: list[Any]) -> Result:
        oracle, counts = self.simulation.oracle, self.simulation.counts
        cursor, epoch = tx.get("cursor"), tx.get("epoch")
        for output in todo:
            match output:
                case outputs.Apply():
                    oracle.applying(self, cursor, epoch, output)
                    cursor = output.cursor
                case outputs.Replace():
                    cursor, epoch = output.cursor, output.epoch
                    counts[f"reset {output.reason}"] += 1
                case outputs.Stage():
                    counts["states staged"] += len(output.conversations)
                case outputs.Confirmed():
                    oracle.confirmed(self, output)
                case outputs.Unconfirmed():
                    counts["unconfirmed"] += 1
                case outputs.Failed():
                    counts[f"failed {output.code}"] += 1
        result = carry_out(tx, todo, self.user)
        oracle.stored(self, tx, cursor, epoch)
        return result

    def _do(self, output: outputs.AnyOutput, link: Link | None) -> None:
        match output:
            case outputs.Connect():
                self.loop.call_later(self._random.choice((0.001, 0.05, 0.5)), self._connect, self._incarnation)
            case outputs.Transmit():
                if link is not None and link is self._link:
                    frame: Any = output.frame
                    if isinstance(frame, requests.Hello):
                        frame = msgspec.structs.replace(frame, token=self.user)
                    link.up(encode(frame))
            case outputs.Stopped():
                if output.code != 0:
                    self.simulation.failed("stopped", f"{self.name}: {output.code} {output.reason}")

    def _connect(self, incarnation: int) -> None:
        if self.machine is None or incarnation != self._incarnation or self.machine.state != "connecting":
            return
        node = self.simulation.any_node()
        if node is None:
            self.feed(inputs.Disconnected(code=ABNORMAL))
            return
        self._link = Link(self, node, self._random, bandwidth=self.bandwidth)
        self._link.open()
        self.feed(inputs.Connected())

    def receive(self, link: Link, payload: bytes) -> None:
        """Take a WebSocket message."""
        for frame in decode_frames(payload):
            if link is self._link:
                self.feed(frame)

    def lost(self, link: Link, code: int) -> None:
        """Learn that the connection is gone."""
        if link is self._link:
            self._link = None
            self.feed(inputs.Disconnected(code=code))

    def _now(self) -> int:
        return self.simulation.now_ms()


def at_once(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Return the result of a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits")
