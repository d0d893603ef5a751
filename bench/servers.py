"""Starts the floor or the product on the server's core with an empty folder, and ends it."""

import asyncio
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_READY_SECONDS = 30
_END_SECONDS = 20
_PRODUCT = "from tideline.cli import main; main()"


class ServerError(Exception):
    """A server that didn't start."""


@dataclass(frozen=True)
class Cores:
    """Where things run: server and load on a core each; with a single core they share it."""

    server: int
    load: int


def cores() -> Cores:
    allowed = sorted(os.sched_getaffinity(0))
    return Cores(allowed[0], allowed[-1])


@dataclass(frozen=True)
class Server:
    """A running server."""

    url: str
    secret: str
    pid: int


def environment(secret: str) -> dict[str, str]:
    """The environment of every process of the bench: this checkout first, and the secret."""
    paths = [str(ROOT), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "TIDELINE_SECRET": secret}


def command(server: str, port: int, folder: Path, profile: Path | None = None) -> list[str]:
    """The command line of a server; with `profile`, under the sampler that writes to that file."""
    data = str(folder / "data")
    if server == "floor":
        program, arguments = ["-m", "bench.floor"], [str(port), data]
    else:
        program = ["-c", _PRODUCT]
        arguments = ["serve", "--host", "127.0.0.1", "--port", str(port), "--data", data]
    if profile is not None:
        program = ["-m", "bench.sampler", str(profile), server]
    return [sys.executable, *program, *arguments]


@asynccontextmanager
async def scratch(parent: Path) -> AsyncIterator[Path]:
    """An empty folder, removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="tideline-bench-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def running(server: str, core: int, folder: Path, profile: Path | None = None) -> AsyncIterator[Server]:
    """Run a server until the block ends.

    Raises:
        ServerError: if it ends, or is not ready within `_READY_SECONDS`.
    """
    port, secret, log = free_port(), secrets.token_hex(32), folder / "log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bench.pinned",
            str(core),
            *command(server, port, folder, profile),
            cwd=ROOT,
            env=environment(secret),
            stdout=output,
            stderr=output,
        )
    try:
        await ready(process, port, log)
        yield Server(f"ws://127.0.0.1:{port}/v1/ws", secret, process.pid)
        if process.returncode is not None:
            raise ServerError(f"{server} ended during the run:\n{tail(log)}")
    finally:
        await end(process)


async def ready(process: asyncio.subprocess.Process, port: int, log: Path) -> None:
    """Wait until `/healthz` answers 200."""

    def healthy() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    give_up = time.monotonic() + _READY_SECONDS
    while not await asyncio.to_thread(healthy):
        if process.returncode is not None or time.monotonic() > give_up:
            raise ServerError(f"it is not ready:\n{tail(log)}")
        await asyncio.sleep(0.05)


async def end(process: asyncio.subprocess.Process) -> None:
    """Ask the process to end, and make it."""
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), _END_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]
