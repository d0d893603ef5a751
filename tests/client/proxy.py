"""A way to the server that can be cut, or swallow everything: what networks do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Proxy:
    """Forwards connections to a port of loopback."""

    def __init__(self, to: int) -> None:
        self.to = to
        self.port = 0
        self.swallowing = False
        self.opened = 0
        self.refusing = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Reset all connections."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            writer.transport.abort()
            return
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.to)
        except OSError:
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        both = {writer, server_writer}
        self._writers |= both
        self.opened += 1
        try:
            await asyncio.gather(self.pump(reader, server_writer), self.pump(server_reader, writer))
        finally:
            for each in both:
                each.transport.abort()
            self._writers -= both
            self._tasks.discard(task)

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                if not self.swallowing:
                    writer.write(data)
                    await writer.drain()
        if not self.swallowing:
            writer.transport.abort()


@asynccontextmanager
async def proxy(to: int) -> AsyncIterator[Proxy]:
    made = Proxy(to)
    server = await asyncio.start_server(made.accept, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        made.cut()
        await asyncio.gather(*made._tasks, return_exceptions=True)
        await asyncio.sleep(0.01)
