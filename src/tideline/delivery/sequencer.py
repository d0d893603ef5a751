"""The sequencer: the one place where an app's messages and entries get their numbers.

Laws:

1. A batch is numbered only after the outcome of the one before is known (T1).
2. Nothing is announced before its commit (D1); what failed to commit is announced to nobody, its numbers are free.
3. One bad command never fails its batch.
4. A batch is bounded in records, not in commands: what a commit costs, and how long it holds up the event loop,
   depends on how many entries it writes.

Theory: group commit. Commands that arrive while a batch commits, or within one turn of the event loop, are the
next batch; no timer holds anything back, so an idle server answers at once and a busy one commits large batches.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence

from tideline.observe import Observer
from tideline.protocol import splice
from tideline.protocol.codec import encode
from tideline.protocol.errors import RequestError
from tideline.protocol.limits import Limits
from tideline.protocol.requests import Send
from tideline.protocol.responses import Sent
from tideline.timeline import refs
from tideline.timeline.changes import Placement, SendKey, send_key
from tideline.timeline.contract import Store, StoreFailed, StoreUnavailable, Unit

from . import groups, restoring, sending
from .commands import Command, Commit
from .plan import Outcome, Plan, StatePost

COMMANDS: dict[str, Callable[[Plan, Command], None]] = {
    "send": sending.send,
    "read": sending.read,
    "create": groups.create,
    "add": groups.add,
    "remove": groups.remove,
    "role": groups.role,
    "update": groups.update,
}
"""What devices ask for."""
_HANDLERS = {**COMMANDS, **restoring.COMMANDS}

_GATHERING_TURNS = 4

Listener = Callable[[Commit], None]


class Sequencer:
    """Batches an app's commands, numbers them, commits them, and announces each commit to its listener.

    ``failed`` is called once, with the error, when durability is in doubt: the process must end.
    """

    def __init__(
        self,
        store: Store,
        limits: Limits,
        observer: Observer,
        *,
        batch_records: int,
        listener: Listener,
        failed: Callable[[StoreFailed], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._limits = limits
        self._observer = observer
        self._batch_records = batch_records
        self._listener = listener
        self._failed = failed
        self._clock = clock
        self._queue: deque[Command] = deque()
        self._running: asyncio.Task[None] | None = None
        self._sizes: dict[str, int] = {}

    def submit(self, command: Command) -> None:
        """Take a command; its origin is told of the outcome, or it stands among its origin's pushes."""
        self._queue.append(command)
        if self._running is None:
            self._running = asyncio.ensure_future(self._run())

    @property
    def waiting(self) -> int:
        """How many commands are not committed yet."""
        return len(self._queue)

    async def drain(self) -> None:
        """Wait until everything that was submitted is committed or refused."""
        while self._running is not None:
            await asyncio.shield(self._running)

    async def _run(self) -> None:
        try:
            while self._queue:
                await self._gather()
                await self._commit(self._take())
        finally:
            self._running = None

    async def _gather(self) -> None:
        """Let the event loop turn as long as each turn brings more commands, a few times at most.

        So a batch holds what all connections had to say, and an idle server waits for one turn only, which takes
        microseconds.
        """
        for _ in range(_GATHERING_TURNS):
            waiting = len(self._queue)
            await asyncio.sleep(0)
            if len(self._queue) == waiting:
                return

    def _take(self) -> list[Command]:
        """Take what makes one batch: at least one command, about ``batch_records`` records."""
        queue, sizes = self._queue, self._sizes
        if not sizes and 5 * len(queue) <= self._batch_records:
            batch, self._queue = list(queue), deque()
            return batch
        batch = []
        records = 0
        while queue and records < self._batch_records:
            command = queue.popleft()
            batch.append(command)
            records += 3 + sizes.get(command.conversation, 2)
        return batch

    async def _commit(self, batch: list[Command]) -> None:
        try:
            commit = await self._attempt(batch)
        except StoreUnavailable as error:
            self._observer.commit_failed(str(error))
            self._refuse(
                batch,
                RequestError("unavailable", "the store can't commit now", retry_after=error.retry_after),
            )
        except StoreFailed as error:
            self._observer.commit_failed(str(error))
            self._refuse(batch, RequestError("unavailable", "the server is stopping", retry_after=1))
            self._failed(error)
        except Exception as error:
            await self._isolate(batch, error)
        else:
            self._listener(commit)

    async def _isolate(self, batch: list[Command], error: Exception) -> None:
        """Find the command that a defect makes fail: the others are committed one by one."""
        if len(batch) == 1:
            incident = self._observer.defect(batch[0].kind, error)
            self._refuse(batch, RequestError("internal", f"a defect, logged as {incident}"))
            return
        for command in batch:
            await self._commit([command])

    async def _attempt(self, batch: list[Command]) -> Commit:
        started, seconds = time.perf_counter(), 0.0
        conversations = {command.conversation for command in batch}
        async with self._store.begin(conversations, _send_keys(batch)) as unit:
            plan = Plan(unit, int(self._clock() * 1000), self._limits)
            for place, command in enumerate(batch):
                if plan.weight >= self._batch_records:
                    self._put_off(batch, place)
                    break
                try:
                    _HANDLERS[command.kind](plan, command)
                except RequestError as error:
                    plan.answer(command, error)
            changes = plan.changes
            if changes.runs:
                await self._number(unit, plan)
            await self._complete(plan)
            if changes.conversations or changes.members or changes.runs:
                await unit.commit(changes)
                self._measure_rooms(plan)
                seconds = time.perf_counter() - started
                self._observer.committed(len(batch), len(changes.messages), changes.records, seconds)
        replies = [(command, _reply(command, outcome)) for command, outcome in plan.outcomes]
        return Commit(changes.runs, replies, commands=len(batch), messages=len(changes.messages), seconds=seconds)

    def _put_off(self, batch: list[Command], place: int) -> None:
        """Leave the rest to the next batch: what commands cost is known only when they are planned."""
        self._queue.extendleft(reversed(batch[place:]))
        del batch[place:]

    async def _number(self, unit: Unit, plan: Plan) -> None:
        """Give every entry its number: the receivers' heads, from now on nobody else's, and upwards."""
        runs = plan.changes.runs
        heads = await unit.heads(runs)
        for user, run in runs.items():
            run.first = heads[user] + 1
        for placement in plan.changes.placements.values():
            placement.seq = runs[placement.command.user].first + placement.index

    async def _complete(self, plan: Plan) -> None:
        """Put last messages into states: those of this batch are at hand, the others are read."""
        if not plan.state_posts:
            return
        known: dict[bytes, bytes | None] = dict(plan.changes.messages)
        wanted = {post.where for post in plan.state_posts if refs.read_place(post.where)[1]} - known.keys()
        if wanted:
            places = list(wanted)
            known.update(zip(places, await self._store.messages(places), strict=True))
        for post in plan.state_posts:
            post.complete(known.get(post.where))

    def _measure_rooms(self, plan: Plan) -> None:
        """Remember how many receivers a conversation has, to bound the next batches by."""
        if len(self._sizes) > 65_536:
            self._sizes.clear()
        for id_, record in plan.changes.conversations.items():
            if record.count > 2:
                self._sizes[id_] = record.count

    def _refuse(self, batch: Sequence[Command], error: RequestError) -> None:
        self._listener(Commit({}, [(command, error) for command in batch]))


def _send_keys(batch: list[Command]) -> list[SendKey]:
    keys = []
    for command in batch:
        request = command.request
        if isinstance(request, Send):
            key = command.key = send_key(command.user, command.conversation, request.client_id)
            keys.append(key)
    return keys


def _reply(command: Command, outcome: Outcome) -> bytes | RequestError:
    """Turn what a command was noted to be told into a frame, now that there are numbers."""
    if isinstance(outcome, Placement):
        # A message that this command brought has index and seq from this batch; else it is an earlier one's.
        return encode(
            Sent(
                id=command.id,
                conversation=command.conversation,
                message_seq=outcome.message_seq,
                time=outcome.time,
                seq=outcome.seq,
                duplicate=outcome.command is not command,
            )
        )
    if isinstance(outcome, StatePost):
        return splice.conversation(command.id, outcome.state)
    return outcome
