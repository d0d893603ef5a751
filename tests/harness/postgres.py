"""PostgreSQL servers of the tests' own: on a free port, with data in a temporary folder."""

import asyncio
import itertools
import os
import pwd
import shutil
import signal
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from tideline.stores.postgres import migrate

_numbers = itertools.count(1)


def _programs() -> Path:
    return max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _user() -> dict[str, Any]:
    """PostgreSQL refuses to run as root: say as whom it runs then."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    return {"user": "postgres" if "postgres" in names else "nobody", "extra_groups": []}


class PostgresServer:
    """One ``postgres`` process and its data."""

    def __init__(self, folder: Path, settings: dict[str, object]) -> None:
        self.folder = folder
        self.settings = settings
        self.port = free_port()
        self.process: asyncio.subprocess.Process | None = None

    def url(self, database: str) -> str:
        return f"postgresql://tests@127.0.0.1:{self.port}/{database}"

    async def make(self) -> None:
        await self.run("initdb", "-D", self.folder / "data", "-A", "trust", "-U", "tests", "-E", "UTF8", "--locale=C")

    async def start(self) -> None:
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self.folder,
            "max_connections": 120,
            "shared_buffers": "64MB",
            **self.settings,
        }
        options = [f"-c{name}={value}" for name, value in settings.items()]
        with (self.folder / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(str(_programs() / "postgres"), "-D", str(self.folder / "data"), *options),
                stdout=asyncio.subprocess.DEVNULL,
                stderr=log,
                cwd="/",
                **_user(),
            )
        async with asyncio.timeout(30):
            while not await self._answers():
                assert self.process.returncode is None, (self.folder / "log").read_text()[-2000:]
                await asyncio.sleep(0.05)

    async def _answers(self) -> bool:
        try:
            connection = await asyncpg.connect(self.url("postgres"), timeout=2)
        except (OSError, TimeoutError, asyncpg.PostgresError):
            return False
        await connection.close()
        return True

    async def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT cuts connections and rolls back, SIGQUIT is as a crash."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(how)
            async with asyncio.timeout(20):
                await self.process.wait()

    async def crash(self) -> None:
        """End the server and every process of it at once, as a crash of the machine would."""
        await self.stop(signal.SIGQUIT)

    async def execute(self, statement: str, database: str = "postgres") -> list[Any]:
        connection = await asyncpg.connect(self.url(database), timeout=10)
        try:
            rows: list[Any] = await connection.fetch(statement)
            return rows
        finally:
            await connection.close()

    async def database(self, *, migrated: bool = True) -> str:
        """Make a database nobody else uses; return its URL."""
        name = f"tideline_{next(_numbers)}"
        await self.execute(f"CREATE DATABASE {name}")
        if migrated:
            await migrate(self.url(name))
        return self.url(name)

    async def run(self, program: str, *arguments: object) -> str:
        """Run one of PostgreSQL's programs; return what it said."""
        process = await asyncio.create_subprocess_exec(
            *(str(_programs() / program), *map(str, arguments)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd="/",
            **_user(),
        )
        said, _ = await process.communicate()
        assert process.returncode == 0, said.decode()
        return said.decode()


@asynccontextmanager
async def postgres_server(parent: Path | None = None, **settings: object) -> AsyncIterator[PostgresServer]:
    """Run a server of one's own; ``settings`` as in ``postgresql.conf``."""
    folder = Path(tempfile.mkdtemp(prefix="tideline-postgres-", dir=parent))
    if _user():
        shutil.chown(folder, _user()["user"])
    server = PostgresServer(folder, settings)
    try:
        await server.make()
        await server.start()
        yield server
    finally:
        await server.crash()
        shutil.rmtree(folder)
