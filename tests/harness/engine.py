"""An engine without a gateway: commands in, answers and entries out, over any store."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tideline.delivery.commands import Command, Commit
from tideline.delivery.engine import LocalEngine
from tideline.gateway.addressing import address
from tideline.observe import Observer
from tideline.protocol import codec
from tideline.protocol.errors import RequestError
from tideline.protocol.limits import Limits
from tideline.protocol.requests import Snapshot
from tideline.stores.embedded import EmbeddedOptions, open_embedded
from tideline.timeline.contract import Store, StoreFailed

Frame = dict[str, Any]


class Caller:
    """Whoever waits for the outcome of one command (implements ``commands.Origin``)."""

    def __init__(self) -> None:
        self.outcome: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()

    def answered(self, command: Command, frame: bytes) -> None:
        self.outcome.set_result(json.loads(frame))

    def refused(self, command: Command, error: RequestError) -> None:
        self.outcome.set_exception(error)


class Desk:
    """An engine and everything that it commits."""

    def __init__(self, store: Store, limits: Limits | None = None, *, batch_records: int = 8192) -> None:
        self.store = store
        self.commits: list[Commit] = []
        self.failures: list[StoreFailed] = []
        self.engine = LocalEngine(
            store, limits or Limits(), Observer(), batch_records=batch_records, failed=self.failures.append
        )
        self.engine.listen(self._announced)

    def _announced(self, commit: Commit) -> None:
        self.commits.append(commit)
        for command, outcome in commit.replies:
            if isinstance(outcome, RequestError):
                command.origin.refused(command, outcome)
            else:
                command.origin.answered(command, outcome)

    def submit(self, user: str, kind: str, /, **fields: Any) -> "asyncio.Future[Frame]":
        """Hand in a command; several before the next await are one batch, as far as it is bounded."""
        request, _ = codec.decode_body(kind, json.dumps(fields, ensure_ascii=False).encode())
        caller = Caller()
        self.engine.submit(Command(kind, user, address(user, request), request, caller, None))
        return caller.outcome

    async def do(self, user: str, kind: str, /, **fields: Any) -> Frame:
        """Hand in a command and return its answer.

        Raises:
            RequestError: what it is answered by instead.
        """
        return await self.submit(user, kind, **fields)

    async def refused(self, user: str, kind: str, /, **fields: Any) -> str:
        """Hand in a command that must be refused; return the code."""
        try:
            answer = await self.submit(user, kind, **fields)
        except RequestError as error:
            return error.code
        raise AssertionError(f"{kind} was answered by {answer}")

    def sending(self, user: str, target: str, text: str = "hi", **fields: Any) -> "asyncio.Future[Frame]":
        where = {"conversation": target} if target[1:2] == ":" else {"to": target}
        fields = {"client_id": secrets.token_hex(8), "body": {"type": "text", "text": text}, **fields}
        return self.submit(user, "send", **where, **fields)

    async def say(self, user: str, target: str, text: str = "hi", **fields: Any) -> Frame:
        """Send a text to a user or a conversation."""
        return await self.sending(user, target, text, **fields)

    async def ask(self, user: str, kind: str, /, **fields: Any) -> Frame:
        """Ask something that only reads."""
        request, _ = codec.decode_body(kind, json.dumps(fields).encode())
        answer: Frame = json.loads(await self.engine.answer(user, request, None, ()))
        return answer

    async def entries(self, user: str, after: int = 0) -> list[Frame]:
        """Return everything in a user's timeline after a position."""
        found: list[Frame] = []
        while True:
            page, head = await self.engine.slice(user, after, 1000)
            found += [json.loads(entry) for entry in page.entries]
            if page.last is None or page.last >= head:
                return found
            after = page.last

    async def events(self, user: str, after: int = 0) -> list[Frame]:
        return [entry["event"] for entry in await self.entries(user, after)]

    async def head(self, user: str) -> int:
        return (await self.engine.span(user)).head

    async def snapshot_page(self, user: str, limit: int = 200, next_: str | None = None) -> Frame:
        frame, _ = await self.engine.snapshot(user, Snapshot(id=1, limit=limit, next=next_), None)
        page: Frame = json.loads(frame)
        return page

    async def states(self, user: str) -> dict[str, Frame]:
        """Return all of a user's conversations, from a snapshot that nothing disturbs."""
        states, next_ = {}, None
        while True:
            page = await self.snapshot_page(user, next_=next_)
            states.update({state["conversation"]: state for state in page["conversations"]})
            next_ = page["next"]
            if next_ is None:
                return states

    async def state(self, user: str, conversation: str) -> Frame:
        return (await self.states(user))[conversation]


@asynccontextmanager
async def desk(
    path: Path, limits: Limits | None = None, *, batch_records: int = 8192, options: EmbeddedOptions | None = None
) -> AsyncIterator[Desk]:
    """An engine over an embedded store in a folder."""
    async with open_embedded(path, options=options) as store:
        opened = Desk(store, limits, batch_records=batch_records)
        yield opened
        await opened.engine.drain()


async def settled(waiting: Sequence["asyncio.Future[Frame]"]) -> list[Frame | str]:
    """Await answers in order: frames, or the codes of errors."""
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    found: list[Frame | str] = []
    for outcome in outcomes:
        if isinstance(outcome, RequestError):
            found.append(outcome.code)
        elif isinstance(outcome, BaseException):
            raise outcome
        else:
            found.append(outcome)
    return found
