"""A real server in a process of its own, for tests."""

import asyncio
import os
import re
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tideline.gateway.auth import Key, Scope, make_token

ADDRESS = re.compile(rb"http://127\.0\.0\.1:(\d+)")


class ServerProcess:
    """``tideline serve`` on a free port of loopback."""

    module = "tideline"
    """What is run: a fault may be wrapped around it."""

    def __init__(self, data: Path, options: dict[str, object] | None = None) -> None:
        self.data = data
        self.options = dict(options or {})
        self.secret = secrets.token_urlsafe(32)
        self.port = 0
        self.process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, timeout: float = 20) -> None:
        arguments = [f"--{name.replace('_', '-')}={value}" for name, value in self.options.items()]
        with (self.data.parent / f"{self.data.name}.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", self.module, "serve", f"--port={self.port}", f"--data={self.data}"),
                *arguments,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env={**os.environ, "TIDELINE_SECRET": self.secret},
            )
        assert self.process.stdout is not None
        async with asyncio.timeout(timeout):
            while not (found := ADDRESS.search(line := await self.process.stdout.readline())):
                assert line, f"the server ended: {self.log()[-2000:]}"
        self.port = int(found[1])

    def log(self) -> str:
        return (self.data.parent / f"{self.data.name}.log").read_text()

    async def kill(self) -> None:
        """End it at once, as a crash would."""
        await self.signal(signal.SIGKILL)

    async def stop(self, timeout: float = 10) -> int:
        """Ask it to end; return its exit status."""
        return await self.signal(signal.SIGTERM, timeout)

    async def signal(self, number: int, timeout: float = 10) -> int:
        process = self.process
        assert process is not None
        if process.returncode is None:
            process.send_signal(number)
        async with asyncio.timeout(timeout):
            return await process.wait()

    def memory(self) -> int:
        """Return the bytes that the process holds in memory."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024

    def token(
        self, user: str, device: str | None = None, scope: Scope = "user", app: str = "main", days: float = 1
    ) -> str:
        return make_token(Key(self.secret), user, device=device, scope=scope, app=app, days=days)


@asynccontextmanager
async def server_process(data: Path, **options: object) -> AsyncIterator[ServerProcess]:
    server = ServerProcess(data, options)
    await server.start()
    try:
        yield server
    finally:
        if server.process is not None and server.process.returncode is None:
            await server.kill()
