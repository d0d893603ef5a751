"""The capacity model: what a given use needs, from what things cost. Prints the tables of ``capacity.md``.

    python docs/capacity.py

Change ``USE`` to your own figures; ``COST`` holds measured ones (``python -m bench.nodes``, ``python -m bench idle``).
"""

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Use:
    """What people do."""

    users: float = 10e6
    """Daily users."""
    messages: float = 100e6
    """Messages a day."""
    devices: float = 5
    """Devices of a user."""
    connected: float = 0.2
    """Share of devices that are connected at the peak."""
    present: float = 0.4
    """Share of users with at least one of them."""
    receivers: float = 6
    """Timelines that a message goes to, the sender's too."""
    peak: float = 5
    """Messages a second at the peak, in averages."""
    body: float = 200
    """Bytes of a message's body."""


@dataclass(frozen=True)
class Cost:
    """What things cost on one core of the machine they were measured on; times in µs, sizes in bytes."""

    node_message: float = 700
    """A message in a batch of one or two: most of it is the batch's round trips."""
    node_delivery: float = 5
    """One entry, to the bus or from it and to a connection."""
    node_ping: float = 30
    postgres_message: float = 420
    """A message with two receivers in a batch of one or two."""
    postgres_entry: float = 15
    """Each further receiver: a head, and a row of entries."""
    postgres_head: float = 6
    """Reading a head when heads are compared."""
    nats_message: float = 8
    wal_message: float = 1800
    wal_entry: float = 350
    disk_message: float = 560
    """A message of no body with its share of indexes; its idempotency key is gone after a day."""
    disk_entry: float = 160
    connection: float = 20 * 1024
    """Memory of a connection with its user's subscription."""


USE, COST = Use(), Cost()
HEARTBEAT, COMPARED = 30, 3
"""Seconds between two pings of a device, and between two comparisons of heads."""
NODE_CONNECTIONS = 50_000
NODE_BUSY = DATABASE_BUSY = 0.5
"""Share of a core that is used at the peak, so that there is room when a machine fails."""
SHARD_CORES, SHARD_DISK = 16, 4e12
KEPT_DAYS = 90
"""Days that sync timelines are kept, when they are trimmed."""


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [head, ("---", *["---:"] * (len(head) - 1)), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float, unit: str = "") -> str:
    """Round to two digits, with a name for large ones."""
    for name, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.2g} {name}{unit}" if value / size < 100 else f"{value / size:,.0f} {name}{unit}"
    return f"{value:.2g} {unit}".strip() if value < 100 else f"{value:,.0f} {unit}".strip()


def model(use: Use, cost: Cost) -> dict[str, str]:
    """Return the tables by name."""
    rate = use.messages / 86_400 * use.peak
    entries = rate * use.receivers
    connections = use.users * use.devices * use.connected
    deliveries = entries * use.devices * use.connected
    heads = use.users * use.present / COMPARED
    pings = connections / HEARTBEAT

    def cores(*parts: tuple[float, float]) -> float:
        return sum(count * micro for count, micro in parts) / 1e6

    further = rate * max(0, use.receivers - 2)
    node = {
        "messages": cores((rate, cost.node_message)),
        "deliveries": cores((entries + deliveries, cost.node_delivery)),
        "heartbeats": cores((pings, cost.node_ping)),
    }
    database = {
        "commits": cores((rate, cost.postgres_message), (further, cost.postgres_entry)),
        "comparing heads": cores((heads, cost.postgres_head)),
    }
    yearly_messages = use.messages * 365 * (cost.disk_message + use.body)
    yearly_entries = use.messages * 365 * use.receivers * cost.disk_entry
    kept = yearly_messages + yearly_entries * KEPT_DAYS / 365
    wal = rate * (cost.wal_message + max(0, use.receivers - 2) * cost.wal_entry)
    nodes = max(connections / NODE_CONNECTIONS, sum(node.values()) / NODE_BUSY)
    shards = {
        "processors": sum(database.values()) / DATABASE_BUSY / SHARD_CORES,
        "disks, after a year": kept / SHARD_DISK,
    }
    event = use.body + 250
    load = [
        ("messages", f"{number(rate)}/s"),
        ("entries written", f"{number(entries)}/s"),
        ("connections", number(connections)),
        ("pushes", f"{number(deliveries)}/s"),
        ("heartbeats", f"{number(pings)}/s"),
        ("heads compared", f"{number(heads)}/s"),
    ]
    use_of_cores = [
        *((f"nodes: {name}", number(value)) for name, value in node.items()),
        *((f"database: {name}", number(value)) for name, value in database.items()),
        ("NATS", number(cores((entries, cost.nats_message)))),
    ]
    needed = [
        (f"nodes of one core, {NODE_CONNECTIONS:,} connections each", number(nodes)),
        ("their memory for connections", number(connections * cost.connection, "B")),
        *(
            (f"database shards ({SHARD_CORES} cores, {number(SHARD_DISK, 'B')}) by {name}", f"{value:.1f}")
            for name, value in shards.items()
        ),
        ("messages, a year", number(yearly_messages, "B")),
        ("sync timelines, a year", number(yearly_entries, "B")),
        (f"both, with timelines trimmed after {KEPT_DAYS} days", number(kept, "B")),
        ("write-ahead log", f"{number(wal, 'B')}/s"),
        ("network to devices", f"{number(deliveries * event * 8, 'bit')}/s"),
        ("network of the bus", f"{number(entries * event * 8 * 2, 'bit')}/s"),
    ]
    return {
        "load": table(("at the peak", ""), load),
        "cores": table(("cores at the peak", ""), use_of_cores),
        "needed": table(("needed", ""), needed),
    }


def main() -> None:
    """Print the assumptions and the tables."""
    for title, values in (("use", USE), ("cost", COST)):
        print(
            table(
                (title, ""),
                [(each.name.replace("_", " "), f"{getattr(values, each.name):,g}") for each in fields(values)],
            )
        )
        print()
    for text in model(USE, COST).values():
        print(text, end="\n\n")


if __name__ == "__main__":
    main()
