"""The world of the model: what can happen next, in every state.

Real are the outbox, the judgement of a position, and the device's machine; the sequencer and the shells around them
are the model's. A frame can be lost, repeated, delayed and overtaken; a commit can fail, or succeed and seem to fail;
its announcement comes later than it is visible to reads; a request is read and answered in two steps.
"""

from collections.abc import Iterator
from typing import Any

from tideline.delivery.outbox import Outbox, Output
from tideline.delivery.outbox import State as OutboxState
from tideline.timeline.contract import Span

from .device import EPOCHS, Machine
from .rules import Rules
from .scope import Scope
from .state import Broken, Conn, Device, Frame, Pending, Server, State

_STATES = list(OutboxState)
Step = tuple[str, State]


class World:
    """All that can happen within a scope, by these rules."""

    def __init__(self, scope: Scope, rules: Rules | None = None) -> None:
        self.scope = scope
        self.rules = rules or Rules()
        self.machine = Machine(self.rules, scope.stash, scope.page)

    def initial(self) -> State:
        """Return the state that everything begins in."""
        scope = self.scope
        server = Server(0, 1, tuple(range(50, 50 + scope.held)), 0, None, ())
        cursor = scope.held if scope.positioned else -1
        message = 1 if scope.sends else 0
        device = Device(cursor, 0, max(cursor, 0), max(cursor, 0), "off", (), message, None)
        return State(server, (device,) * scope.devices, scope.budget)

    # what may happen

    def successors(self, state: State) -> Iterator[Step]:
        """Yield every step from a state, with its name."""
        yield from self._commits(state)
        for index in range(len(state.devices)):
            yield from self._serving(state, index)
            yield from self._network(state, index)
            yield from self._living(state, index)
        yield from self._disasters(state)

    def calm(self, state: State) -> Step | None:
        """Return the next step when no more goes wrong, and every device goes on; None when all is done."""
        server, devices = state.server, state.devices
        for index, device in enumerate(devices):
            if device.conn is None:
                return f"{index} connects", self._with(state, index, self.machine.start(device))
            if device.conn.up and self._free(device.conn):
                return f"{index} is heard", self.heard(state, index)
            if device.conn.reading is not None:
                return f"{index} is served", self.served(state, index)
            if device.conn.down:
                return f"{index} receives", self.received(state, index, 0)
        if server.pending is not None:
            return "announce", self.announced(state)
        if server.queue:
            return "commit", self.committed(state, "ok")
        for index, device in enumerate(devices):
            if device.link == "on" and device.sync[2]:
                return f"{index} ticks", self._with(state, index, self.machine.tick(device, server))
            if device.link == "on" and device.message == 1:
                return f"{index} sends", self._with(state, index, self.machine.send(device, server))
        if not self.scope.patient:
            return None
        for index, device in enumerate(devices):
            if device.sync and device.sync[9] and self.rules.gives_up:
                return f"{index} gives up", self._with(state, index, self.machine.timeout(device, server))
            if device.link == "greeting":
                return f"{index} loses", self._with(state, index, self.machine.lose(device))
            if device.cursor != len(server.log) and self.rules.pings:
                return f"{index} pings", self._with(state, index, self.machine.ping(device, server))
        return None

    def complete(self, state: State) -> bool:
        """Tell whether every device has everything."""
        server = state.server
        return all(
            device.link == "on"
            and device.sync[0] == "live"
            and device.epoch == server.epoch
            and device.cursor == device.applied == len(server.log)
            and device.message == 0
            for device in state.devices
        )

    def check(self, state: State) -> None:
        """Check what is true of a state by itself.

        Raises:
            Broken: if an invariant does not hold.
        """
        server = state.server
        for device in state.devices:
            if device.cursor < 0:
                continue
            if device.cursor != device.applied:
                raise Broken("C1", f"cursor {device.cursor} is stored and {device.applied} is applied")
            if device.epoch == server.epoch and device.applied > len(server.log):
                raise Broken("D1", f"entry {device.applied} was applied and is not committed")
            if device.link == "on" and device.sync[0] == "live" and device.cursor < device.heard:
                raise Broken("D3", f"a device at {device.cursor} has heard of {device.heard} and asks for nothing")
            if device.sync and len(device.sync[8]) > self.scope.stash:
                raise Broken("D2", "the stash is over its bound")

    def _commits(self, state: State) -> Iterator[Step]:
        server, budget = state.server, state.budget
        if server.pending is not None:
            yield "announce", self.announced(state)
            if budget.full:
                spent = state._replace(budget=budget._replace(full=budget.full - 1))
                yield "announce to full buffers", self.announced(spent, full=True)
            return
        if server.queue or budget.commits:
            yield "commit", self.committed(state, "ok")
            if budget.failures:
                yield "commit fails", self.committed(state, "failed")
                yield "commit fails after it succeeded", self.committed(state, "unknown")

    def _serving(self, state: State, index: int) -> Iterator[Step]:
        conn, budget = state.devices[index].conn, state.budget
        if conn is None:
            return
        if conn.up and self._free(conn):
            yield f"{index} is heard: {conn.up[0][0]}", self.heard(state, index)
        if conn.reading is not None:
            yield f"{index} is served: {conn.reading[0]}", self.served(state, index)
            if budget.failures and conn.reading[0] != "hello":
                failed = state._replace(budget=budget._replace(failures=budget.failures - 1))
                yield f"{index} is refused: {conn.reading[0]}", self._refuse_read(failed, index)

    def _network(self, state: State, index: int) -> Iterator[Step]:
        conn, budget = state.devices[index].conn, state.budget
        if conn is None:
            return
        places = range(len(conn.down)) if self.scope.reorders else range(min(1, len(conn.down)))
        for place in places:
            name = _named(conn.down[place])
            yield f"{index} receives {name}", self.received(state, index, place)
            if self.rules.apply_first or self.rules.advance_first:
                yield f"{index} crashes as it applies {name}", self.received(state, index, place, crash=True)
            if budget.repeats:
                less = state._replace(budget=budget._replace(repeats=budget.repeats - 1))
                yield f"{index} receives {name}, repeated", self.received(less, index, place, keep=True)
            if budget.losses:
                less = state._replace(budget=budget._replace(losses=budget.losses - 1))
                yield f"{index} loses {name}", self._lost_down(less, index, place)
        if conn.up and budget.losses:
            less = state._replace(budget=budget._replace(losses=budget.losses - 1))
            lost = state.devices[index]._replace(conn=conn._replace(up=conn.up[1:]))
            yield f"{index}'s {conn.up[0][0]} is lost", self._with(less, index, lost)

    def _living(self, state: State, index: int) -> Iterator[Step]:
        device, server, budget = state.devices[index], state.server, state.budget
        machine = self.machine
        if device.conn is None:
            yield f"{index} connects", self._with(state, index, machine.start(device))
            return
        if device.link == "on":
            if device.sync[2]:
                yield f"{index} ticks", self._with(state, index, machine.tick(device, server))
            if device.message == 1:
                yield f"{index} sends", self._with(state, index, machine.send(device, server))
            if device.sync[9] and budget.timeouts and self.rules.gives_up:
                less = state._replace(budget=budget._replace(timeouts=budget.timeouts - 1))
                yield f"{index} gives up waiting", self._with(less, index, machine.timeout(device, server))
            if budget.pings and self.rules.pings:
                less = state._replace(budget=budget._replace(pings=budget.pings - 1))
                yield f"{index} pings", self._with(less, index, machine.ping(device, server))
        if budget.crashes:
            less = state._replace(budget=budget._replace(crashes=budget.crashes - 1))
            yield f"{index} loses its connection", self._gone(less, index)
            yield f"{index} crashes", self._crashed(less, index)

    def _disasters(self, state: State) -> Iterator[Step]:
        server, budget = state.server, state.budget
        if budget.trims and server.first < len(server.log):
            less = budget._replace(trims=budget.trims - 1)
            yield "trim", State(server._replace(first=len(server.log)), state.devices, less)
        if budget.restores and server.epoch + 1 < len(EPOCHS):
            less = budget._replace(restores=budget.restores - 1)
            log = server.log[:-1]
            restored = Server(server.epoch + 1, min(server.first, len(log) + 1), log, 0, None, ())
            yield "restore a backup", self._restarted(State(restored, state.devices, less))
        if budget.failures and server.pending is not None:
            less = budget._replace(failures=budget.failures - 1)
            up = server._replace(next=0, pending=None, queue=())
            yield "the server crashes", self._restarted(State(up, state.devices, less))

    # the sequencer

    def committed(self, state: State, outcome: str) -> State:
        """Commit what waits, or else an entry of others."""
        server, budget = state.server, state.budget
        head = server.next - 1 if server.next else len(server.log)
        stored = {content: seq for seq, content in enumerate(server.log, 1) if content < 10}
        new: list[int] = []
        owns: list[tuple[int, int, int]] = []
        answers: list[tuple[int, int, int]] = []
        for content, id_ in server.queue:
            if content in stored and self.rules.dedupe_stored:
                answers.append((stored[content], content, id_))
            elif content in new and self.rules.dedupe_batch:
                answers.append((head + 1 + new.index(content), content, id_))
            else:
                new.append(content)
                owns.append((head + len(new), content, id_))
        if not server.queue:
            new = [10 + budget.commits + 10 * budget.failures]
            budget = budget._replace(commits=budget.commits - 1)
        pending = Pending(head + 1, head + len(new), tuple(owns), tuple(answers))
        log = server.log
        if outcome != "ok":
            budget = budget._replace(failures=budget.failures - 1)
        if self.rules.push_early:
            early = server._replace(pending=pending, log=log + tuple(new))
            state = self.announced(State(early, state.devices, budget), early=True)
        devices = state.devices
        if outcome == "failed":
            next_ = head + len(new) + 1 if self.rules.skip_after_failure else head + 1
            after = server._replace(next=next_, queue=())
        else:
            self._check_numbers(server, head, new)
            unknown = outcome == "unknown"
            next_ = (head + 1 if self.rules.reuse_unknown else 0) if unknown else head + len(new) + 1
            announced = None if unknown or self.rules.push_early else pending
            after = server._replace(log=log + tuple(new), next=next_, pending=announced, queue=())
        result = State(after, devices, budget)
        if outcome != "ok":
            for content, id_ in server.queue:
                result = self._say(result, content, ("error", id_, "unavailable", True), answers=id_)
        elif not new and not self.rules.push_early:
            return self.announced(result)
        return result

    def _check_numbers(self, server: Server, head: int, new: list[int]) -> None:
        if new and head + 1 <= len(server.log):
            raise Broken("T2", f"number {head + 1} is used again")
        if new and head > len(server.log):
            raise Broken("T1", f"number {len(server.log) + 1} is skipped")
        mine = [content for content in (*server.log, *new) if content < 10]
        if len(mine) != len(set(mine)):
            raise Broken("T4", "a message is stored twice")

    def announced(self, state: State, *, full: bool = False, early: bool = False) -> State:
        """Bring a commit to every connection."""
        server = state.server
        assert server.pending is not None
        first, last, owns, answers = server.pending
        for index, device in enumerate(state.devices):
            conn = device.conn
            if conn is not None and conn.attached and first <= last:
                mine = {seq: id_ for seq, content, id_ in owns if content == index and id_}
                told = self._delivered(conn, server, first, last, mine, full=full)
                state = self._with(state, index, device._replace(conn=told))
        for seq, content, id_ in answers:
            frame: Frame = ("sent", id_, True, server.epoch, seq, content)
            state = self._say(state, content, frame, answers=id_)
        if early:
            return state
        return state._replace(server=server._replace(pending=None))

    def _delivered(
        self, conn: Conn, server: Server, first: int, last: int, mine: dict[int, int], *, full: bool
    ) -> Conn:
        """Bring a run to a connection, split around its own entries, as the gateway does."""
        outbox = self._outbox(conn)
        outbox.head = max(outbox.head, last)
        down: list[Frame] = []
        others: list[int] = []

        def flush() -> None:
            if not others:
                return
            output = outbox.entries(others[0], others[-1], full=full)
            if output is Output.PUSH:
                down.append(("push", server.epoch, _entries(server, others[0], others[-1])))
            elif output is Output.NOTIFY and conn.welcomed:
                down.append(("notify", outbox.head))
            others.clear()

        for seq in range(first, last + 1):
            if seq in mine:
                flush()
                if outbox.own(seq, seq) is Output.NOTIFY and conn.welcomed:
                    down.append(("notify", outbox.head))
                down.append(("sent", mine[seq], False, server.epoch, seq, server.log[seq - 1]))
            else:
                others.append(seq)
        flush()
        return self._queued(self._kept(conn, outbox), down)

    # the shell of a connection

    def _free(self, conn: Conn) -> bool:
        """Tell whether the next request can be taken: sends pass, the others wait for the answer in the making."""
        return conn.reading is None or conn.up[0][0] == "send"

    def heard(self, state: State, index: int) -> State:
        """Let the server take a device's next request."""
        device, server = state.devices[index], state.server
        conn = device.conn
        assert conn is not None
        frame, conn = conn.up[0], conn._replace(up=conn.up[1:])
        outbox = self._outbox(conn)
        span = Span(server.first, len(server.log))
        match frame:
            case ("hello", int(cursor), int(epoch)):
                attached = not self.rules.attach_late
                reset = "new_device" if cursor < 0 else self._judge(span, server, cursor, epoch)
                conn = conn._replace(attached=attached)
                if reset is None:
                    outbox.pull(cursor)
                    conn = self._kept(conn, outbox)._replace(reading=("hello", 0, cursor, None))
                else:
                    welcome = ("welcome", server.epoch, span.head, (), False, reset)
                    conn = self._queued(conn._replace(attached=True, welcomed=True), [welcome])
            case ("pull", int(id_), int(after), int(epoch)):
                outbox.pull(after)
                reason = self._judge(span, server, after, epoch)
                if reason is None:
                    conn = self._kept(conn, outbox)._replace(reading=("pull", id_, after, None))
                else:
                    outbox.position_error()
                    conn = self._queued(self._kept(conn, outbox), [("error", id_, reason, False)])
            case ("snapshot", int(id_), next_):
                conn = conn._replace(reading=("snapshot", id_, next_, None))
            case ("ping", int(id_)):
                conn = self._queued(conn, [("pong", id_, span.head)])
            case ("send", int(id_)):
                server = server._replace(queue=(*server.queue, (index, id_)))
        return self._with(state._replace(server=server), index, device._replace(conn=conn))

    def served(self, state: State, index: int) -> State:
        """Read for a request, and, as a second step, answer it."""
        device, server = state.devices[index], state.server
        conn = device.conn
        assert conn is not None
        assert conn.reading is not None
        kind, id_, about, found = conn.reading
        head = len(server.log)
        if found is None:
            if kind == "snapshot":
                found = self._begun(server, about)
            else:
                last = min(about + self.scope.page, head)
                found = (_entries(server, max(about + 1, server.first), last), head)
            return self._with(state, index, device._replace(conn=conn._replace(reading=(kind, id_, about, found))))
        conn = conn._replace(reading=None)
        if kind == "snapshot":
            return self._with(state, index, device._replace(conn=self._snapshot(conn, server, id_, about, found)))
        outbox = self._outbox(conn)
        entries, read = found
        more = outbox.page(entries[-1][0] if entries else None, read)
        conn = self._kept(conn, outbox)
        if kind == "hello":
            frame: Frame = ("welcome", server.epoch, outbox.head, entries, more, None)
            conn = conn._replace(welcomed=True, attached=True)
        else:
            frame = ("page", id_, server.epoch, entries, outbox.head, more)
        return self._with(state, index, device._replace(conn=self._queued(conn, [frame])))

    def _begun(self, server: Server, token: Any) -> tuple[int, int, int]:
        """Return epoch, cursor, and up to where the states that are read now go."""
        head = len(server.log)
        if token is None:
            return server.epoch, head, head
        epoch, cursor = map(int, token[1:].split(":"))
        return epoch, cursor, cursor

    def _snapshot(self, conn: Conn, server: Server, id_: Any, token: Any, found: Any) -> Conn:
        epoch, cursor, covers = found
        if epoch != server.epoch:
            return self._queued(conn, [("error", id_, "bad_request", False)])
        if self.rules.snapshot_cursor_late:
            cursor = len(server.log)
        if cursor > covers:
            raise Broken("C2", f"a snapshot says {cursor} and its states are as of {covers}")
        outbox = self._outbox(conn)
        outbox.snapshot(cursor)
        last = token is not None or not self.scope.long_snapshots
        next_ = None if last else f"n{epoch}:{cursor}"
        return self._queued(self._kept(conn, outbox), [("snapshot", id_, epoch, cursor, next_)])

    def _refuse_read(self, state: State, index: int) -> State:
        device = state.devices[index]
        assert device.conn is not None
        assert device.conn.reading is not None
        error = ("error", device.conn.reading[1], "unavailable", True)
        conn = self._queued(device.conn._replace(reading=None), [error])
        return self._with(state, index, device._replace(conn=conn))

    def _judge(self, span: Span, server: Server, after: int, epoch: int) -> str | None:
        return self.rules.judge(span, EPOCHS[server.epoch], after, EPOCHS[epoch])

    def _outbox(self, conn: Conn) -> Outbox:
        outbox = self.rules.outbox(hint=self.scope.hint)
        outbox.state = _STATES[conn.state]
        outbox.position, outbox.head, outbox.armed = conn.position, conn.head, conn.armed
        return outbox

    def _kept(self, conn: Conn, outbox: Outbox) -> Conn:
        return conn._replace(
            state=_STATES.index(outbox.state), position=outbox.position, head=outbox.head, armed=outbox.armed
        )

    # the network

    def _queued(self, conn: Conn, frames: list[Frame]) -> Conn:
        """Put frames on their way; what the network has no room for is lost, where it may lose."""
        down = (*conn.down, *frames)
        if self.scope.capacity:
            down = down[: self.scope.capacity]
        if self.scope.reorders:
            down = tuple(sorted(down, key=str))
        return conn._replace(down=down)

    def _say(self, state: State, index: int, frame: Frame, *, answers: int) -> State:
        device = state.devices[index]
        if device.conn is None or not answers:
            return state
        return self._with(state, index, device._replace(conn=self._queued(device.conn, [frame])))

    def received(self, state: State, index: int, place: int, *, keep: bool = False, crash: bool = False) -> State:
        """Let a frame reach its device."""
        device = state.devices[index]
        conn = device.conn
        assert conn is not None
        frame = conn.down[place]
        if not keep:
            device = device._replace(conn=conn._replace(down=conn.down[:place] + conn.down[place + 1 :]))
        device = self.machine.receive(device, frame, state.server, crash=crash)
        state = self._with(state, index, device)
        return self._crashed(state, index) if crash else state

    def _lost_down(self, state: State, index: int, place: int) -> State:
        device = state.devices[index]
        assert device.conn is not None
        down = device.conn.down
        return self._with(
            state, index, device._replace(conn=device.conn._replace(down=down[:place] + down[place + 1 :]))
        )

    def _gone(self, state: State, index: int) -> State:
        """Lose a connection: nobody waits for the answers to what came over it."""
        server = state.server
        queue = tuple((content, 0 if content == index else id_) for content, id_ in server.queue)
        pending = server.pending
        if pending is not None:
            owns = tuple((seq, content, 0 if content == index else id_) for seq, content, id_ in pending.owns)
            answers = tuple(one for one in pending.answers if one[1] != index)
            pending = pending._replace(owns=owns, answers=answers)
        state = state._replace(server=server._replace(queue=queue, pending=pending))
        return self._with(state, index, self.machine.lose(state.devices[index]))

    def _crashed(self, state: State, index: int) -> State:
        state = self._gone(state, index)
        return self._with(state, index, state.devices[index]._replace(sync=(), heard=0))

    def _restarted(self, state: State) -> State:
        for index, device in enumerate(state.devices):
            if device.conn is not None:
                state = self._gone(state, index)
        return state

    # states

    def _with(self, state: State, index: int, device: Device) -> State:
        devices = (*state.devices[:index], device, *state.devices[index + 1 :])
        return state._replace(devices=devices)


