"""A client while it is open: what its application waits for, and what its driver says."""

import asyncio
import secrets
from collections.abc import Callable
from ssl import SSLContext
from typing import Any, Final, Literal, TypeVar

import msgspec
from msgspec import Struct

from tideline.protocol import responses
from tideline.protocol.errors import ConnectionClosed, RequestError
from tideline.protocol.requests import Delivery

from . import inputs, outputs
from .apply import Result
from .core import Device
from .driver import Driver
from .errors import OutboxFull
from .feeds import Feeds, Status
from .policy import Policy
from .sending import Sending
from .stores.contract import LocalStore, Pending, Transaction
from .tokens import Tokens

R = TypeVar("R", bound=Struct)

OUTBOX: Final = 10_000
"""Messages that may wait to be sent."""

_STATUS: Final[dict[str, Status]] = {
    "stopped": "stopped",
    "waiting": "offline",
    "connecting": "connecting",
    "greeting": "connecting",
    "snapshot": "syncing",
    "behind": "syncing",
    "pulling": "syncing",
    "live": "live",
}


class _Values(Struct):
    device: str | None
    user: str | None
    cursor: int | None
    epoch: str | None


class Session:
    """One run of a device: from opening its store to closing it. It is its driver's audience."""

    def __init__(self, store: LocalStore, buffer: int, timeout: float) -> None:
        self.store = store
        self.feeds = Feeds(buffer, self.flow)
        self.sendings: dict[str, Sending] = {}
        self.status: Status = "stopped"
        self.name = ""
        self._timeout = timeout
        self._driver: Driver | None = None
        self._calls: dict[str, asyncio.Future[responses.ServerFrame]] = {}
        self._called = 0
        self._waiters: list[asyncio.Future[None]] = []
        """Who waits for something of the device to become true."""
        self._error: BaseException | None = None

    async def open(
        self,
        url: str,
        tokens: Tokens,
        *,
        device: str | None,
        delivery: Delivery,
        ssl_context: SSLContext | None,
        policy: Policy | None,
    ) -> None:
        """Open the store and begin to connect.

        Raises:
            StoreInUse: if another client has the store open.
        """
        await self.store.open()
        try:
            values, outbox = await self.store.run(lambda tx: _load(tx, device))
        except BaseException:
            await self.store.close()
            raise
        self._error = None
        self.feeds.begin()
        self.name = values.device or ""
        machine = Device(
            device=self.name,
            instance=secrets.token_hex(8),
            random=secrets.SystemRandom().random,
            cursor=values.cursor,
            epoch=values.epoch,
            user=values.user,
            renewable=tokens.renewable,
            delivery=delivery,
            policy=policy,
        )
        self._driver = Driver(machine, self.store, url, tokens, self, ssl_context=ssl_context)
        for pending in outbox:
            self.sendings[pending.client_id] = Sending(self, pending)
            if pending.state == "pending":
                self._driver.tell(_submit(pending))
        self._driver.tell(inputs.Start())

    async def close(self) -> None:
        """Close the connection and the store; everything that waits ends."""
        driver, self._driver = self._driver, None
        if driver is not None:
            await driver.close()
            await self.store.close()
            self.broken(None)

    @property
    def driver(self) -> Driver:
        """What runs the machine.

        Raises:
            RuntimeError: if the session is closed.
        """
        if self._driver is None:
            raise RuntimeError("the client is not open: use it with `async with`")
        return self._driver

    def restart(self) -> None:
        """Connect now."""
        self._error = None
        for sending in self.sendings.values():
            sending.resume()
        self.feeds.begin()
        self.driver.tell(inputs.Start())

    # What an application waits for.

    async def until(self, true: Callable[[Driver], bool]) -> None:
        """Wait until something is true of the device.

        Raises:
            ConnectionClosed: if the device has stopped, or the client was closed.
            RequestError: if the device has stopped for an error.
        """
        driver = self.driver
        while self._error is not None or not true(driver):
            if self._error is not None:
                raise self._error
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
            if self._driver is not driver:
                raise ConnectionClosed(1001, "the client was closed")

    async def me(self) -> str:
        """Return the user, once the server has said who that is."""
        if self.driver.device.user is None:
            await self.until(lambda driver: driver.device.user is not None)
        return self.driver.device.user or ""

    async def call(self, frame: inputs.AnyCall, answer: type[R]) -> R:
        """Make a request and wait for its answer, over reconnections if need be.

        Raises:
            RequestError: what the server answered instead, or ``unavailable``: no answer in time.
            ConnectionClosed: if the device has stopped.
        """
        driver = self.driver
        if self._error is not None:
            raise self._error
        self._called += 1
        key = str(self._called)
        future: asyncio.Future[responses.ServerFrame]
        future = self._calls[key] = asyncio.get_running_loop().create_future()
        until = driver.now() + round(self._timeout * 1000)
        driver.tell(inputs.Call(key=key, frame=frame, until=until))
        try:
            given = await future
        except asyncio.CancelledError:
            driver.tell(inputs.Cancel(key=key))
            raise
        finally:
            del self._calls[key]
        if isinstance(given, responses.Error):
            raise RequestError(given.code, given.message, retry=given.retry, retry_after=given.retry_after, id=given.id)
        if not isinstance(given, answer):
            raise RequestError("internal", f"the server answered by {type(given).__name__.lower()}")
        return given

    # Messages to send.

    async def send(self, pending: Pending) -> Sending:
        """Put a message into the outbox, durably.

        Raises:
            OutboxFull: if too many messages wait already.
        """
        driver = self.driver
        stored = await self.store.run(lambda tx: _enqueue(tx, pending), durable=True)
        await asyncio.sleep(0)  # A store that never waits would let a loop of sends keep the network out.
        sending = self.sendings.get(stored.client_id)
        if sending is None:
            sending = self.sendings[stored.client_id] = Sending(self, stored)
            driver.tell(_submit(stored))
            if self._error is not None:
                sending.interrupt(self._error)
        return sending

    async def retry(self, sending: Sending) -> None:
        """Put a message at the end of the outbox again."""
        pending = await self.store.run(lambda tx: _again(tx, sending.client_id), durable=True)
        sending.settle("pending")
        self.driver.tell(_submit(pending))
        if self._error is not None:
            sending.interrupt(self._error)

    async def discard(self, sending: Sending) -> None:
        """Take a message out of the outbox."""
        await self.store.run(lambda tx: _drop(tx, sending.client_id), durable=True)
        self.sendings.pop(sending.client_id, None)

    def flow(self) -> None:
        """Pause or resume the device as its consumers are full or drained."""
        if self._driver is None:
            return
        paused = self._driver.device.sync.paused
        if not paused and self.feeds.full:
            self._driver.tell(inputs.Pause())
        elif paused and self.feeds.drained:
            self._driver.tell(inputs.Resume())

    # What the driver says.

    def changed(self) -> None:
        """Note that the machine's state may have changed, or that all its outputs are carried out."""
        if self._driver is None:
            return
        status = _STATUS[self._driver.device.state]
        if status == "live" and self.status != "live" and not self._driver.idle:
            status = "syncing"  # What makes it live is not stored yet.
        if status != self.status:
            self.status = status
            self.feeds.status(status)
        self._wake()

    def stored(self, todo: list[outputs.StoreOutput], result: Result) -> None:
        """Note what the local store holds from now on."""
        for output in todo:
            match output:
                case outputs.Confirmed():
                    self._sent(output.client_id, output.conversation, output.message_seq, output.time)
                case outputs.Failed():
                    self._settle(output.client_id, "failed", output.code, output.message)
                case outputs.Unconfirmed():
                    self._settle(output.client_id, "unconfirmed")
        for client_id, message in result.found:
            self._sent(client_id, message.conversation, message.message_seq, message.time)
        if result.happened:
            self.feeds.happened(result.happened)

    def answered(self, key: str, frame: responses.ServerFrame) -> None:
        """Note the answer to a call."""
        future = self._calls.get(key)
        if future is not None and not future.done():
            future.set_result(frame)

    def signalled(self, frame: responses.Signalled) -> None:
        """Note a signal."""
        self.feeds.signalled(frame)

    def stopped(self, code: int | str, reason: str) -> None:
        """Note that the device does not connect again by itself; 0: because it was told so."""
        if code != 0:
            self.broken(ConnectionClosed(code, reason) if isinstance(code, int) else RequestError(code, reason))

    def broken(self, error: BaseException | None) -> None:
        """End all iterations and all waiting."""
        self._error = error
        self.changed()
        self.feeds.end(error)
        for future in self._calls.values():
            if not future.done():
                future.set_exception(error or ConnectionClosed(1001, "the client was closed"))
        for sending in self.sendings.values():
            if sending.state == "pending":
                sending.interrupt(error or ConnectionClosed(1001, "the client was closed"))
        self._wake()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _sent(self, client_id: str, conversation: str, message_seq: int, time: int) -> None:
        sending = self.sendings.pop(client_id, None)
        if sending is not None:
            sending.conversation, sending.message_seq, sending.time = conversation, message_seq, time
            sending.settle("sent")

    def _settle(
        self,
        client_id: str,
        state: Literal["failed", "unconfirmed"],
        code: str | None = None,
        message: str | None = None,
    ) -> None:
        sending = self.sendings.get(client_id)
        if sending is not None:
            sending.settle(state, code, message)


