"""What the report answers: each question with its charts, and an answer in words made from the figures."""

from collections.abc import Callable
from typing import NamedTuple

from .chart import Chart
from .figures import FIGURES, Table
from .results import Results

AXES = {
    "devices": "devices per user",
    "online": "share of the devices online",
    "group": "members of the group",
    "rate": "messages a second",
    "rtt": "round-trip time, ms",
    "loss": "share of pushes lost",
    "new_at": "share of the messages sent before the device appears",
}


class Plot(NamedTuple):
    """A figure over a scenario's values."""

    scenario: str
    figure: str
    x_log: bool = False
    y_log: bool = False
    models: tuple[str, ...] = ("polling", "traditional", "hint", "numbered")


class Question(NamedTuple):
    """A question, and where its answer is."""

    title: str
    scenario: str
    plots: tuple[Plot, ...]
    answer: Callable[[Table], list[str]]


def plotted(plot: Plot, results: Results) -> Chart | None:
    """Return the chart of a plot; None if it was not run."""
    table = Table(results, plot.scenario)
    series = table.series(plot.figure, plot.models)
    if not series or len(table.values) < 2:
        return None
    figure = FIGURES[plot.figure]
    axis = next(iter(table.runs.values())).axis
    name = f"{plot.scenario}-{plot.figure.replace('_', '-')}"
    return Chart(name, figure.title, AXES[axis], figure.unit, series, x_log=plot.x_log, y_log=plot.y_log)


def _value(table: Table, figure: str, model: str, x: float, digits: int = 1) -> str:
    value = table.figure(figure, model, x)
    if not value:
        return "–" if value is None else "0"
    return f"{value:,.{digits}f}"


def _slope(table: Table, figure: str, model: str) -> float:
    """Return how much a figure grows with each step of the axis, from the first value to the last."""
    first, last = table.values[0], table.values[-1]
    low, high = table.figure(figure, model, first), table.figure(figure, model, last)
    return 0.0 if low is None or high is None or first == last else (high - low) / (last - first)


def _devices(table: Table) -> list[str]:
    said = []
    for model, name in (("traditional", "An inbox per device"), ("numbered", "A timeline")):
        puts, deletes, size = (_slope(table, figure, model) for figure in ("puts", "deletes", "put_bytes"))
        said.append(
            f"{name}: one more device for each of the two users costs {puts:.3g} records written, {deletes:.3g} "
            f"deleted and {size:,.0f} bytes per message."
        )
    first = table.values[0]
    writes, sizes = (
        [_value(table, figure, model, first, digits) for model in ("traditional", "numbered")]
        for figure, digits in (("writes", 1), ("put_bytes", 0))
    )
    said.append(
        f"With {first:g} device per user, {writes[0]} records per message against {writes[1]}, "
        f"and {sizes[0]} bytes written against {sizes[1]}."
    )
    return said


def _round_trip(table: Table) -> list[str]:
    x = table.nearest(100)
    numbered, hint = table.figure("p50", "numbered", x), table.figure("p50", "hint", x)
    if numbered is None or hint is None:
        return []
    return [
        f"At {x:g} ms a message is applied after {numbered:.0f} ms with numbered pushes and after {hint:.0f} ms with "
        f"hints (median): the further round trip costs {hint - numbered:.0f} ms.",
        f"An inbox per device needs {_value(table, 'p50', 'traditional', x, 0)} ms, polling every second "
        f"{_value(table, 'p50', 'polling', x, 0)} ms.",
    ]


def _saves(table: Table) -> list[str]:
    said = []
    for x in table.values:
        numbered, hint = (_value(table, "requests", model, x, 3) for model in ("numbered", "hint"))
        said.append(f"With {x:.0%} of the pushes lost: {numbered} pulls per message and device; with hints {hint}.")
    said.append("The more hints are lost, the longer a device waits, and the more each of its pulls brings.")
    return said


def _rates(table: Table) -> list[str]:
    said = []
    for x in (table.values[0], table.values[-1]):
        costs = [
            f"{model}: {_value(table, 'requests', model, x, 2)} pulls per message and device, "
            f"{_value(table, 'p50', model, x, 0)} ms"
            for model in ("hint", "numbered")
        ]
        said.append(f"At {x:g} messages a second, {'; '.join(costs)}.")
    return said


