"""Plays the scene: every simulated device is a real client on a real connection."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress

from tideline.client.client import Client
from tideline.client.policy import Policy
from tideline.client.stores.memory import MemoryStore
from tideline.protocol.errors import TidelineError
from tideline.protocol.events import MessageEvent

from .cast import CAST, DIRECT, GROUPS, LINES, Role

_QUIET = 20.0
"""Seconds between two messages while nobody looks."""
_LOOK = 0.5
_RETRY = 5.0
_BUFFER = 8


class Actor:
    """One simulated device, which keeps what it knows while it is offline."""

    def __init__(self, role: Role, url: str, token: Callable[[str], str]) -> None:
        self.role = role
        self.client: Client | None = None
        self._url = url
        self._token = token
        self._store = MemoryStore()

    async def run(self) -> None:
        """Be online and offline by turns."""
        while True:
            try:
                async with self._open() as client, asyncio.timeout(self.role.up or None):
                    self.client = client
                    await self._listen(client)
            except (TimeoutError, TidelineError):
                pass
            finally:
                self.client = None
            await asyncio.sleep(self.role.down or _RETRY)

    def _open(self) -> Client:
        role = self.role
        return Client(
            self._url,
            self._token(role.user),
            device=role.device,
            store=self._store,
            delivery=role.delivery,
            buffer=_BUFFER if role.pace else 1000,
            policy=Policy(page=role.page),
        )

    async def _listen(self, client: Client) -> None:
        """Take what comes at this device's pace, and read now and then."""
        async for event in client.events():
            if self.role.pace:
                await asyncio.sleep(self.role.pace)
            if isinstance(event, MessageEvent) and event.message.sender != self.role.user and random.random() < 0.3:
                await client.read(event.message.conversation, event.message.message_seq)


class Scene:
    """All actors, and who speaks when. ``audience``: whether anybody looks; ``token`` makes one for a user."""

    def __init__(self, url: str, token: Callable[[str], str], audience: Callable[[int], bool]) -> None:
        self._actors = [Actor(role, url, token) for role in CAST]
        self._audience = audience
        self._founded: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to play."""
        for work in (*(actor.run() for actor in self._actors), self._speak()):
            task = asyncio.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """End."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def online(self) -> int:
        """How many of the devices are connected."""
        return sum(actor.client is not None for actor in self._actors)

    async def _speak(self) -> None:
        """Let someone say something, again and again."""
        line = 0
        while True:
            for _ in range(random.choice((1, 1, 1, 2, 3))):
                with suppress(TidelineError):
                    await self._say(LINES[line % len(LINES)])
                line += 1
                await asyncio.sleep(random.uniform(0.15, 0.5))
            for _ in range(round(_QUIET / _LOOK)):
                if self._audience(self.online):
                    break
                await asyncio.sleep(_LOOK)
            await asyncio.sleep(random.uniform(0.4, 1.4))

    async def _found(self, name: str) -> bool:
        """Make sure that a group is there; tell whether it is."""
        title, members = GROUPS[name]
        founder = self._speaker(members[0])
        if name not in self._founded and founder is not None:
            await founder.create(name, title=title, members=members[1:], history="all")
            self._founded.add(name)
        return name in self._founded

    async def _say(self, text: str) -> None:
        if random.random() < 0.65:
            target, (_, members) = random.choice(list(GROUPS.items()))
        else:
            members = random.choice(DIRECT)
            target = ""
        sender = random.choice(members)
        client = self._speaker(sender)
        if client is None or (target and not await self._found(target)):
            return
        target = target or next(name for name in members if name != sender)
        await client.signal(target, "typing")
        await asyncio.sleep(random.uniform(0.1, 0.4))
        await client.send(target, text)

    def _speaker(self, user: str) -> Client | None:
        """Return a device of a user that is online and has caught up."""
        found = [
            actor.client
            for actor in self._actors
            if actor.role.user == user and actor.client is not None and actor.client.status == "live"
        ]
        return random.choice(found) if found else None