def _load(tx: Transaction, device: str | None) -> tuple[_Values, list[Pending]]:
    names: Any = {name: tx.get(name) for name in _Values.__struct_fields__}
    values = msgspec.convert(names, _Values)
    name = device or values.device or f"device-{secrets.token_hex(6)}"
    if name != values.device:
        tx.set("device", name)
        values.device = name
    return values, tx.pending()


def _submit(pending: Pending) -> inputs.Submit:
    return inputs.Submit(
        order=pending.order,
        client_id=pending.client_id,
        body=pending.body,
        conversation=pending.conversation,
        to=pending.to,
        reply_to=pending.reply_to,
        mentions=pending.mentions,
        tried=pending.tried,
    )


def _enqueue(tx: Transaction, pending: Pending) -> Pending:
    held = tx.find_pending(pending.client_id)
    if held is not None:
        return held
    if tx.count_pending() >= OUTBOX:
        raise OutboxFull(f"{OUTBOX} messages wait to be sent")
    return tx.add_pending(pending)


def _again(tx: Transaction, client_id: str) -> Pending:
    pending = tx.find_pending(client_id)
    if pending is None or pending.state == "pending":
        raise ValueError(f"message {client_id} is sent, or on its way")
    tx.drop_pending(client_id)
    fresh = msgspec.structs.replace(pending, state="pending", tried=None, code=None, message=None)
    return tx.add_pending(fresh)


def _drop(tx: Transaction, client_id: str) -> None:
    pending = tx.find_pending(client_id)
    if pending is not None and pending.state == "pending":
        raise ValueError(f"message {client_id} may be on its way")
    tx.drop_pending(client_id)
