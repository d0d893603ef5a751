"""What is measured, and what has to be reached: all of it as data."""

from dataclasses import dataclass, field
from statistics import median
from typing import Literal


@dataclass(frozen=True)
class Target:
    """A bound on a case's figure (`of="figure"`), or on figure / floor (`of="ratio"`)."""

    of: Literal["figure", "ratio"]
    bound: Literal["≥", "≤"]
    value: float

    def __str__(self) -> str:
        return f"{self.bound} {self.value:,g}" + (" of the floor" if self.of == "ratio" else "")

    def reached(self, value: float) -> bool:
        return value >= self.value if self.bound == "≥" else value <= self.value


@dataclass(frozen=True)
class Case:
    """One row: a load with its parameters, and the figure that counts."""

    name: str
    load: str
    figure: str
    """Which figure of the outcome."""
    unit: str
    parameters: dict[str, int]
    quick: dict[str, int] = field(default_factory=dict)
    """Parameters of a smoke run that differ."""
    targets: tuple[Target, ...] = ()
    extra: tuple[str, ...] = ()
    """Further figures to show."""
    in_process: bool = False
    """Runs the store itself, on the server's core, instead of a server."""
    note: str = ""


_CPU = ("server_us", "server_cpu", "generator_cpu", "others_cpu", "fsync_us")

SCENARIOS: dict[str, tuple[Case, ...]] = {
    "pairs": tuple(
        Case(
            name=f"pairs, {in_flight} in flight",
            load="pairs",
            figure="rate",
            unit="messages/s",
            parameters={"pairs": 50, "in_flight": in_flight},
            quick={"pairs": 10},
            targets=(Target("ratio", "≥", 0.65), Target("figure", "≥", 40_000)) if in_flight == 16 else (),
            extra=_CPU,
            note="acknowledged and received; 200-byte bodies",
        )
        for in_flight in (1, 4, 16)
    ),
    "latency": (
        Case(
            name="latency, p99",
            load="latency",
            figure="p99_ms",
            unit="ms",
            parameters={"pairs": 50, "rate": 2000},
            quick={"rate": 500},
            targets=(Target("ratio", "≤", 2),),
            extra=("p50_ms", "p999_ms", "max_ms", "ack_p50_ms", "ack_p99_ms", "late_ms", "rate", *_CPU),
            note="2,000 messages/s offered, from the write of the send to its receipt",
        ),
    ),
    "fanout": (
        Case(
            name="fanout, group of 1,000",
            load="fanout",
            figure="rate",
            unit="deliveries/s",
            parameters={"members": 1000, "in_flight": 128},
            quick={"members": 50},
            targets=(Target("figure", "≥", 200_000),),
            extra=("pulls", *_CPU),
            note="one sender; socket.io on a like machine, storing nothing: 108,000",
        ),
    ),
    "catchup": (
        Case(
            name="catchup, 100,000 missed",
            load="catchup",
            figure="rate",
            unit="entries/s",
            parameters={"entries": 100_000, "senders": 50, "in_flight": 16},
            quick={"entries": 5_000},
            targets=(Target("figure", "≥", 200_000),),
            extra=("pages", "page_bytes", *_CPU),
            note="one connection, pages of 1,000, one pull after the other",
        ),
    ),
    "idle": (
        Case(
            name="idle, 5,000 connections",
            load="idle",
            figure="kib_each",
            unit="KiB each",
            parameters={"connections": 5000},
            quick={"connections": 200},
            targets=(Target("figure", "≤", 10),),
            extra=("pss_kib_each", "uss_kib_each", "rss_mib_before", "rss_mib_after"),
            note="mosquitto 1.2, Redis 9, NATS 21, socket.io 28, ejabberd 40",
        ),
    ),
    "growth": (
        Case(
            name="growth, last million / first",
            load="growth",
            figure="kept",
            unit="of the first",
            parameters={"entries": 10_000_000, "users": 1_000_000, "batch": 256},
            quick={"entries": 100_000, "users": 10_000},
            targets=(Target("figure", "≥", 0.75),),
            extra=("rate", "slowest_batch_ms", "disk_mib"),
            in_process=True,
            note="10 million entries over 1 million users",
        ),
    ),
}


@dataclass
class Measured:
    """All runs of one case: the outcomes of floor and product, in the order in which they ran."""

    case: Case
    quick: bool = False
    floor: list[dict[str, float]] = field(default_factory=list)
    product: list[dict[str, float]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def values(self, server: str, figure: str | None = None) -> list[float]:
        outcomes = self.floor if server == "floor" else self.product
        name = figure or self.case.figure
        return [outcome[name] for outcome in outcomes if name in outcome]

    @property
    def parameters(self) -> dict[str, int]:
        return self.case.parameters | (self.case.quick if self.quick else {})

    def ratios(self) -> list[float]:
        """Product / floor of each round: what disturbs a round disturbs both."""
        pairs = zip(self.values("product"), self.values("floor"), strict=False)
        return [product / floor for product, floor in pairs if floor]

    def verdicts(self) -> list[tuple[Target, str]]:
        """A word for each target: reached, missed, or why nothing can be said."""
        words = []
        for target in self.case.targets:
            values = self.ratios() if target.of == "ratio" else self.values("product")
            if not values:
                words.append((target, "not measured"))
                continue
            if self.quick:
                words.append((target, "not judged: a smoke run"))
                continue
            value = median(values)
            off = abs(value / target.value - 1)
            words.append((target, "reached" if target.reached(value) else f"missed by {off:.0%}"))
        return words
