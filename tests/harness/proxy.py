"""A network that can be cut: forwards TCP to a server, until it is told not to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Proxy:
    """Between one client and one server; when it is cut, both sides see silence, as with a pulled cable."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._open = asyncio.Event()
        self._open.set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._untold: list[asyncio.StreamWriter] = []
        self.port = 0
        self.pace = 0.0
        """Seconds that a kilobyte takes; while it is not 0, hardly anything is buffered here."""
        self.tells_ends = True
        """Whether one side learns that the other has closed."""
        self.asked: bytearray | None = None
        """What clients sent, when a test puts a ``bytearray`` here."""

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        self._open.clear()

    def mend(self) -> None:
        self._open.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            back, forth = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.close()
            return
        for source, target in ((reader, forth), (back, writer)):
            task = asyncio.create_task(self._forward(source, target, asking=target is forth))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, asking: bool) -> None:
        try:
            while data := await source.read(1_024 if self.pace else 65_536):
                await self._open.wait()
                await asyncio.sleep(self.pace)
                if asking and self.asked is not None:
                    self.asked += data
                target.write(data)
                await target.drain()
        except OSError:
            pass
        finally:
            if self.tells_ends:
                target.close()
            else:
                self._untold.append(target)

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._untold:
            writer.close()


@asynccontextmanager
async def proxy(port: int) -> AsyncIterator[Proxy]:
    made = Proxy(port)
    await made.start()
    try:
        yield made
    finally:
        await made.close()
