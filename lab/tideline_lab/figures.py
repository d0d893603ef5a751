"""What is computed from a run: per message, or per message and device."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from .results import Phase, Results, Run

ALIKE = frozenset({"hello", "welcome", "send", "sent", "ping", "pong"})
"""Frames that are the same in all models, and so no cost of any."""
REQUESTS = frozenset({"pull"})
"""Frames that a device waits for the answer of: round trips."""


class Figure(NamedTuple):
    """Something measured."""

    title: str
    unit: str
    of: Callable[[Run], float | None]


def _count(counts: dict[str, int], kinds: frozenset[str] | None = None) -> int:
    return sum(count for kind, count in counts.items() if (kind in kinds if kinds is not None else kind not in ALIKE))


def _per_delivery(of: Callable[[Phase], float]) -> Callable[[Run], float | None]:
    return lambda run: of(run.live) / run.deliveries if run.deliveries else None


def _per_message(of: Callable[[Run], float]) -> Callable[[Run], float | None]:
    return lambda run: of(run) / run.messages


def _all_deletes(run: Run) -> int:
    return sum(_total(phase.store.deletes) for phase in (run.live, run.login, run.appear) if phase)


def _total(counts: dict[str, int]) -> int:
    return sum(counts.values())


FIGURES: dict[str, Figure] = {
    "frames_down": Figure(
        "Frames to the device", "per message and device", _per_delivery(lambda live: _count(live.frames_down))
    ),
    "frames_up": Figure(
        "Frames from the device", "per message and device", _per_delivery(lambda live: _count(live.frames_up))
    ),
    "frames": Figure(
        "Frames both ways",
        "per message and device",
        _per_delivery(lambda live: _count(live.frames_down) + _count(live.frames_up)),
    ),
    "bytes_down": Figure(
        "Bytes to the device", "per message and device", _per_delivery(lambda live: _count(live.bytes_down))
    ),
    "bytes_up": Figure(
        "Bytes from the device", "per message and device", _per_delivery(lambda live: _count(live.bytes_up))
    ),
    "requests": Figure(
        "Round trips (pulls)",
        "per message and device",
        _per_delivery(lambda live: _count(live.frames_up, REQUESTS)),
    ),
    "p50": Figure("From send to applied, p50", "ms", lambda run: run.live.wait["p50"]),
    "p99": Figure("From send to applied, p99", "ms", lambda run: run.live.wait["p99"]),
    "login": Figure(
        "Until a device has everything, all logging in at once, p50",
        "ms",
        lambda run: run.login.wait["p50"] if run.login else None,
    ),
    "puts": Figure("Records written", "per message", _per_message(lambda run: _total(run.live.store.puts))),
    "deletes": Figure("Records deleted", "per message", _per_message(_all_deletes)),
    "writes": Figure(
        "Records written and deleted",
        "per message",
        _per_message(lambda run: _total(run.live.store.puts) + _all_deletes(run)),
    ),
    "put_bytes": Figure("Bytes written", "per message", _per_message(lambda run: _total(run.live.store.put_bytes))),
    "reads": Figure("Records read", "per message", _per_message(lambda run: _total(run.live.store.reads))),
    "stored_sent": Figure(
        "Bytes held before the others log in", "per message", _per_message(lambda run: _total(run.stored_sent.bytes))
    ),
    "stored_end": Figure(
        "Bytes held in the end", "per message", _per_message(lambda run: _total(run.stored_end.bytes))
    ),
    "cpu": Figure(
        "Time of the server's processor", "µs per message and device", _per_delivery(lambda live: live.cpu * 1e6)
    ),
    "lost": Figure("Lost", "messages", lambda run: run.wrong.lost),
    "doubled": Figure("Applied twice", "messages", lambda run: run.wrong.doubled),
    "out_of_order": Figure("Applied out of order", "messages", lambda run: run.wrong.out_of_order),
    "disorder": Figure(
        "Applied out of order",
        "% of messages",
        lambda run: 100 * run.wrong.out_of_order / run.deliveries if run.deliveries else None,
    ),
    "seen": Figure(
        "What a new device has of the time before it",
        "% of messages",
        lambda run: 100 * (1 - run.wrong.missing_on_new / run.wrong.before_new) if run.wrong.before_new else None,
    ),
}


class Table:
    """The runs of a scenario, by model and value."""

    def __init__(self, results: Results, scenario: str) -> None:
        self.runs = {(run.model, run.x): run for run in results.runs if run.scenario == scenario}
        self.values = sorted({x for _, x in self.runs})

    def __bool__(self) -> bool:
        return bool(self.runs)

    def figure(self, name: str, model: str, x: float) -> float | None:
        """Return a figure of one run, None if it was not run or has none."""
        run = self.runs.get((model, x))
        return None if run is None else FIGURES[name].of(run)

    def series(self, name: str, models: Iterable[str]) -> dict[str, list[tuple[float, float]]]:
        """Return a figure over the scenario's values, by model."""
        series: dict[str, list[tuple[float, float]]] = {}
        for model in models:
            points = [(x, value) for x in self.values if (value := self.figure(name, model, x)) is not None]
            if points:
                series[model] = points
        return series

    def nearest(self, x: float) -> float:
        """Return the value that was run and is nearest to this one."""
        return min(self.values, key=lambda value: (abs(value - x), -value))
