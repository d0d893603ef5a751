"""Killed fifty times under load, at any moment: nothing acknowledged is lost, no number reused or skipped."""

import random
from pathlib import Path

import pytest

from tests.harness.load import Load
from tests.harness.server import server_process
from tests.harness.wire import device

from .soundness import assert_checked, assert_sound

KILLS = 50
USERS = ("alice", "bob", "carol", "dave")
ACKED_A_LIFE = 6
DICE = random.Random(11)


@pytest.mark.timeout(300)
async def test_a_server_killed_fifty_times_under_load_loses_and_doubles_nothing(tmp_path: Path) -> None:
    async with server_process(tmp_path / "data") as server:
        async with device(server.url, server.token("alice")) as wire:
            assert (await wire.ask("create", conversation="g:all", members=list(USERS)))["type"] == "conversation"
        load = Load([server.url], server.token)
        for user in USERS:
            for _ in range(2):
                load.start(user, ["g:all", *(other for other in USERS if other != user)])
        for kill in range(KILLS):
            # Not always after a whole commit: anywhere in the next one.
            await load.more(ACKED_A_LIFE + DICE.randrange(8))
            await server.kill()
            await server.start()
            if kill % 10 == 9:
                await assert_sound(server, USERS, list(load.acked))
        await load.more(20)
        await load.stop()
        assert load.lost >= KILLS
        await assert_sound(server, USERS, load.acked)
        assert "defect" not in server.log()
        assert await server.stop() == 0
    await assert_checked(tmp_path / "data")
