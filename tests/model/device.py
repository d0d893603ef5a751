"""The device of the model: the product's own machine (``Sync`` and its parts), taken in and out of a state.

The shell around it, which opens connections and stores what is applied, is the model's. It is a device that goes on
pulling: its timers may fire at any time, and fire when nothing else happens.
"""

from typing import Any

import msgspec

from tideline.client.flights import Asked
from tideline.client.line import Line
from tideline.client.outputs import Apply, Replace, Transmit
from tideline.client.policy import Policy
from tideline.client.position import Position
from tideline.client.sync import Sync
from tideline.client.table import TABLE
from tideline.protocol import requests, responses
from tideline.protocol.limits import Limits

from .rules import Rules
from .state import Broken, Conn, Device, Frame, Server

EPOCHS = ("e0", "e1", "e2")
_ENTRIES: dict[tuple[int, int, int], responses.Entry] = {}


def entry(epoch: int, seq: int, content: int) -> responses.Entry:
    """Make an entry that says where it is from."""
    key = (epoch, seq, content)
    if key not in _ENTRIES:
        _ENTRIES[key] = responses.Entry(seq, msgspec.Raw(b"[%d,%d,%d]" % key))
    return _ENTRIES[key]


def content_of(given: responses.Entry) -> tuple[int, int]:
    epoch, _, content = msgspec.json.decode(bytes(given.event))
    return epoch, content


class ModelLine(Line):
    """Time is 0, or 1 when what was put off is due."""

    def later(self, failures: int, retry_after: float | None = None) -> int:
        return 1


