"""The bus over NATS: a subject per topic, so that the servers know where there is interest."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from .contract import Receive

_MAX_MESSAGE = 512 * 1024
"""Half of what a NATS server takes unless it is told otherwise."""
_WAITING = 16 * 2**20
"""Bytes that may wait to be sent; what is over is dropped."""
_WATCH_TIMEOUT = 0.5
_CLOSE_TIMEOUT = 1
_RETRY = 0.5


class NatsBus:
    """A connection to a NATS cluster (implements ``Bus``). ``prefix`` keeps clusters on one NATS apart."""

    carries = _MAX_MESSAGE

    def __init__(self, url: str, prefix: str) -> None:
        self.dropped = 0
        self._servers = url.split(",")
        self._prefix = f"tideline.{prefix}."
        self._client: Client | None = None
        self._watched: dict[str, Any] = {}
        self._queue: list[tuple[str, bytes]] = []
        self._waiting = 0
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._receive: Receive = lambda topic, message: None
        self._resumed: Callable[[], None] = lambda: None

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return self._client is not None and self._client.is_connected

    async def open(self, receive: Receive, resumed: Callable[[], None]) -> None:
        """Connect in the background, again and again."""
        self._receive, self._resumed = receive, resumed
        self._tasks = [asyncio.create_task(self._connect()), asyncio.create_task(self._send())]
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._tasks[0]), _WATCH_TIMEOUT)

    async def _connect(self) -> None:
        while True:
            try:
                client = await nats.connect(
                    servers=self._servers,
                    name="tideline",
                    no_echo=True,
                    connect_timeout=2,
                    reconnect_time_wait=_RETRY,
                    max_reconnect_attempts=-1,
                    ping_interval=5,
                    max_outstanding_pings=2,
                    pending_size=_WAITING,
                    reconnected_cb=self._reconnected,
                    error_cb=_ignore,
                    # The first connection is tried here, so that a server that isn't there yet is no error.
                    allow_reconnect=True,
                )
            except (OSError, TimeoutError, NatsError):
                await asyncio.sleep(_RETRY)
                continue
            self._client = client
            await self._reconnected()
            return

    async def _reconnected(self) -> None:
        # The client subscribes again to what it had; what was watched meanwhile it has not heard of.
        for topic in [topic for topic, subscription in self._watched.items() if subscription is None]:
            await self._subscribe(topic)
        self._resumed()

    async def watch(self, topic: str) -> None:
        """Subscribe, and wait until the server knows; not when there is no server."""
        if topic in self._watched:
            return
        self._watched[topic] = None
        client = self._client
        if client is None or not client.is_connected:
            return
        await self._subscribe(topic)
        with suppress(NatsError, TimeoutError, OSError):
            async with asyncio.timeout(_WATCH_TIMEOUT):
                await _settled(client)

    async def _subscribe(self, topic: str) -> None:
        client = self._client
        if client is None:
            return
        with suppress(NatsError, OSError):
            subscription = await client.subscribe(self._prefix + topic, cb=self._take)
            if topic in self._watched:
                self._watched[topic] = subscription
            else:
                await subscription.unsubscribe()

    def unwatch(self, topic: str) -> None:
        """Unsubscribe."""
        subscription = self._watched.pop(topic, None)
        if subscription is not None:
            task = asyncio.ensure_future(_unsubscribe(subscription))
            self._tasks.append(task)
            task.add_done_callback(self._tasks.remove)

    async def _take(self, message: Msg) -> None:
        self._receive(message.subject[len(self._prefix) :], message.data)

    def publish(self, topic: str, message: bytes) -> None:
        """Queue a message for the sender."""
        if self._waiting > _WAITING or not self.connected:
            self.dropped += 1
            return
        self._queue.append((self._prefix + topic, message))
        self._waiting += len(message)
        if not self._wake.is_set():
            self._wake.set()

    async def _send(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            queue, self._queue, self._waiting = self._queue, [], 0
            client = self._client
            if client is None:
                continue
            try:
                for subject, message in queue:
                    await client.publish(subject, message)
            except (NatsError, OSError):
                self.dropped += 1  # and what was behind it: connections that missed something will notice

    async def close(self) -> None:
        """Send what is waiting and disconnect."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._client is None:
            return
        with suppress(NatsError, OSError, TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                if self._client.is_connected:
                    for subject, message in self._queue:
                        await self._client.publish(subject, message)
                    await _settled(self._client)
        with suppress(NatsError, OSError, TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await self._client.close()


async def _settled(client: Client) -> None:
    """Wait until the server has taken all that was said to it."""
    # The client's ping overtakes what it has not written yet. The first one makes it write; only the answer
    # to the second says that the server has read it.
    await client.flush()
    await client.flush()


async def _unsubscribe(subscription: Any) -> None:
    with suppress(NatsError, OSError):
        await subscription.unsubscribe()


async def _ignore(_: Exception) -> None:
    """A lost connection is nothing to report: `connected` says it."""