def canonical(state: State) -> State:
    """Return the state that stands for all that differ only in the ids of requests."""
    server = state.server
    devices = []
    maps: list[dict[int, int]] = []
    for index, device in enumerate(state.devices):
        ids = _ids(device, server, index)
        new = {id_: place for place, id_ in enumerate(sorted(ids), 1)}
        maps.append(new)
        devices.append(_renumbered(device, new) if device.sync or device.conn else device)
    queue = tuple((content, maps[content].get(id_, 0)) for content, id_ in server.queue)
    pending = server.pending
    if pending is not None:
        pending = pending._replace(
            owns=tuple((seq, content, maps[content].get(id_, 0)) for seq, content, id_ in pending.owns),
            answers=tuple((seq, content, maps[content].get(id_, 0)) for seq, content, id_ in pending.answers),
        )
    return State(server._replace(queue=queue, pending=pending), tuple(devices), state.budget)


_WITH_ID = frozenset({"pull", "snapshot", "ping", "send", "page", "pong", "sent", "error"})


def _ids(device: Device, server: Server, index: int) -> set[int]:
    ids: set[int] = set()
    if device.sync:
        ids |= {one[0] for one in device.sync[9]} | {one[0] for one in device.sync[10]}
        if device.sync[1] is not None:
            ids.add(device.sync[1])
    if device.conn is not None:
        ids |= {frame[1] for frame in (*device.conn.up, *device.conn.down) if frame[0] in _WITH_ID}
        if device.conn.reading is not None and device.conn.reading[0] != "hello":
            ids.add(device.conn.reading[1])
    ids |= {id_ for content, id_ in server.queue if content == index and id_}
    if server.pending is not None:
        told = (*server.pending.owns, *server.pending.answers)
        ids |= {id_ for _, content, id_ in told if content == index and id_}
    return ids


def _renumbered(device: Device, new: dict[int, int]) -> Device:
    sync = device.sync
    if sync:
        held: Any = sync
        waiting = tuple((new[id_], kind, about) for id_, kind, about in held[9])
        late = tuple((new[id_], kind, about) for id_, kind, about in held[10])
        flight = None if held[1] is None else new[held[1]]
        sync = (held[0], flight, *held[2:9], waiting, late, len(new))
    conn = device.conn
    if conn is not None:
        reading = conn.reading
        if reading is not None and reading[0] != "hello":
            reading = (reading[0], new[reading[1]], *reading[2:])
        up = tuple(_renamed(frame, new) for frame in conn.up)
        conn = conn._replace(reading=reading, up=up, down=tuple(_renamed(frame, new) for frame in conn.down))
    return device._replace(sync=sync, conn=conn)


def _renamed(frame: Frame, new: dict[int, int]) -> Frame:
    return (frame[0], new[frame[1]], *frame[2:]) if frame[0] in _WITH_ID else frame


def _entries(server: Server, first: int, last: int) -> tuple[tuple[int, int], ...]:
    return tuple((seq, server.log[seq - 1]) for seq in range(first, last + 1))


def _named(frame: Frame) -> str:
    return " ".join(map(str, frame))
