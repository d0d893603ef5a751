"""The client loop, the same around every model's device: connect, hand frames over, keep quiet times, reconnect."""

import asyncio
from collections.abc import Callable
from time import perf_counter

from msgspec import Raw

from .errors import LabError
from .frames import Down, Message, Ping, Pong, Send, Sent, Up, Welcome
from .ledger import Log
from .models.model import DeviceModel
from .network import Network, Wire


class Device:
    """A device: a model's device side, a log of what it applied, and a connection now and then."""

    def __init__(
        self,
        network: Network,
        user: str,
        name: str,
        model: type[DeviceModel],
        quiet: float,
    ) -> None:
        self.user = user
        self.log = Log()
        self.model = model(user, name, self._apply)
        self.welcomed = 0.0
        """When the server's welcome came (``perf_counter``: the loop's own clock counts whole milliseconds)."""
        self._network = network
        self._name = f"{user}/{name}"
        self._chance = network.chance(self._name)
        self._quiet = quiet
        self._loop = asyncio.get_running_loop()
        self._wire: Wire | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._heard = 0.0
        self._watchers: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._barriers: list[asyncio.Future[None]] = []

    @property
    def connected(self) -> bool:
        """Whether the device is connected."""
        return self._wire is not None

    async def connect(self) -> None:
        """Connect, say hello, and wait for the welcome."""
        self._wire = Wire(self._network, self._chance, self._receive, self._broken)
        await self._wire.open()
        self.model.send = self._send
        self.welcomed = 0.0
        self._send(self.model.hello())
        # Devices don't ask in step: the first quiet time is cut short, differently for each.
        first = self._quiet * self._chance.random()
        self._heard -= self._quiet - first
        self._be_quiet(first)
        await self.until(lambda: self.welcomed > 0)

    def disconnect(self) -> None:
        """End the connection without a word, as a device does that goes out of reach."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None
        if self._timer is not None:
            self._timer.cancel()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is true of this device, which is looked at after every frame.

        Raises:
            LabError: if the connection breaks before.
        """
        if condition():
            return
        future: asyncio.Future[None] = self._loop.create_future()
        self._watchers.append((condition, future))
        await future

    async def barrier(self) -> None:
        """Wait until the server has taken all that was sent, and all that it had to say before has come."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._barriers.append(future)
        self._send(Ping())
        await future

    def _send(self, frame: Up) -> None:
        if self._wire is None:
            raise LabError(f"{self._name} has no connection to the server")
        self._wire.send(frame)
        self._heard = self._loop.time()

    def _receive(self, frame: Down) -> None:
        if isinstance(frame, Welcome):
            self.welcomed = perf_counter()
        self.model.on_frame(frame)
        if isinstance(frame, Pong) and self._barriers:
            self._barriers.pop(0).set_result(None)
        if self._watchers:
            for watcher in list(self._watchers):
                condition, future = watcher
                if condition():
                    self._watchers.remove(watcher)
                    future.set_result(None)

    def _apply(self, message: Raw) -> None:
        self.log.apply(message, perf_counter())

    def _be_quiet(self, seconds: float) -> None:
        self._timer = self._loop.call_later(seconds, self._after_quiet)

    def _after_quiet(self) -> None:
        left = self._heard + self._quiet - self._loop.time()
        if left <= 0:
            self.model.on_quiet()
            left = self._quiet
        self._be_quiet(left)

    def _broken(self) -> None:
        self.disconnect()
        for _, future in self._watchers:
            future.set_exception(LabError(f"the server dropped {self._name}"))
        for barrier in self._barriers:
            barrier.set_exception(LabError(f"the server dropped {self._name}"))
        self._watchers.clear()
        self._barriers.clear()


class Sender:
    """What a user sends with: the app's back end, which receives nothing, so that every device is a receiver."""

    def __init__(self, network: Network) -> None:
        self._wire = Wire(network, network.chance("sender"), self._receive, self._broken)
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._loop = asyncio.get_running_loop()

    async def connect(self) -> None:
        """Connect."""
        await self._wire.open()

    def send(self, message: Message) -> asyncio.Future[None]:
        """Send a message; the result is there when it is stored."""
        self._waiting[message.id] = future = self._loop.create_future()
        self._wire.send(Send(message))
        return future

    def close(self) -> None:
        """End the connection."""
        self._wire.close()

    def _receive(self, frame: Down) -> None:
        if isinstance(frame, Sent):
            self._waiting.pop(frame.id).set_result(None)

    def _broken(self) -> None:
        for future in self._waiting.values():
            future.set_exception(LabError("the server dropped a sender"))
        self._waiting.clear()
