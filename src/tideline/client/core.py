"""The device machine: what a device does, without doing it (protocol, section 6).

Laws:

1. It is pure: no socket, no clock, no chance of its own. ``now`` is an argument, ``random`` is passed in.
2. All policy is here: when to connect, pull, take a snapshot, ping, send again, give up. Whoever runs it
   carries out its outputs in order and tells it what happened, no more.

Theory: :mod:`tideline.client.table` says what an input does in a state. Three things go on side by side and
share only the line: the position (:mod:`~tideline.client.sync`), the messages to send
(:mod:`~tideline.client.outbox`) and the application's other requests (:mod:`~tideline.client.calls`). This
module is the connection that they go over: opening it, losing it, the times of all requests.

To run it: feed :meth:`Device.handle` every input with its time, carry out what it returns, and feed ``tick``
at :meth:`Device.wake`. ``spec/vectors`` holds scenarios for it, for any language.
"""

from collections.abc import Callable
from typing import Any, Final

from tideline.protocol import requests, responses
from tideline.protocol.errors import NO_RECONNECT, Close
from tideline.protocol.limits import Limits

from . import inputs, outputs
from .calls import Calls
from .flights import Asked
from .line import Line
from .outbox import Outbox, own_entry
from .policy import Policy
from .position import Position
from .renewal import Renewal
from .sync import Sync
from .table import CONNECTED, ONLINE, TABLE

_FRAMES: Final = frozenset(inputs.FRAME_INPUTS.values())
_NOTHING: Final = "-"


