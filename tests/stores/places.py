"""Places where data lives, for the conformance suite: how to open a backend, crash it, and let a commit fail."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from tideline.stores.embedded import EmbeddedBackend, EmbeddedOptions
from tideline.stores.memory import MemoryStore
from tideline.stores.postgres import PostgresBackend, PostgresOptions, PostgresStore
from tideline.timeline.changes import Changes, Placement, Post, Run, SendKey
from tideline.timeline.contract import Store
from tideline.timeline.records import Conversation, Member, Room
from tideline.timeline.refs import event


class Place(Protocol):
    """A backend under test."""

    async def open(self, app: str = "main", *, ttl: int | None = None) -> Store:
        """Open an app's store, or return the one that is open."""
        ...

    async def reopen(self) -> Store:
        """Crash, and open what is there."""
        ...

    async def close(self) -> None: ...


class EmbeddedPlace:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.backend: EmbeddedBackend | None = None
        self.options = EmbeddedOptions()

    async def open(self, app: str = "main", *, ttl: int | None = None) -> Store:
        if ttl is not None:
            self.options = EmbeddedOptions(client_id_ttl=ttl)
        if self.backend is None:
            self.backend = EmbeddedBackend(self.folder / "store", self.options)
        return await self.backend.store(app)

    async def reopen(self) -> Store:
        await self.close()
        return await self.open()

    async def close(self) -> None:
        if self.backend is not None:
            await self.backend.close()
        self.backend = None


class MemoryPlace:
    def __init__(self) -> None:
        self.stores: dict[str, MemoryStore] = {}

    async def open(self, app: str = "main", *, ttl: int | None = None) -> Store:
        if app not in self.stores:
            self.stores[app] = MemoryStore(app, f"epoch of {app}", client_id_ttl=ttl or 86_400)
        return self.stores[app]

    async def reopen(self) -> Store:
        self.stores["main"].crash()
        return self.stores["main"]

    async def close(self) -> None: ...


class PostgresPlace:
    def __init__(self, url: str, *, distributed: bool = False) -> None:
        self.url = url
        self.backends: list[PostgresBackend] = []

        self.options = PostgresOptions(connections=4, distributed=distributed)

    async def open(self, app: str = "main", *, ttl: int | None = None) -> Store:
        if ttl is not None:
            self.options = msgspec.structs.replace(self.options, client_id_ttl=ttl)
        if not self.backends:
            return await self.beside(app)
        return await self.backends[0].store(app)

    async def beside(self, app: str = "main") -> PostgresStore:
        """Open the same data as another process would."""
        backend = PostgresBackend(self.url, self.options)
        self.backends.append(backend)
        return await (await backend.open()).store(app)

    async def reopen(self) -> Store:
        await self.close()
        return await self.open()

    async def close(self) -> None:
        for backend in self.backends:
            await backend.close()
        self.backends.clear()


def posts(*texts: str) -> list[Post]:
    return [Post(event(text.encode()), text.encode()) for text in texts]


async def append(store: Store, runs: dict[str, Sequence[str]]) -> dict[str, Run]:
    """Append entries to several timelines in one commit."""
    changes = Changes()
    changes.runs = {user: Run(0, posts(*texts)) for user, texts in runs.items()}
    async with store.begin((), ()) as unit:
        heads = await unit.heads(changes.runs)
        for user, run in changes.runs.items():
            run.first = heads[user] + 1
        await unit.commit(changes)
    return changes.runs


async def texts(store: Store, user: str, after: int = 0, limit: int = 1000) -> list[tuple[int, str]]:
    return [(seq, ref[1:].decode()) for seq, ref in await store.read(user, after, limit)]


def make_room(conversation: str, *users: str, **fields: Any) -> Room:
    kind: Any = "direct" if conversation.startswith("d:") else "group"
    record = Conversation(id=conversation, kind=kind, count=len(users), ordinal=len(users), **fields)
    return Room(record, {user: Member(joined=1, read=0, ordinal=place) for place, user in enumerate(users)})


async def put_room(store: Store, room: Room) -> None:
    """Store a new conversation with its members."""
    id_ = room.conversation.id
    async with store.begin([id_], ()) as unit:
        assert unit.room(id_) is None
        unit.add_room(room)
        changes = Changes()
        changes.conversations[id_] = room.conversation
        for user, member in room.members.items():
            changes.members[id_, user] = member
            changes.joined.add((id_, user))
        await unit.commit(changes)


def placed(key: SendKey, message_seq: int, time: int, seq: int) -> dict[SendKey, Placement]:
    return {key: Placement(message_seq, time, msgspec.Raw(b"{}"), seq=seq)}
