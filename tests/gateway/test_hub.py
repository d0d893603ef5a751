"""What a commit brings reaches everyone, whatever happens to one of them."""

import asyncio
from pathlib import Path
from typing import Any

from tests.harness.engine import desk
from tideline.delivery.outbox import Outbox
from tideline.gateway.hub import Hub
from tideline.observe import Observer
from tideline.timeline.changes import Run


class Listening:
    """A connection of a device (implements ``hub.Device``), which may have a defect."""

    def __init__(self, *, defect: bool = False) -> None:
        self.outbox = Outbox()
        self.defect = defect
        self.heard: list[int] = []
        self.end: str | None = None

    def deliver(self, run: Run) -> int:
        if self.defect:
            raise RuntimeError("a defect")
        self.heard += range(run.first, run.last + 1)
        return len(run.posts)

    def flush(self) -> None: ...

    def signal(self, frame: bytes) -> None: ...

    def replaced(self, by: str | None) -> None:
        self.end = "replaced"

    def forgotten(self) -> None:
        self.end = "forgotten"

    def failed(self) -> None:
        self.end = "failed"


async def test_a_connection_that_fails_is_ended_and_keeps_nothing_from_the_others(tmp_path: Path) -> None:
    async with desk(tmp_path / "store") as engine:
        hub = Hub(engine.engine, Observer())
        devices: dict[str, Any] = {name: Listening(defect=name == "bad") for name in ("one", "bad", "two")}
        for name, each in devices.items():
            hub.attach("alice", name, each, None)
        for _ in range(3):
            async with asyncio.timeout(5):
                await engine.say("bob", "alice")
        assert devices["one"].heard == devices["two"].heard == [1, 2, 3]
        assert [each.end for each in devices.values()] == [None, "failed", None]


async def test_the_same_connection_attached_again_does_not_replace_itself(tmp_path: Path) -> None:
    async with desk(tmp_path / "store") as engine:
        hub = Hub(engine.engine, Observer())
        phone = Listening()
        hub.attach("alice", "phone", phone, None)
        hub.attach("alice", "phone", phone, None)
        assert phone.end is None
        hub.detach("alice", "phone", Listening())
        assert hub.online("alice") == {"phone"}
        hub.detach("alice", "phone", phone)
        assert hub.online("alice") == set()
