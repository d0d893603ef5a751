"""All connections of a server: what they share, and what is done for all of them every second."""

import asyncio
import math
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable

from tideline.delivery.engine import Engine
from tideline.delivery.outbox import State
from tideline.observe import Observer
from tideline.protocol.errors import Close
from tideline.protocol.limits import Limits

from .auth import Keyring
from .connection import Connection
from .hub import Hub
from .session import handle
from .settings import GatewaySettings

_LEAVE_EVERY = 0.05
"""Seconds between two groups of devices that are sent away."""
_LEAVE_AT_LEAST = 500.0
"""Devices a second: fewer would only make a stop longer."""
_BACK_AFTER = 0.5
"""Seconds after which a device that was sent away comes back, on average."""
_SWEEP = 1.0
"""Seconds between two looks at all connections: timeouts are as exact as this."""


class Gateway:
    """The connections of all apps. ``engine_of`` returns an app's engine, opened at its first use."""

    def __init__(
        self,
        keyring: Keyring,
        engine_of: Callable[[str], Awaitable[Engine]],
        limits: Limits,
        settings: GatewaySettings,
        observer: Observer,
    ) -> None:
        self.keyring = keyring
        self.limits = limits
        self.settings = settings
        self.observer = observer
        self.handle = handle
        self.loop = asyncio.get_running_loop()
        self.now = self.loop.time()
        """The loop's clock as of the last sweep: exact enough for timeouts, and free to read."""
        self.stopping = False
        self._engine_of = engine_of
        self._hubs: dict[str, Hub] = {}
        self._connections: set[Connection] = set()
        self._gathered: list[Connection] = []
        self._sweeper: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to watch over the connections."""
        self._sweeper = asyncio.create_task(self._sweep())

    async def hub(self, app: str) -> Hub:
        """Return where an app's connections meet."""
        hub = self._hubs.get(app)
        if hub is None:
            engine = await self._engine_of(app)
            # Others may have asked meanwhile: a second hub would answer everything a second time.
            hub = self._hubs.get(app)
            if hub is None:
                hub = self._hubs[app] = Hub(engine, self.observer)
        return hub

    def add(self, connection: Connection) -> None:
        """Watch over a connection."""
        self._connections.add(connection)
        self.observer.opened()

    def discard(self, connection: Connection) -> None:
        """Forget a connection that has ended."""
        if connection in self._connections:
            self._connections.discard(connection)
            self.observer.gone()

    def gathered(self, connection: Connection) -> None:
        """Flush a connection before this turn of the event loop ends."""
        if not self._gathered:
            self.loop.call_soon(self.flush)
        self._gathered.append(connection)

    def flush(self) -> None:
        """Send what has gathered, one WebSocket message per connection."""
        gathered, self._gathered = self._gathered, []
        for connection in gathered:
            connection.flush()

    def __len__(self) -> int:
        return len(self._connections)

    async def drain(self, seconds: float) -> None:
        """Send devices away bit by bit, so that the nodes that take them see a stream and no wave.

        Meanwhile those that are still here are served. At most ``seconds``; few devices leave faster.
        """
        connections = list(self._connections)
        pace = max(len(connections) / seconds, _LEAVE_AT_LEAST) if seconds > 0 else math.inf
        count = max(1, math.ceil(pace * _LEAVE_EVERY)) if pace < math.inf else max(1, len(connections))
        for start in range(0, len(connections), count):
            for connection in connections[start : start + count]:
                after = _BACK_AFTER * (0.5 + secrets.randbelow(1000) / 1000)
                connection.close(Close.RESTART, "this node is stopping", retry_after=round(after, 3))
            await asyncio.sleep(_LEAVE_EVERY)

    def hold(self) -> None:
        """Read nothing more, so that what is in flight comes to an end however busy the devices are."""
        self.stopping = True
        for connection in list(self._connections):
            connection.throttle()

    async def close(self, retry_after: float) -> None:
        """Say ``bye`` to everyone, spread over ``retry_after`` seconds, and wait until they are gone (≤ 3 s)."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        self.flush()
        connections = list(self._connections)
        for place, connection in enumerate(connections):
            after = retry_after * (0.5 + place / len(connections))
            connection.close(Close.RESTART, "the server is restarting", retry_after=round(after, 3))
        for _ in range(30):
            if not self._connections:
                return
            await asyncio.sleep(0.1)
        for connection in list(self._connections):
            connection.transport.disconnect(False)

    async def _sweep(self) -> None:
        while True:
            due = self.loop.time() + _SWEEP
            await asyncio.sleep(_SWEEP)
            self.now = self.loop.time()
            self.observer.loop_delay(self.now - due)
            counts: Counter[State] = Counter()
            for connection in list(self._connections):
                if connection.welcomed:
                    counts[connection.outbox.state] += 1
                self._check(connection)
            self.observer.outboxes((state.name.lower(), counts[state]) for state in State)

    def _check(self, connection: Connection) -> None:
        settings, now = self.settings, self.now
        if connection.closing:
            return
        if connection.full_since is not None and now - connection.full_since > settings.drain_timeout:
            connection.close(Close.TRY_LATER, "what is sent is not read")
        elif connection.identity is None:
            if now - connection.since > settings.hello_timeout:
                connection.close(Close.TIMEOUT, "no hello in time")
        elif now - connection.heard > 2 * settings.heartbeat:
            connection.close(Close.TIMEOUT, "no heartbeat in time")
        elif connection.identity.expires < self.wall():
            connection.close(Close.UNAUTHORIZED, "the token has expired")

    @staticmethod
    def wall() -> float:
        """Return the time in seconds since 1970, which tokens expire by."""
        return time.time()
