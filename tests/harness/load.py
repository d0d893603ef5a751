"""Devices that go on sending whatever breaks, and what must be true afterwards."""

import asyncio
import itertools
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import aiohttp

from tideline.check import Report, check
from tideline.stores.postgres import PostgresStore, open_postgres, postgres_surveys
from tideline.timeline import refs
from tideline.timeline.records import Room

from .wire import Closed, Frame, Wire, device


class Acked(NamedTuple):
    """A message that was acknowledged."""

    conversation: str
    message_seq: int
    sender: str
    client_id: str
    seq: int


async def until(true: Callable[[], bool], timeout: float = 10) -> None:
    """Wait until a condition holds that is changed elsewhere."""
    async with asyncio.timeout(timeout):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


class Refused(Exception):
    """The hello was refused."""


class Load:
    """Senders, each on a node of its choice, that repeat what was not acknowledged, as the protocol says."""

    def __init__(self, urls: Sequence[str], token: Callable[[str], str]) -> None:
        self.urls = list(urls)
        self.token = token
        self.acked: list[Acked] = []
        self.errors: Counter[str] = Counter()
        self.lost = 0
        """Connections that ended."""
        self.welcomed = 0
        """Connections that were made."""
        self._stopping = False
        self._numbers = itertools.count()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, user: str, targets: Sequence[str], first: int = 0) -> None:
        """Let a user send to these conversations (or users) in turn, at first through this node."""
        self._tasks.append(asyncio.create_task(self._send(user, itertools.cycle(targets), first)))

    async def stop(self, timeout: float = 30) -> None:
        """Let everything that is in flight be acknowledged, then stop."""
        self._stopping = True
        async with asyncio.timeout(timeout):
            await asyncio.gather(*self._tasks)

    async def more(self, count: int, timeout: float = 30) -> None:
        """Wait until so many more messages are acknowledged."""
        goal = len(self.acked) + count
        async with asyncio.timeout(timeout):
            while len(self.acked) < goal:
                await asyncio.sleep(0.02)
                for task in self._tasks:
                    if task.done():
                        task.result()

    async def _send(self, user: str, targets: "itertools.cycle[str]", at: int) -> None:
        pending: Frame | None = None
        name = f"sender{next(self._numbers)}"
        while not self._stopping or pending is not None:
            connected = False
            try:
                url = self.urls[at % len(self.urls)]
                async with device(url, self.token(user), name, cursor=None) as wire:
                    if wire.welcome["type"] != "welcome":
                        raise Refused(wire.welcome["code"])
                    connected = True
                    self.welcomed += 1
                    while not self._stopping or pending is not None:
                        if pending is None:
                            target = next(targets)
                            where = {"conversation": target} if target[1:2] == ":" else {"to": target}
                            pending = {**where, "client_id": secrets.token_hex(12), "body": {"n": secrets.token_hex(4)}}
                        answer = await wire.ask("send", 20, **pending)
                        if answer["type"] == "sent":
                            self.acked.append(
                                Acked(
                                    answer["conversation"],
                                    answer["message_seq"],
                                    user,
                                    pending["client_id"],
                                    answer["seq"],
                                )
                            )
                            pending = None
                        else:
                            self.errors[answer["code"]] += 1
                            assert answer["retry"], answer
                            await asyncio.sleep(min(0.3, answer["retry_after"] or 0.1))
            except (Closed, Refused, TimeoutError, aiohttp.ClientError, OSError):
                # A hello that the store can't answer yet is no connection that was lost.
                self.lost += connected
                at += 1
                await asyncio.sleep(0.1)


class Reader:
    """A device that must be pushed everything, in order; with ``pulls`` it may be told to pull, and does."""

    def __init__(self, wire: Wire, *, pulls: bool) -> None:
        self.wire = wire
        self.pulls = pulls
        self.cursor = 0
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while True:
            frame = await self.wire.next(120)
            if self.pulls and frame["type"] != "push":
                if frame["type"] == "error":
                    assert frame["retry"], frame
                    await asyncio.sleep(frame["retry_after"] or 0.5)
                if frame["type"] != "page" or frame["more"]:
                    await self.wire.send({"type": "pull", "id": next(self.wire.ids), "after": self.cursor})
            else:
                assert frame["type"] == "push", frame
            for entry in frame.get("entries", ()):
                if entry["seq"] > self.cursor or not self.pulls:
                    assert entry["seq"] == self.cursor + 1
                    self.cursor += 1

    async def reach(self, head: int, timeout: float = 10) -> None:
        async with asyncio.timeout(timeout):
            while self.cursor < head:
                await asyncio.sleep(0.02)
                if self._task.done():
                    self._task.result()

    def cancel(self) -> None:
        self._task.cancel()


@asynccontextmanager
async def reader(url: str, token: str, name: str = "reader", *, pulls: bool = False) -> AsyncIterator[Reader]:
    """Connect a reader at the beginning of a timeline that is still empty."""
    async with device(url, token, name) as wire:
        assert wire.welcome["type"] == "welcome"
        assert not wire.welcome["entries"]
        made = Reader(wire, pulls=pulls)
        try:
            yield made
        finally:
            made.cancel()


async def assert_sound(url: str, acked: Sequence[Acked]) -> dict[str, int]:
    """Check every timeline of a database, and that nothing acknowledged is lost; return the heads by user."""
    report = Report(10)
    async with postgres_surveys(url) as surveys:
        for survey in surveys:
            await check(survey, report, lambda records: None)
    assert report.sound, report.examples
    async with open_postgres(url) as store:
        messages: dict[tuple[str, int], str] = {}
        rooms: dict[str, Room] = {}
        heads, places = await _timelines(store, {message.sender for message in acked})
        for id_ in {id_ for user in heads for id_ in await store.conversations(user)}:
            room = await store.room(id_)
            assert room is not None
            rooms[id_] = room
            head = room.conversation.head
            found = await store.history(id_, 1, head + 100, 10**6, backwards=False)
            assert [seq for seq, _ in found] == list(range(1, head + 1)), id_
            messages |= {(id_, seq): text.decode() for seq, text in found}
        others = {user for room in rooms.values() for user in room.members} - heads.keys()
        more, also = await _timelines(store, others)
        heads, places = heads | more, places | also
        for message in acked:
            assert message.client_id in messages[message.conversation, message.message_seq]
            assert places[message.sender][message.conversation, message.message_seq] == message.seq
        for where, text in messages.items():
            members = rooms[where[0]].members
            assert all(places[user].get(where) for user in members), f"{where} is not in every timeline: {text}"
        texts = [text.partition('"client_id":"')[2][:24] for text in messages.values()]
        assert len(texts) == len(set(texts)), "a message was stored twice"
    return heads


async def _timelines(
    store: PostgresStore, users: Iterable[str]
) -> tuple[dict[str, int], dict[str, dict[tuple[str, int], int]]]:
    heads: dict[str, int] = {}
    places: dict[str, dict[tuple[str, int], int]] = {}
    for user in users:
        span = await store.span(user)
        heads[user] = span.head
        entries = await store.read(user, 0, 10**6)
        assert [seq for seq, _ in entries] == list(range(1, span.head + 1)), user
        mine = places[user] = {}
        for seq, ref in entries:
            if ref[:1] == refs.MESSAGE:
                room, message_seq = refs.read_place(ref[1:])
                assert (room.decode(), message_seq) not in mine, "a message is twice in one timeline"
                mine[room.decode(), message_seq] = seq
    return heads, places
