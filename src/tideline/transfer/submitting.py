"""Handing in the commands of an import: so many ahead of the sequencer that its batches are full, and no more."""

import asyncio
from collections import Counter

from tideline.delivery.commands import Command, Commit
from tideline.delivery.engine import LocalEngine
from tideline.delivery.restored import Restored
from tideline.protocol.errors import RequestError
from tideline.protocol.requests import Read

_IN_FLIGHT = 2
"""Batches that are handed in ahead of the sequencer."""


class Figures:
    """What an import did; ``known`` are messages that were in already."""

    def __init__(self) -> None:
        self.conversations = 0
        self.messages = 0
        self.known = 0
        self.entries = 0


class _Submitted(Command, eq=False, gc=False):
    """A command with about how many records it writes."""

    weight: int = 0


class Submitter:
    """Hands in commands and hears of their outcome (implements ``Origin``). After one has failed, none follows."""

    def __init__(self, engine: LocalEngine, figures: Figures, batch_records: int) -> None:
        self.figures = figures
        self._engine = engine
        self._budget = _IN_FLIGHT * batch_records
        self._weight = 0
        self._waiting: Counter[str] = Counter()
        """How many commands have no outcome yet, by conversation."""
        self._changed = asyncio.Event()
        self._error: RequestError | None = None
        engine.listen(self._committed)

    async def submit(self, kind: str, user: str, conversation: str, restored: Restored | Read, weight: int) -> None:
        """Hand in a command; over the bound, wait until half of what waits is committed.

        Raises:
            RequestError: if an earlier one has failed.
        """
        command = _Submitted(kind, user, conversation, restored, self, None, weight=weight)
        self._weight += weight
        self._waiting[conversation] += 1
        self._engine.submit(command)
        if self._weight > self._budget:
            await self.settle(self._budget // 2)

    def waits(self, conversation: str) -> bool:
        """Tell whether a conversation has commands that are not committed."""
        return conversation in self._waiting

    async def settle(self, weight: int = 0) -> None:
        """Wait until no more than so many records are not committed.

        Raises:
            RequestError: if one has failed.
        """
        while self._weight > weight and self._error is None:
            self._changed.clear()
            await self._changed.wait()
        if self._error is not None:
            raise self._error

    def answered(self, command: Command, frame: bytes) -> None:
        """A command is durable."""
        self.figures.messages += command.kind == "restore_message"

    def refused(self, command: Command, error: RequestError) -> None:
        """A command has failed."""
        self._error = self._error or error

    def _committed(self, commit: Commit) -> None:
        self.figures.entries += sum(len(run.posts) for run in commit.runs.values())
        for command, outcome in commit.replies:
            assert isinstance(command, _Submitted)
            self._weight -= command.weight
            self._waiting[command.conversation] -= 1
            if isinstance(outcome, RequestError):
                self.refused(command, outcome)
            else:
                self.answered(command, outcome)
        self._waiting = +self._waiting
        self._changed.set()
