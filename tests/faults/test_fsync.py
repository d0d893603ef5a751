"""A failed fsync: what was written may be gone although it can be read, so the process ends and recovery decides."""

import asyncio
import signal
from pathlib import Path

import pytest

from tests.harness.load import Load
from tests.harness.server import ServerProcess

from .soundness import assert_checked, assert_sound

USERS = ("alice", "bob")
EXIT_FAILED = 70


class Harmed(ServerProcess):
    """A server whose fsync can be made to fail."""

    module = "tests.faults.harmed"


async def test_after_a_failed_fsync_the_server_acknowledges_nothing_more_and_ends(tmp_path: Path) -> None:
    server = Harmed(tmp_path / "data")
    await server.start()
    load = Load([server.url], server.token)
    try:
        load.start("alice", ["bob"])
        load.start("bob", ["alice", "bob"])
        await load.more(30)
        assert server.process is not None
        server.process.send_signal(signal.SIGUSR1)
        async with asyncio.timeout(20):
            assert await server.process.wait() == EXIT_FAILED
        assert "fsync fails from now on" in server.log()
        before = len(load.acked)
        server.module = "tideline"
        await server.start()
        await load.more(30)
        await load.stop()
        assert len(load.acked) >= before + 30
        await assert_sound(server, USERS, load.acked)
        assert await server.stop() == 0
    finally:
        if server.process is not None and server.process.returncode is None:
            await server.kill()
    await assert_checked(tmp_path / "data")


@pytest.mark.parametrize("jumps", ["-86400,172800", "31536000,-31536000"])
async def test_a_clock_that_jumps_moves_no_number_and_loses_nothing(
    tmp_path: Path, jumps: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARMED_JUMPS", jumps)
    server = Harmed(tmp_path / "data")
    server.token = lambda user, *_: ServerProcess.token(server, user, days=2_000)  # type: ignore[method-assign]
    await server.start()
    load = Load([server.url], server.token)
    try:
        load.start("alice", ["bob"])
        load.start("bob", ["alice", "bob"])
        await load.more(20)
        assert server.process is not None
        for _ in jumps.split(","):
            server.process.send_signal(signal.SIGUSR2)
            await load.more(20)
        await load.stop()
        assert server.log().count("the clock has jumped") == 2
        assert not load.errors
        await assert_sound(server, USERS, load.acked)
        await server.kill()
        await server.start()
        await assert_sound(server, USERS, load.acked)
        assert await server.stop() == 0
    finally:
        if server.process is not None and server.process.returncode is None:
            await server.kill()
    await assert_checked(tmp_path / "data")