def _losses(table: Table) -> list[str]:
    x = table.nearest(0.2)
    run = next(iter(table.runs.values()))
    said = [
        f"With {x:.0%} lost, and a heartbeat of {run.parameters.heartbeat / 1000:g} s "
        "(an inbox pushes again after as long):"
    ]
    for model in ("traditional", "hint", "numbered", "polling"):
        said.append(
            f"{model}: {_applied(table, model, x)}, "
            f"{_value(table, 'lost', model, x, 0)} lost, {_value(table, 'doubled', model, x, 0)} applied twice, "
            f"{_value(table, 'disorder', model, x)} % out of order."
        )
    return said


def _applied(table: Table, model: str, x: float) -> str:
    return f"applied after {_value(table, 'p50', model, x, 0)} ms (p99 {_value(table, 'p99', model, x, 0)} ms)"


def _new(table: Table) -> list[str]:
    return [
        f"{model}: {_value(table, 'seen', model, table.values[-1], 0)} % of what was said before it logged in."
        for model in ("traditional", "hint", "numbered", "polling")
    ]


def _online(table: Table) -> list[str]:
    first = table.values[0]
    return [
        f"With {first:.0%} of the devices online, an inbox per device holds "
        f"{_value(table, 'stored_sent', 'traditional', first, 0)} bytes per message until they log in, and "
        f"{_value(table, 'stored_end', 'traditional', first, 0)} afterwards; timelines hold "
        f"{_value(table, 'stored_end', 'numbered', first, 0)}, before and after."
    ]


def _group(table: Table) -> list[str]:
    return [
        f"Each further member costs {_slope(table, 'writes', 'traditional'):.1f} records and "
        f"{_slope(table, 'put_bytes', 'traditional'):,.0f} bytes per message with an inbox per device, "
        f"{_slope(table, 'writes', 'numbered'):.1f} and {_slope(table, 'put_bytes', 'numbered'):,.0f} with a timeline."
    ]


def _chat(table: Table) -> list[str]:
    x = table.values[0]
    run = next(iter(table.runs.values()))
    return [
        f"{run.messages} messages, {run.devices} devices, {run.parameters.rtt:g} ms, "
        f"{run.parameters.loss:.0%} of the pushes lost:",
        *(
            f"{model}: {_applied(table, model, x)}, "
            f"{_value(table, 'frames', model, x, 2)} frames per message and device, "
            f"{_value(table, 'writes', model, x)} records per message, "
            f"{_value(table, 'disorder', model, x)} % out of order."
            for model in ("traditional", "hint", "numbered", "polling")
        ),
    ]


_PUSHING = ("traditional", "hint", "numbered")

QUESTIONS = (
    Question(
        "What does a further device cost?",
        "devices",
        (Plot("devices", "writes"), Plot("devices", "put_bytes"), Plot("devices", "frames"), Plot("devices", "cpu")),
        _devices,
    ),
    Question(
        "What does the further round trip cost?",
        "rtt",
        (Plot("rtt", "p50", models=_PUSHING), Plot("rtt", "p99")),
        _round_trip,
    ),
    Question(
        "When do numbered pushes save it, and how often does a device still pull?",
        "loss",
        (Plot("loss", "requests"), Plot("loss", "frames")),
        _saves,
    ),
    Question(
        "What do many messages at a time change?",
        "rate",
        (Plot("rate", "requests", x_log=True), Plot("rate", "p50", x_log=True)),
        _rates,
    ),
    Question(
        "What happens when pushes are lost?",
        "loss",
        (Plot("loss", "p50", y_log=True), Plot("loss", "p99", y_log=True), Plot("loss", "disorder", models=_PUSHING)),
        _losses,
    ),
    Question("What does a new device see?", "new", (Plot("new", "seen"),), _new),
    Question(
        "What does a device cost that is not there?",
        "online",
        (Plot("online", "stored_sent"), Plot("online", "login")),
        _online,
    ),
    Question(
        "What does a further member cost?",
        "group",
        (Plot("group", "writes", x_log=True, y_log=True), Plot("group", "put_bytes", x_log=True, y_log=True)),
        _group,
    ),
    Question("And with real chat?", "chat", (), _chat),
)
