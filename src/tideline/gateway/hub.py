"""Who is online: the connections of one app, and what a commit brings to each (protocol, section 5)."""

import time
from collections.abc import Iterable, Mapping
from typing import Protocol

from tideline.delivery.commands import Command, Commit
from tideline.delivery.engine import Engine
from tideline.delivery.outbox import Outbox
from tideline.delivery.peers import AnyNote, Attached, Forgotten, Signalled
from tideline.observe import Observer
from tideline.protocol.errors import RequestError
from tideline.timeline.changes import Run


class Waiter(Protocol):
    """A pull that waits for new entries."""

    def wake(self) -> None:
        """Learn that there are some."""
        ...


class Watcher(Protocol):
    """Whoever looks on while something is inspected."""

    def committed(self, commit: Commit, pushed: int, hints: int) -> None:
        """See a commit that has just gone out."""
        ...

    def moved(self, user: str, name: str, device: "Device | None", why: str, cursor: int | None = None) -> None:
        """See a device come, go, be sent a page, or state where it is."""
        ...


class Device(Protocol):
    """A connection of a device."""

    outbox: Outbox

    def deliver(self, run: Run) -> int:
        """Take new entries; return how many of them are pushed."""
        ...

    def flush(self) -> None:
        """Send what has gathered, as one WebSocket message."""
        ...

    def replaced(self, by: str | None) -> None:
        """Make room for a later connection of the same device."""
        ...

    def forgotten(self) -> None:
        """End, because the device was forgotten."""
        ...

    def failed(self) -> None:
        """End, because of a defect: what it is owed is in the timeline."""
        ...

    def signal(self, frame: bytes) -> None:
        """Forward a signal, unless there is too much to send already."""
        ...


class Hub:
    """The meeting place of an app's connections and its engine."""

    def __init__(self, engine: Engine, observer: Observer) -> None:
        self.engine = engine
        self._observer = observer
        self._devices: dict[str, dict[str, Device]] = {}
        self._since: dict[tuple[str, str], int] = {}
        """When a device connected, in ms."""
        self._waiting: dict[str, list[Waiter]] = {}
        self.hints = 0
        """Notifies said since the last commit."""
        self.watcher: Watcher | None = None
        """Nobody, nearly always: then looking on costs this test and no more."""
        engine.listen(self._announce, self._hear)

    def attach(self, user: str, name: str, device: Device, instance: str | None) -> None:
        """Let a device be online: it gets every later commit. Its older connection, if any, is replaced."""
        devices = self._devices.setdefault(user, {})
        older = devices.get(name)
        devices[name] = device
        at = self._since[user, name] = int(time.time() * 1000)
        if older is not None and older is not device:
            older.replaced(instance)
        self.engine.tell(user, Attached(name, instance, at))
        if self.watcher is not None:
            self.watcher.moved(user, name, device, "online")

    def detach(self, user: str, name: str, device: Device) -> None:
        """Let a device be offline, if this is still its connection."""
        devices = self._devices.get(user)
        if devices is not None and devices.get(name) is device:
            del devices[name]
            self._since.pop((user, name), None)
            if not devices:
                del self._devices[user]
                self._let_go(user)
            if self.watcher is not None:
                self.watcher.moved(user, name, None, "offline")

    def users(self) -> Mapping[str, Mapping[str, Device]]:
        """Return the connections by user and device; not to be changed."""
        return self._devices

    def _let_go(self, user: str) -> None:
        """Have nobody else's commits announced of a user for whom nobody is here."""
        if user not in self._devices and user not in self._waiting:
            self.engine.unwatch(user)

    def online(self, user: str) -> set[str]:
        """Return the names of a user's devices that are connected."""
        return set(self._devices.get(user, ()))

    def kick(self, user: str, name: str) -> None:
        """Close the connection of a forgotten device, on whichever node it is."""
        self._kick(user, name)
        self.engine.tell(user, Forgotten(name, int(time.time() * 1000)))

    def _kick(self, user: str, name: str) -> None:
        device = self._devices.get(user, {}).get(name)
        if device is not None:
            self.detach(user, name, device)
            device.forgotten()

    def wait(self, user: str, waiter: Waiter) -> None:
        """Wake a waiter at a user's next entry."""
        self._waiting.setdefault(user, []).append(waiter)

    def stop_waiting(self, user: str, waiter: Waiter) -> None:
        """Wake a waiter no more."""
        waiters = self._waiting.get(user)
        if waiters is not None and waiter in waiters:
            waiters.remove(waiter)
            if not waiters:
                del self._waiting[user]
                self._let_go(user)

    def signal(self, users: Iterable[str], frame: bytes) -> None:
        """Forward a signal to all connections of these users, on all nodes."""
        note = Signalled(frame)
        for user in users:
            self._signal(user, frame)
            self.engine.tell(user, note)

    def _signal(self, user: str, frame: bytes) -> None:
        for device in self._devices.get(user, {}).values():
            device.signal(frame)

    def _hear(self, user: str, note: AnyNote) -> None:
        """Take what another node says of a user."""
        if isinstance(note, Signalled):
            self._signal(user, note.frame)
        elif isinstance(note, Attached | Forgotten) and self._since.get((user, note.device), note.at) < note.at:
            # Connections made since are later ones than what the note speaks of.
            if isinstance(note, Forgotten):
                self._kick(user, note.device)
            else:
                device = self._devices[user][note.device]
                self.detach(user, note.device, device)
                device.replaced(note.instance)

    def _announce(self, commit: Commit) -> None:
        pushed = 0
        failed: list[tuple[Device, Exception]] = []
        for user, run in commit.runs.items():
            devices = self._devices.get(user)
            if devices is not None:
                for device in devices.values():
                    try:
                        pushed += device.deliver(run)
                    except Exception as error:
                        failed.append((device, error))
        for device, defect in failed:
            self._observer.defect("deliver", defect)
            device.failed()
        for command, outcome in commit.replies:
            try:
                self._reply(command, outcome)
            except Exception as error:
                self._observer.defect("reply", error)
        if self._waiting:
            for user in commit.runs:
                for waiter in self._waiting.get(user, ()):
                    waiter.wake()
        self._observer.announced(pushed, self.hints)
        if self.watcher is not None:
            self.watcher.committed(commit, pushed, self.hints)
        self.hints = 0

    def _reply(self, command: Command, outcome: bytes | RequestError) -> None:
        if isinstance(outcome, RequestError):
            self._observer.refused(outcome.code)
            command.origin.refused(command, outcome)
        else:
            command.origin.answered(command, outcome)