class Device:
    """One device of one user. ``renewable``: whether another token can be had when one is refused."""

    def __init__(
        self,
        *,
        device: str,
        instance: str,
        random: Callable[[], float],
        cursor: int | None = None,
        epoch: str | None = None,
        user: str | None = None,
        renewable: bool = False,
        delivery: requests.Delivery = "content",
        policy: Policy | None = None,
    ) -> None:
        self.user = user
        self.limits = Limits()
        self._device, self._instance, self._delivery = device, instance, delivery
        self._line = line = Line(policy or Policy(), random)
        self.sync = Sync(line, Position(cursor, epoch, line.policy.stash))
        self.outbox = Outbox(line)
        self.calls = Calls(line)
        self._renewal = Renewal(line, renewable=renewable)
        self._link = "stopped"
        """``state`` but for ``online``, which stands for the position's states."""
        self._due: int | None = None
        """In ``waiting`` when to connect, in ``connecting`` when to give up."""
        self._attempts = 0
        """Connections in a row that did not last."""
        self._online_since: int | None = None
        self._heartbeat = 30_000

    @property
    def state(self) -> str:
        """The column of the table."""
        return self.sync.state if self._link == "online" else self._link

    def handle(self, now: int, given: inputs.Input) -> list[outputs.AnyOutput]:
        """Take one input at ``now`` (ms) and return what is to be done, in order."""
        kind = inputs.NAMES[type(given)]
        line = self._line
        line.now, line.out = now, []
        if kind in _FRAMES and self.state in CONNECTED:
            line.heard = now
        action = TABLE[kind][self.state]
        if action != _NOTHING:
            _ACTIONS[action](self, given)
        return line.out

    def wake(self) -> int | None:
        """Return when a ``tick`` is wanted (ms), or None: not without another input."""
        online = self.state in ONLINE
        times = [self._due, self.calls.wake(online=online)]
        if (oldest := self._line.flights.oldest()) is not None:
            times.append(oldest[1].at + self._line.policy.answer)
        if online:
            times.append(self._line.said + self._heartbeat)
            times += [self.sync.wake(), self.outbox.wake(), self._renewal.wake()]
        return min((time for time in times if time is not None), default=None)

    # Opening a connection.

    def _open(self, _: inputs.Start) -> None:
        self._attempts, self._renewal.refused = 0, False
        self._connect()

    def _connect(self) -> None:
        self._link = "connecting"
        self._due = self._line.now + self._line.policy.connect
        self._line.put(outputs.Connect(fresh=self._renewal.refused))

    def _reopen(self, _: inputs.Tick) -> None:
        self.calls.expire()
        if self._due is not None and self._line.now >= self._due:
            self._connect()

    def _impatient(self, _: inputs.Tick) -> None:
        self.calls.expire()
        if self._due is not None and self._line.now >= self._due:
            self._reconnect()

    def _greet(self, given: inputs.Connected) -> None:
        self._link, self._due = "greeting", None
        self._line.heard = self._line.now
        self._renewal.offered(given.expires)
        hello = requests.Hello(
            id=0,
            token="",
            device=self._device,
            instance=self._instance,
            cursor=self.sync.position.cursor,
            epoch=self.sync.position.epoch,
            delivery=self._delivery,
            limit=self._line.policy.page,
        )
        self._line.ask("hello", hello)

    def _welcome(self, given: responses.Welcome) -> None:
        self._line.flights.clear()
        if self.user is not None and self.user != given.user:
            self._end("wrong_user", f"the local store is of {self.user}, the token of {given.user}")
            return
        self.user, self.limits = given.user, given.limits
        self._heartbeat = round(given.heartbeat * 1000)
        self._line.clock = given.time - self._line.now
        self._link, self._online_since = "online", self._line.now
        self._renewal.accepted()
        self.sync.welcome(given)
        self._flush()

    # Losing it.

    def _lost(self, given: inputs.Disconnected) -> None:
        self._gone(given.code, given.reason, closed=True)

    def _bye(self, given: responses.Bye) -> None:
        self._gone(given.code, given.reason, given.retry_after, by=given.by)

    def _refused(self, given: responses.Error) -> None:
        if self._line.flights.end(given.id, "hello") is None:
            return
        if given.code == "unauthorized":
            self._gone(Close.UNAUTHORIZED, given.message)
        elif given.retry:
            self._reconnect(given.retry_after)
        else:
            self._end(given.code, given.message)

    def _gone(
        self,
        code: int,
        reason: str,
        retry_after: float | None = None,
        *,
        by: str | None = None,
        closed: bool = False,
    ) -> None:
        """Reconnect, unless that would end in the same way; ``closed``: there is nothing left to close."""
        again = code not in NO_RECONNECT
        if code == Close.UNAUTHORIZED:
            again = self._renewal.refuse()
        elif code == Close.REPLACED:
            again = by == self._instance  # Rule 10: an own older attempt was late.
        if again:
            self._reconnect(retry_after, closed=closed)
        else:
            self._end(int(code), reason, closed=closed)

    def _reconnect(self, retry_after: float | None = None, *, closed: bool = False) -> None:
        """Connect again: later each time, and never all devices at once (rule 7)."""
        lasted = 0 if self._online_since is None else self._line.now - self._online_since
        if lasted >= self._line.policy.stable:
            self._attempts = 0
        self._disconnect("waiting", closed=closed)
        self._due = self._line.later(self._attempts, retry_after)
        self._attempts += 1

    def _halt(self, _: inputs.Stop) -> None:
        self._end(0, "stopped")

    def _end(self, code: int | str, reason: str, *, closed: bool = False) -> None:
        self._disconnect("stopped", closed=closed or self._link == "waiting")
        self.calls.fail_all(f"the device has stopped: {reason or code}")
        self._line.put(outputs.Stopped(code=code, reason=reason))

    def _disconnect(self, link: str, *, closed: bool) -> None:
        self._link = link
        self._due = self._online_since = None
        self._line.flights.clear()
        self.sync.disconnected()
        self.outbox.disconnected()
        self.calls.disconnected()
        self._renewal.disconnected()
        if not closed:
            self._line.put(outputs.Close())

    # The times of all requests.

    def _timers(self, _: inputs.Tick) -> None:
        self.calls.expire()
        self._expire_flights()
        if self.state not in ONLINE:
            return
        self.sync.tick()
        self._flush()
        self._renewal.tick()
        if self._line.now - self._line.said >= self._heartbeat:
            self._ping()

    def _expire_flights(self) -> None:
        """Stop waiting for what is unanswered (rule 7); when all is silent, find out whether anyone is there.

        A ping that nothing followed means that the connection is half open: only a new one helps.
        """
        flights = self._line.flights
        while (oldest := flights.oldest()) is not None:
            request, asked = oldest
            if asked.at + self._line.policy.answer > self._line.now:
                return
            silent = self._line.heard <= asked.at
            if asked.kind == "hello" or (asked.kind == "ping" and silent):
                self._reconnect()
                return
            flights.give_up(request)
            if silent and not flights.has("ping"):
                self._ping()
            self._unanswered(request, asked)

    def _unanswered(self, request: int, asked: Asked) -> None:
        match asked.kind:
            case "pull" | "snapshot":
                self.sync.unanswered(request)
            case "send":
                self.outbox.unanswered(request, asked)
            case "call":
                self.calls.unanswered(request, asked)
            case "renew":
                self._renewal.unanswered()

    def _error(self, given: responses.Error) -> None:
        asked = self._line.flights.end(given.id, "pull", "snapshot", "ping", "renew", "send", "call")
        if asked is None:
            return
        if given.code == "unauthorized":
            self._gone(Close.UNAUTHORIZED, given.message)
            return
        match asked.kind:
            case "pull" | "snapshot":
                if not self.sync.failed(asked, given):
                    self._end(given.code, given.message)
            case "send":
                self.outbox.failed(asked, given)
                self._flush_outbox()
            case "call":
                self.calls.failed(asked, given)
            case "renew":
                self._renewal.failed(given)

    def _ping(self) -> None:
        self._line.ask("ping", requests.Ping(id=0, cursor=self.sync.position.cursor))

    # Messages to send.

    def _queue(self, given: inputs.Submit) -> None:
        self.outbox.add(given)

    def _dispatch(self, given: inputs.Submit) -> None:
        self.outbox.add(given)
        self._flush_outbox()

    def _found(self, given: inputs.Found) -> None:
        self.outbox.remove(given.client_id)
        if self.state in ONLINE:
            self._flush_outbox()

    def _sent(self, given: responses.Sent) -> None:
        """Rule 6: not a duplicate, it is the entry of one's own message."""
        item = self.outbox.sent(given)
        if item is not None and not given.duplicate:
            self.sync.take([own_entry(item, given, self.user or "")])
        else:
            self.sync.head(given.seq)
        self._flush_outbox()

    def _confirm(self, given: responses.Sent) -> None:
        """Rule 8: until resynchronised it is no entry, but the message is sent all the same."""
        self.outbox.sent(given)
        self.sync.head(given.seq)
        self._flush_outbox()

    def _flush_outbox(self) -> None:
        self.outbox.flush(self.limits.client_id_ttl)

    def _flush(self) -> None:
        self._flush_outbox()
        self.calls.flush()

    # What the application asks for besides.

    def _refuse(self, given: inputs.Call) -> None:
        self.calls.fail(given.key, "the device has stopped")

    def _hold(self, given: inputs.Call) -> None:
        self.calls.add(given)

    def _ask(self, given: inputs.Call) -> None:
        self.calls.add(given)
        self.calls.flush()

    def _cancel(self, given: inputs.Cancel) -> None:
        self.calls.cancel(given.key)

    def _pong(self, given: responses.Pong) -> None:
        self._line.flights.end(given.id, "ping")
        self.sync.head(given.head)


