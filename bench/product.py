"""The product's sequencer and embedded store, driven without a gateway (implements `bench.engines.Engine`).

Wired as `tideline.app` wires them, with the default settings.
"""

import asyncio
import secrets
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.device import LoadError
from bench.engines import Message
from tideline import collector
from tideline.config import Settings
from tideline.data import embedded_options
from tideline.delivery.commands import Command, Commit
from tideline.delivery.engine import LocalEngine
from tideline.observe import Observer
from tideline.protocol.errors import RequestError
from tideline.protocol.requests import Send
from tideline.stores.embedded import EmbeddedBackend


class Nobody:
    """An origin that waits for nothing: the commit tells what became of its commands."""

    def answered(self, command: Command, frame: bytes) -> None:
        """Take a response."""

    def refused(self, command: Command, error: RequestError) -> None:
        """Take an error."""


class ProductEngine:
    """Made with `open`."""

    def __init__(self, backend: EmbeddedBackend, engine: LocalEngine) -> None:
        self._backend = backend
        self._engine = engine
        self._left = 0
        self._done: asyncio.Future[None] | None = None
        self._prefix = secrets.token_hex(12)
        self._number = 0
        self._origin = Nobody()
        engine.listen(self._committed)

    @classmethod
    async def open(cls, folder: Path) -> "ProductEngine":
        collector.settle()
        settings = Settings(data=folder)
        backend = EmbeddedBackend(folder / "store", embedded_options(settings))

        def failed(error: Exception) -> None:
            raise LoadError(str(error))

        engine = LocalEngine(
            await backend.store("main"),
            settings.limits,
            Observer(),
            batch_records=settings.batch_records,
            failed=failed,
        )
        return cls(backend, engine)

    async def send_batch(self, messages: Sequence[Message]) -> None:
        """Submit the messages and wait for their commits."""
        self._left = len(messages)
        self._done = asyncio.get_running_loop().create_future()
        for sender, receiver, body in messages:
            self._number += 1
            conversation = f"d:u{min(sender, receiver):07d}~u{max(sender, receiver):07d}"
            send = Send(
                id=1, client_id=f"{self._prefix}{self._number:08d}", body=msgspec.Raw(body), conversation=conversation
            )
            self._engine.submit(Command("send", f"u{sender:07d}", conversation, send, self._origin, id=1))
        await self._done

    def _committed(self, commit: Commit) -> None:
        if self._done is None or self._done.done():
            return
        for _, reply in commit.replies:
            self._left -= 1
            if isinstance(reply, RequestError):
                self._done.set_exception(LoadError(f"a send was refused: {reply}"))
                return
        if not self._left:
            self._done.set_result(None)

    async def close(self) -> None:
        await self._engine.drain()
        await self._backend.close()
