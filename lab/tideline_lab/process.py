"""The server's process, from outside."""

import asyncio
import multiprocessing
from multiprocessing.connection import Connection
from typing import TypeVar

from .errors import LabError
from .server import Figures, Order, serve
from .store import Stored

PATIENCE = 20.0
"""Seconds that a server has to answer, and to end."""

T = TypeVar("T")


class ServerProcess:
    """A server in a process of its own, and the questions that it answers.

    All may raise :class:`LabError`: if it has ended, or does not answer.
    """

    def __init__(self, order: Order) -> None:
        # Spawned, not forked: the server shares nothing with the clients but the order.
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=serve, args=(order, other), daemon=True)
        self._process.start()
        other.close()

    async def _ask(self, question: str, kind: type[T]) -> T:
        try:
            self._pipe.send(question)
        except OSError as error:
            raise LabError("the server process has ended") from error
        return await self._hear(kind)

    async def _hear(self, kind: type[T]) -> T:
        heard = await asyncio.to_thread(_receive, self._pipe)
        if not isinstance(heard, kind):
            raise LabError("the server process has ended, or does not answer")
        return heard

    async def port(self) -> int:
        """Wait for the server to listen."""
        return await self._hear(int)

    async def figures(self) -> Figures:
        """Ask for what the server has counted."""
        return await self._ask("figures", Figures)

    async def stored(self) -> Stored:
        """Ask for what the store holds."""
        return await self._ask("stored", Stored)

    def stop(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join(PATIENCE)
        if self._process.is_alive():
            self._process.kill()


def _receive(pipe: Connection) -> object:
    try:
        return pipe.recv() if pipe.poll(PATIENCE) else None
    except (EOFError, OSError):
        return None
