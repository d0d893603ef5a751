"""The seam of `growth`: something that stores a batch of direct messages durably, in this process."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from rocksdict import WriteBatch

from bench.floor_store import FloorStore, conversation_key, timeline_key

Message = tuple[int, int, bytes]
"""Sender, receiver, body; users are numbers."""


class Engine(Protocol):
    """A store with a sequencer in front."""

    async def send_batch(self, messages: Sequence[Message]) -> None:
        """Store the messages, all of them durable on return."""

    async def close(self) -> None:
        """Close the store."""


class FloorEngine:
    """The floor's records and numbers, without the floor's connections."""

    def __init__(self, folder: Path) -> None:
        self._store = FloorStore(folder)
        self._heads: dict[int, int] = {}
        self._conversations: dict[tuple[int, int], int] = {}

    async def send_batch(self, messages: Sequence[Message]) -> None:
        batch, now = WriteBatch(raw_mode=True), int(time.time() * 1000)
        for sender, receiver, body in messages:
            members = (sender, receiver) if sender <= receiver else (receiver, sender)
            self._conversations[members] = message_seq = self._conversations.get(members, 0) + 1
            name = f"d:u{members[0]:07d}~u{members[1]:07d}"
            key = conversation_key(name) + message_seq.to_bytes(8, "big")
            batch.put(
                key,
                b'{"conversation":"%b","message_seq":%d,"sender":"u%07d","client_id":"%032d","time":%d,"body":%b}'
                % (name.encode(), message_seq, sender, message_seq, now, body),
            )
            for user in {sender, receiver}:
                self._heads[user] = seq = self._heads.get(user, 0) + 1
                batch.put(timeline_key(f"u{user:07d}") + seq.to_bytes(8, "big"), key)
        self._store.commit(batch)

    async def close(self) -> None:
        self._store.close()


async def open_engine(server: str, folder: Path) -> Engine:
    """Open the floor's or the product's engine in an empty folder."""
    if server == "floor":
        return FloorEngine(folder)
    from bench.product import ProductEngine  # not at the top: the floor runs where the product isn't

    return await ProductEngine.open(folder)
