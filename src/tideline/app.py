"""The server: the only place where concrete parts are wired together."""

import asyncio
import os
import secrets
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp import web

from tideline import secret
from tideline.bus.contract import Bus
from tideline.bus.nats import NatsBus
from tideline.bus.notify import NotifyBus
from tideline.config import Settings, SettingsError
from tideline.data import backend
from tideline.delivery.engine import LocalEngine
from tideline.delivery.shared import SharedEngine
from tideline.gateway.auth import MAIN, Key, Keyring, make_token
from tideline.gateway.demo import DemoTokens
from tideline.gateway.front import Front
from tideline.gateway.gateway import Gateway
from tideline.gateway.http import HttpSide
from tideline.gateway.inspect import Inspector
from tideline.gateway.pages import Pages
from tideline.gateway.settings import GatewaySettings
from tideline.observe import Observer
from tideline.stores.postgres import PostgresBackend
from tideline.timeline.contract import Backend, StoreError, StoreFailed, StoreUnavailable

if TYPE_CHECKING:
    from tideline.demo.scene import Scene

_DEVICES_EVERY = 5.0
_STOP_TIMEOUT = 5.0
EXIT_FAILED = 70
"""Exit status when durability was in doubt."""


def keys(settings: Settings) -> dict[str, Key]:
    """Return the keys of all apps; the main one is made in the data folder if it is not given.

    Raises:
        SettingsError: if there is no data folder that all nodes share.
    """
    if settings.store is not None and settings.secret is None:
        raise SettingsError("with --store, give all nodes the same key: TIDELINE_SECRET")
    main = settings.secret or secret.load_or_make(settings.data)
    return {
        MAIN: Key(main, settings.algorithm),
        **{app: Key(value) for app, value in settings.apps.items()},
    }


