"""The metrics (``GET /metrics``), each documented in ``docs/reference/metrics.md``; histograms in seconds."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_COMMIT_SECONDS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_BATCH = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)
_LAG = (0, 1, 10, 100, 1000, 10_000, 100_000, 1_000_000)


class Metrics:
    """Every metric of a server, in a registry of its own."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry(auto_describe=True)
        self.messages = Counter("tideline_messages", "Messages committed.", registry=registry)
        self.commits = Counter("tideline_commits", "Batches committed.", registry=registry)
        self.commit_failures = Counter("tideline_commit_failures", "Batches that failed to commit.", registry=registry)
        self.records = Counter("tideline_records", "Records written by commits.", registry=registry)
        self.batch = Histogram("tideline_batch_commands", "Commands in one batch.", buckets=_BATCH, registry=registry)
        self.commit_seconds = Histogram(
            "tideline_commit_seconds",
            "Time from taking a batch to its being durable.",
            buckets=_COMMIT_SECONDS,
            registry=registry,
        )
        self.pushes = Counter("tideline_pushes", "Entries pushed to connections.", registry=registry)
        self.pulls = Counter("tideline_pulls", "Pulls answered.", ["transport"], registry=registry)
        self.pulled = Counter("tideline_pulled_entries", "Entries sent in pages.", registry=registry)
        self.hints = Counter("tideline_hints", "Times a connection was told to pull.", registry=registry)
        self.requests = Counter(
            "tideline_http_requests", "Requests answered over HTTP, by type.", ["type"], registry=registry
        )
        self.errors = Counter("tideline_errors", "Requests refused, by error code.", ["code"], registry=registry)
        self.connections = Gauge("tideline_connections", "WebSocket connections open.", registry=registry)
        self.opened = Counter("tideline_connections_opened", "WebSocket connections accepted.", registry=registry)
        self.closed = Counter(
            "tideline_connections_closed",
            "WebSocket connections closed by the server, by code.",
            ["code"],
            registry=registry,
        )
        self.resets = Counter(
            "tideline_resets",
            "Times a device was told to take a snapshot, by reason.",
            ["reason"],
            registry=registry,
        )
        self.outboxes = Gauge(
            "tideline_outboxes", "Connections by the state of their outbox.", ["state"], registry=registry
        )
        self.lag = Histogram(
            "tideline_device_lag_entries",
            "Entries that a device still had to learn when it pulled.",
            buckets=_LAG,
            registry=registry,
        )
        self.bus_connected = Gauge(
            "tideline_bus_connected", "Whether the bus to the other nodes works: 1 or 0.", registry=registry
        )
        self.filled = Counter(
            "tideline_filled_entries",
            "Entries of other nodes that the bus did not bring, read from the store.",
            registry=registry,
        )
        self.event_loop_seconds = Gauge(
            "tideline_event_loop_delay_seconds",
            "How late the event loop was at the last look.",
            registry=registry,
        )