class Machine:
    """One machine that is every device in turn."""

    def __init__(self, rules: Rules, stash: int, page: int) -> None:
        self.rules = rules
        self.stash = stash
        self.policy = Policy(stash=stash, late=1, page=page, window=1)

    def wake(self, device: Device, now: int = 0) -> Sync:
        """Make the machine of a device."""
        line = ModelLine(self.policy, lambda: 0.0)
        line.now = now
        cursor = None if device.cursor < 0 else device.cursor
        epoch = None if cursor is None else EPOCHS[device.epoch]
        position: Position = self.rules.position(cursor, epoch, self.stash)
        sync: Sync = self.rules.sync(line, position)
        if device.sync:
            state, flight, due, failures, staged, next_, reason, known_head, stash, waiting, late, last = device.sync
            sync.state, sync.flight, sync._due = state, flight, 1 if due else None
            sync._failures, sync._staged, sync._next, sync._reason = failures, staged, next_, reason
            position.known_head = known_head
            position.stash = {seq: entry(epoch, seq, content) for epoch, seq, content in stash}
            line.flights._waiting = {id_: Asked(kind, about, 0) for id_, kind, about in waiting}
            line.flights._late = {id_: Asked(kind, about, 0) for id_, kind, about in late}
            line.flights._last = last
        return sync

    def sleep(self, device: Device, sync: Sync, server: Server, *, crash: bool = False) -> Device:
        """Carry out what the machine wants done, and put it back into a state.

        ``crash``: the process ends between two transactions of its store, if there are two.
        """
        line = sync._line
        cursor, epoch, applied = device.cursor, device.epoch, device.applied
        up = list(device.conn.up) if device.conn is not None else []
        message = device.message
        for output in line.out:
            if isinstance(output, Apply):
                cursor, epoch, applied = self._apply(output, cursor, epoch, applied, server, crash=crash)
            elif isinstance(output, Replace):
                cursor, epoch = output.cursor, EPOCHS.index(output.epoch)
                applied = cursor
            elif isinstance(output, Transmit):
                up.append(_frame(output.frame))
        line.out = []
        if sync.state != "snapshot":
            heard = max(device.heard, cursor)
        else:
            heard = device.heard if device.sync[:1] == ("snapshot",) else 0
        flights = line.flights
        position = sync.position
        machine = (
            sync.state,
            sync.flight,
            sync._due is not None,
            min(sync._failures, 1),
            sync._staged,
            sync._next,
            sync._reason,
            position.known_head,
            tuple(sorted((content_of(held)[0], seq, content_of(held)[1]) for seq, held in position.stash.items())),
            tuple((id_, asked.kind, asked.about) for id_, asked in flights._waiting.items()),
            tuple((id_, asked.kind, asked.about) for id_, asked in flights._late.items()),
            flights._last,
        )
        conn = device.conn._replace(up=tuple(up)) if device.conn is not None else None
        return device._replace(
            cursor=cursor, epoch=epoch, applied=applied, heard=heard, sync=machine, conn=conn, message=message
        )

    def _apply(
        self, output: Apply, cursor: int, epoch: int, applied: int, server: Server, *, crash: bool
    ) -> tuple[int, int, int]:
        """Apply entries and store the cursor, checking that nothing is skipped, doubled, or not what it was."""
        for given in output.entries:
            of, content = content_of(given)
            if (server.epoch == of == epoch or cursor < 0) and not (
                given.seq <= len(server.log) and server.log[given.seq - 1] == content
            ):
                raise Broken("D1", f"entry {given.seq} was applied and is not what is committed")
            if EPOCHS[of] != output.epoch:
                raise Broken("D3", f"entry {given.seq} of another epoch was applied")
            if given.seq <= applied:
                raise Broken("D3", f"entry {given.seq} was applied twice")
            if given.seq != applied + 1:
                raise Broken("C1", f"entry {given.seq} was applied after {applied}")
            if crash and self.rules.apply_first:
                return cursor, epoch, given.seq
            if crash and self.rules.advance_first:
                return output.cursor, epoch, applied
            applied = given.seq
        if output.cursor != applied:
            raise Broken("C1", f"cursor {output.cursor} is stored and {applied} is applied")
        return output.cursor, EPOCHS.index(output.epoch), applied

    # inputs

    def start(self, device: Device) -> Device:
        """Open a connection and say hello; what was in memory stays there."""
        up: tuple[Frame, ...] = (("hello", device.cursor, device.epoch),)
        conn = Conn(False, False, 0, 0, 0, False, None, up, ())
        return device._replace(link="greeting", conn=conn)

    def lose(self, device: Device) -> Device:
        """Lose the connection."""
        message = 1 if device.message == 2 else device.message
        lost = device._replace(link="off", conn=None, message=message)
        if not device.sync:
            return lost
        sync = self.wake(device)
        sync._line.flights.clear()
        sync.disconnected()
        sync._line.flights._last = 0
        return self.sleep(lost, sync, _NOWHERE)

    def receive(self, device: Device, frame: Frame, server: Server, *, crash: bool = False) -> Device:
        """Take a frame of the server."""
        kind = frame[0]
        if device.link == "greeting":
            if kind != "welcome":
                return device
            sync = self.wake(device)
            sync.welcome(_welcome(frame))
            heard = 0 if sync.state == "snapshot" else max(device.heard, _highest(frame))
            return self.sleep(device._replace(link="on", heard=heard), sync, server, crash=crash)
        sync = self.wake(device)
        message = device.message
        if kind in ("sent", "error"):
            asked = sync._line.flights.end(frame[1], "send")
            if asked is not None:
                message = 0 if kind == "sent" else 1
        action = TABLE["error" if kind == "error" else str(kind)][sync.state]
        self._act(sync, action, frame)
        heard = max(device.heard, _highest(frame))
        return self.sleep(device._replace(message=message, heard=heard), sync, server, crash=crash)

    def _act(self, sync: Sync, action: str, frame: Frame) -> None:
        match action:
            case "page":
                _, id_, epoch, entries, head, more = frame
                sync.page(
                    responses.Page(id=id_, epoch=EPOCHS[epoch], entries=_made(epoch, entries), head=head, more=more)
                )
            case "push":
                sync.push(responses.Push(entries=_made(frame[1], frame[2])))
            case "remember":
                sync.remember(responses.Push(entries=_made(frame[1], frame[2])))
            case "head":
                sync.head(frame[1])
            case "pong":
                sync._line.flights.end(frame[1], "ping")
                sync.head(frame[2])
            case "stage":
                _, id_, epoch, cursor, next_ = frame
                sync.stage(
                    responses.SnapshotPage(
                        id=id_,
                        cursor=cursor,
                        epoch=EPOCHS[epoch],
                        conversations=[],
                        next=next_,
                    )
                )
            case "sent":
                _, _, duplicate, epoch, seq, content = frame
                if duplicate:
                    sync.head(seq)
                else:
                    sync.take([entry(epoch, seq, content)])
            case "confirm":
                sync.head(frame[4])
            case "error":
                _, id_, code, retry = frame
                asked = sync._line.flights.end(id_, "pull", "snapshot")
                if asked is not None:
                    error = responses.Error(id=id_, code=code, message="", retry=retry)
                    assert sync.failed(asked, error)

    def tick(self, device: Device, server: Server) -> Device:
        """Let what was put off be due."""
        sync = self.wake(device, now=1)
        sync.tick()
        return self.sleep(device, sync, server)

    def timeout(self, device: Device, server: Server) -> Device:
        """Let the oldest request be unanswered for too long."""
        sync = self.wake(device)
        oldest = sync._line.flights.oldest()
        assert oldest is not None
        id_, asked = oldest
        sync._line.flights.give_up(id_)
        message = device.message
        if asked.kind in ("pull", "snapshot"):
            sync.unanswered(id_)
        elif asked.kind == "send" and message == 2:
            message = 1
        return self.sleep(device._replace(message=message), sync, server)

    def ping(self, device: Device, server: Server) -> Device:
        """Ask where the head is."""
        sync = self.wake(device)
        sync._line.ask("ping", requests.Ping(id=0))
        return self.sleep(device, sync, server)

    def send(self, device: Device, server: Server) -> Device:
        """Send the message that waits in the device's outbox."""
        sync = self.wake(device)
        sync._line.ask("send", requests.Send(id=0, client_id="c", body=msgspec.Raw(b"{}")))
        return self.sleep(device._replace(message=2), sync, server)