_ACTIONS: Final[dict[str, Callable[[Device, Any], None]]] = {
    "open": Device._open,
    "reopen": Device._reopen,
    "impatient": Device._impatient,
    "greet": Device._greet,
    "welcome": Device._welcome,
    "lost": Device._lost,
    "bye": Device._bye,
    "refused": Device._refused,
    "halt": Device._halt,
    "timers": Device._timers,
    "error": Device._error,
    "push": lambda device, given: device.sync.push(given),
    "page": lambda device, given: device.sync.page(given),
    "head": lambda device, given: device.sync.head(given.head),
    "pong": Device._pong,
    "stage": lambda device, given: device.sync.stage(given),
    "remember": lambda device, given: device.sync.remember(given),
    "pause": lambda device, _: device.sync.pause(),
    "resume": lambda device, _: device.sync.resume(online=device.state in ONLINE),
    "queue": Device._queue,
    "dispatch": Device._dispatch,
    "found": Device._found,
    "sent": Device._sent,
    "confirm": Device._confirm,
    "refuse": Device._refuse,
    "hold": Device._hold,
    "ask": Device._ask,
    "answer": lambda device, given: device.calls.answered(given, given.id),
    "cancel": Device._cancel,
    "tell": lambda device, given: device._line.say(given.frame),
    "deliver": lambda device, given: device._line.put(outputs.Deliver(frame=given)),
    "renewed": lambda device, given: device._renewal.renewed(given),
}
