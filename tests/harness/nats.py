"""NATS servers of the tests' own, on a free port."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from .postgres import free_port


class NatsServer:
    """One ``nats-server`` process; a restarted one has the same port and knows nothing."""

    def __init__(self) -> None:
        self.port = free_port()
        self.process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    async def start(self) -> None:
        program = shutil.which("nats-server") or "/usr/sbin/nats-server"
        self.process = await asyncio.create_subprocess_exec(
            *(program, "--addr", "127.0.0.1", "--port", str(self.port)),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(10):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0.02)
                else:
                    writer.close()
                    return

    async def kill(self) -> None:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


@asynccontextmanager
async def nats_server() -> AsyncIterator[NatsServer]:
    """Run a server of one's own."""
    server = NatsServer()
    await server.start()
    try:
        yield server
    finally:
        await server.kill()