class Server:
    """A running server; made by :func:`running`."""

    def __init__(self, settings: Settings, backend: Backend) -> None:
        self.settings = settings
        self.observer = Observer()
        self.failed: asyncio.Future[StoreFailed] = asyncio.get_running_loop().create_future()
        self._backend = backend
        self._bus: Bus | None = None
        self._engines: dict[str, LocalEngine] = {}
        self._opening = asyncio.Lock()
        self.gateway = Gateway(
            Keyring(keys(settings)),
            self.engine,
            settings.limits,
            GatewaySettings(
                heartbeat=settings.heartbeat,
                hello_timeout=settings.hello_timeout,
                high_water=settings.high_water,
                drain_timeout=settings.drain_timeout,
                max_in_flight=settings.max_in_flight,
                allowed_origins=settings.origins,
            ),
            self.observer,
        )
        application = HttpSide(self.gateway, self._backend.probe).application()
        self._inspector = Inspector(self.gateway)
        self._inspector.add_to(application)
        Pages(demo=settings.demo).add_to(application.router)
        if settings.demo:
            DemoTokens(keys(settings)[MAIN]).add_to(application.router)
        # A kept connection that says nothing whole ends like a device that says nothing.
        self._runner = web.AppRunner(
            application, access_log=None, handle_signals=False, keepalive_timeout=2 * settings.heartbeat
        )
        self._listener: asyncio.Server | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._scene: Scene | None = None
        self.address = ""

    async def engine(self, app: str) -> LocalEngine:
        """Return an app's engine."""
        engine = self._engines.get(app)
        if engine is None:
            async with self._opening:  # an app has one sequencer, however many ask for it at once
                engine = self._engines.get(app) or await self._open_engine(app)
                self._engines[app] = engine
        return engine

    async def _open_engine(self, app: str) -> LocalEngine:
        limits, batch_records = self.settings.limits, self.settings.batch_records
        if self._bus is None:
            store = await self._backend.store(app)
            return LocalEngine(store, limits, self.observer, batch_records=batch_records, failed=self._fail)
        assert isinstance(self._backend, PostgresBackend)
        shared = await self._backend.store(app)
        return SharedEngine(shared, self._bus, limits, self.observer, batch_records=batch_records, failed=self._fail)

    async def _open_bus(self, backend: PostgresBackend) -> None:
        node = secrets.token_hex(8)
        url = self.settings.bus
        self._bus = NotifyBus(backend.url, node) if url is None else NatsBus(url, backend.cluster)
        await self._bus.open(self._receive, self._resumed)
        self.observer.bus(self._bus.connected)

    def _shared_engines(self) -> list[SharedEngine]:
        return [engine for engine in self._engines.values() if isinstance(engine, SharedEngine)]

    def _receive(self, topic: str, message: bytes) -> None:
        """Take what the bus brings to the app that it is for."""
        for engine in self._shared_engines():
            if engine.receive(topic, message):
                return

    def _resumed(self) -> None:
        for engine in self._shared_engines():
            engine.resumed()

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: if the address can't be used.
        """
        if isinstance(self._backend, PostgresBackend):
            await self._backend.open()
            await self._open_bus(self._backend)
        await self._runner.setup()
        http = self._runner.server
        assert http is not None
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            lambda: Front(self.gateway, http), self.settings.host, self.settings.port, backlog=4096
        )
        host, port = self._listener.sockets[0].getsockname()[:2]
        self.address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self.gateway.start()
        self._keeper = asyncio.create_task(self._keep())
        if self.settings.demo and self.settings.scene:
            self._scene = self._play()

    async def stop(self) -> None:
        """Stop accepting, commit what is in flight, say ``bye``, close the store."""
        if self.address:
            self.observer.stopping(len(self.gateway))
        if self._scene is not None:
            await self._scene.stop()
        if self._listener is not None:
            self._listener.close()
        if self._bus is not None:
            self.observer.draining(len(self.gateway), self.settings.drain)
            await self.gateway.drain(self.settings.drain)
        self.gateway.hold()
        try:
            async with asyncio.timeout(_STOP_TIMEOUT):
                for engine in self._engines.values():
                    await engine.drain()
        except (TimeoutError, StoreError) as error:
            self.observer.commit_failed(f"at the stop: {error}")
        await self.gateway.close(self.settings.retry_after)
        if self._keeper is not None:
            self._keeper.cancel()
        await self._runner.cleanup()
        for engine in self._engines.values():
            await engine.close()
        if self._bus is not None:
            await self._bus.close()
        await self._backend.close()
        if self.address:
            self.observer.stopped()

    def _play(self) -> "Scene":
        """Begin the scene of a demo."""
        from tideline.demo.scene import Scene  # with it comes the whole client, a fifth of the time to start

        key = keys(self.settings)[MAIN]
        scene = Scene(
            self.address,
            lambda user: make_token(key, user),
            lambda own: self._inspector.viewers > 0 or len(self.gateway) > own,
        )
        scene.start()
        return scene

    def _fail(self, error: StoreFailed) -> None:
        self.observer.store_failed(str(error))
        if not self.failed.done():
            self.failed.set_result(error)

    async def _keep(self) -> None:
        """Write what is known of devices, now and then."""
        while True:
            await asyncio.sleep(_DEVICES_EVERY)
            for engine in self._engines.values():
                try:
                    await engine.devices.flush()
                except StoreUnavailable as error:
                    self.observer.commit_failed(f"devices: {error}")
                except StoreFailed as error:
                    self._fail(error)


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Server]:
    """Run a server within this block.

    Raises:
        StoreLocked: if another process has the data open.
        OSError: if the address or the folder can't be used.
    """
    started = time.perf_counter()
    server = Server(settings, backend(settings))
    try:
        await server.start()
        where = _without_password(settings.store) if settings.store else str(settings.data)
        server.observer.started(server.address, where, time.perf_counter() - started)
        yield server
    finally:
        await server.stop()


async def serve(settings: Settings, ready: asyncio.Future[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; return the exit status."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(settings) as server:
        if ready is not None:
            ready.set_result(server.address)
        server.failed.add_done_callback(lambda _: stop.set())
        await stop.wait()
        if server.failed.done():
            # Nothing more may be written: recovery at the next start decides what is committed.
            os._exit(EXIT_FAILED)
    return 0
