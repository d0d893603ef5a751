"""What happens in a server, as calls: each one measures, or logs, or both."""

import secrets
from collections.abc import Iterable

import structlog
from prometheus_client import generate_latest

from .metrics import Metrics


class Observer:
    """The one object that is told what is worth measuring or logging."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self._log = structlog.get_logger()
        self._bus_connected = False
        # Children are looked up once: labels() costs more than the increment.
        self._pulls = {name: self.metrics.pulls.labels(name) for name in ("websocket", "http")}

    def started(self, address: str, data: str, seconds: float) -> None:
        """The server listens."""
        self._log.info("started", address=address, data=data, seconds=round(seconds, 3))

    def stopping(self, connections: int) -> None:
        """The server was told to stop."""
        self._log.info("stopping", connections=connections)

    def stopped(self) -> None:
        """The server has closed its store."""
        self._log.info("stopped")

    def committed(self, commands: int, messages: int, records: int, seconds: float) -> None:
        """A batch is durable."""
        metrics = self.metrics
        metrics.commits.inc()
        metrics.messages.inc(messages)
        metrics.records.inc(records)
        metrics.batch.observe(commands)
        metrics.commit_seconds.observe(seconds)

    def commit_failed(self, reason: str) -> None:
        """A batch failed to commit; its commands are refused."""
        self.metrics.commit_failures.inc()
        self._log.error("commit_failed", reason=reason)

    def store_failed(self, reason: str) -> None:
        """Durability is in doubt; the process ends."""
        self._log.critical("store_failed", reason=reason)

    def defect(self, where: str, error: BaseException) -> str:
        """Something failed that must not; return the word that finds it in the log."""
        incident = secrets.token_hex(4)
        self._log.error("defect", incident=incident, where=where, exc_info=error)
        return incident

    def request(self, kind: str) -> None:
        """A request was answered over HTTP."""
        self.metrics.requests.labels(kind).inc()

    def refused(self, code: str) -> None:
        """A request was refused."""
        self.metrics.errors.labels(code).inc()

    def pulled(self, entries: int, lag: int, transport: str) -> None:
        """A page was sent to a device that still had ``lag`` entries to learn."""
        self._pulls[transport].inc()
        self.metrics.pulled.inc(entries)
        self.metrics.lag.observe(max(0, lag))

    def announced(self, pushed: int, hints: int) -> None:
        """A commit went out to connections."""
        if pushed:
            self.metrics.pushes.inc(pushed)
        if hints:
            self.metrics.hints.inc(hints)

    def opened(self) -> None:
        """A WebSocket connection was accepted."""
        self.metrics.opened.inc()
        self.metrics.connections.inc()

    def gone(self) -> None:
        """A WebSocket connection ended."""
        self.metrics.connections.dec()

    def closed(self, code: int, user: str | None, device: str | None, reason: str) -> None:
        """The server closes a connection."""
        self.metrics.closed.labels(str(code)).inc()
        self._log.debug("closed", code=code, user=user, device=device, reason=reason)

    def reset(self, reason: str) -> None:
        """A device was told to take a snapshot."""
        self.metrics.resets.labels(reason).inc()

    def outboxes(self, counts: Iterable[tuple[str, int]]) -> None:
        """So many connections are in each state."""
        for state, count in counts:
            self.metrics.outboxes.labels(state).set(count)

    def bus(self, connected: bool) -> None:
        """The bus to the other nodes works, or does not."""
        if connected != self._bus_connected:
            self._bus_connected = connected
            self.metrics.bus_connected.set(connected)
            if connected:
                self._log.info("bus_connected")
            else:
                self._log.warning("bus_lost")

    def filled(self, entries: int) -> None:
        """Entries that the bus did not bring were read from the store."""
        self.metrics.filled.inc(entries)

    def draining(self, connections: int, seconds: float) -> None:
        """The node moves its devices to others."""
        self._log.info("draining", connections=connections, seconds=round(seconds, 1))

    def loop_delay(self, seconds: float) -> None:
        """The event loop was that late."""
        self.metrics.event_loop_seconds.set(max(0.0, seconds))
        if seconds > 1:
            self._log.warning("event_loop_late", seconds=round(seconds, 3))

    def exposition(self) -> bytes:
        """Return all metrics as Prometheus text."""
        return generate_latest(self.metrics.registry)
