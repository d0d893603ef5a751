"""Who is online: the connections of one app, and what a commit brings to each (protocol, section 5)."""

from collections.abc import Iterable
from typing import Protocol

from tideline.delivery.commands import Command, Commit
from tideline.delivery.engine import Engine
from tideline.observe import Observer
from tideline.protocol.errors import RequestError
from tideline.timeline.changes import Run


class Waiter(Protocol):
    """A pull that waits for new entries."""

    def wake(self) -> None:
        """Learn that there are some."""
        ...


class Device(Protocol):
    """A connection of a device."""

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
        self._waiting: dict[str, list[Waiter]] = {}
        self.hints = 0
        """Notifies said since the last commit."""
        engine.listen(self._announce)

    def attach(self, user: str, name: str, device: Device, instance: str | None) -> None:
        """Let a device be online: it gets every later commit. Its older connection, if any, is replaced."""
        devices = self._devices.setdefault(user, {})
        older = devices.get(name)
        devices[name] = device
        if older is not None:
            older.replaced(instance)

    def detach(self, user: str, name: str, device: Device) -> None:
        """Let a device be offline, if this is still its connection."""
        devices = self._devices.get(user)
        if devices is not None and devices.get(name) is device:
            del devices[name]
            if not devices:
                del self._devices[user]

    def online(self, user: str) -> set[str]:
        """Return the names of a user's devices that are connected."""
        return set(self._devices.get(user, ()))

    def kick(self, user: str, name: str) -> None:
        """Close the connection of a forgotten device."""
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

    def signal(self, users: Iterable[str], frame: bytes) -> None:
        """Forward a signal to all connections of these users."""
        for user in users:
            for device in self._devices.get(user, {}).values():
                device.signal(frame)

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
        self.hints = 0

    def _reply(self, command: Command, outcome: bytes | RequestError) -> None:
        if isinstance(outcome, RequestError):
            self._observer.refused(outcome.code)
            command.origin.refused(command, outcome)
        else:
            command.origin.answered(command, outcome)
