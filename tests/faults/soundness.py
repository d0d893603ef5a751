"""What must be true of a server's data after any fault, checked over its protocol and by its own ``check``."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.harness.load import Acked
from tests.harness.server import ServerProcess
from tests.harness.wire import Frame, device


async def timeline(server: ServerProcess, user: str) -> list[Frame]:
    """Return all entries of a user, pulled page by page, which must have no hole."""
    entries: list[Frame] = []
    async with device(server.url, server.token(user), "checker") as wire:
        page = wire.welcome
        assert page["type"] == "welcome", page
        epoch = page["epoch"]
        entries += page["entries"]
        while page["more"]:
            page = await wire.ask("pull", 20, after=len(entries), epoch=epoch, limit=1000)
            entries += page["entries"]
    assert [entry["seq"] for entry in entries] == list(range(1, page["head"] + 1)), user
    return entries


async def assert_sound(server: ServerProcess, users: Sequence[str], acked: Sequence[Acked]) -> None:
    """Check that nothing acknowledged is lost or doubled, and that no number is missing or used twice."""
    for user in users:
        entries = await timeline(server, user)
        messages = {entry["seq"]: entry["event"]["message"] for entry in entries if entry["event"]["type"] == "message"}
        ids = [message["client_id"] for message in messages.values()]
        assert len(ids) == len(set(ids)), f"{user} has a message twice"
        places = [(message["conversation"], message["message_seq"]) for message in messages.values()]
        for name in {place[0] for place in places}:
            numbers = [seq for conversation, seq in places if conversation == name]
            assert numbers == list(range(1, len(numbers) + 1)), f"{user}, {name}: {numbers[:20]}"
        for message in acked:
            if message.sender == user:
                found = messages[message.seq]
                assert (found["client_id"], found["message_seq"]) == (message.client_id, message.message_seq)


async def assert_checked(data: Path) -> None:
    """Let ``tideline check`` read all of a stopped server's data."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tideline", "check", f"--data={data}"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, (out + err).decode()[-2000:]