_NOWHERE = Server(-1, 1, (), 0, None, ())


def _highest(frame: Frame) -> int:
    """Return the highest number that a frame speaks of."""
    held: Any = frame
    match frame[0]:
        case "welcome" | "notify":
            return int(held[1 if frame[0] == "notify" else 2])
        case "page":
            return int(max(held[4], held[3][-1][0] if held[3] else 0))
        case "push":
            return int(held[2][-1][0])
        case "pong":
            return int(held[2])
        case "sent":
            return int(held[4])
    return 0


def _made(epoch: Any, entries: Any) -> list[responses.Entry]:
    return [entry(epoch, seq, content) for seq, content in entries]


def _welcome(frame: Frame) -> responses.Welcome:
    _, epoch, head, entries, more, reset = frame
    return responses.Welcome(
        id=1,
        user="u",
        device="d",
        session="s",
        epoch=EPOCHS[epoch],
        head=head,
        entries=_made(epoch, entries),
        more=more,
        reset=reset,
        heartbeat=30,
        time=0,
        limits=_LIMITS,
    )


def _frame(given: requests.Request | requests.Signal) -> Frame:
    match given:
        case requests.Pull():
            return ("pull", given.id, given.after, EPOCHS.index(str(given.epoch)))
        case requests.Snapshot():
            return ("snapshot", given.id, given.next)
        case requests.Ping():
            return ("ping", given.id)
        case requests.Send():
            return ("send", given.id)
    raise AssertionError(given)


_LIMITS = Limits()
