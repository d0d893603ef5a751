"""Tables for people, JSON for programs."""

import datetime
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from bench.scenarios import Measured

_BARS = "▁▂▃▄▅▆▇█"
_BUSY = 0.9
_DISTURBED = 0.25
_UNSTEADY_DISK = 2


def number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2f}" if value < 100 else f"{value:.1f}"


def spread(values: Sequence[float]) -> str:
    """Median, with the range when there is more than one run."""
    if not values:
        return "-"
    if len(values) == 1:
        return number(values[0])
    return f"{number(median(values))} ({number(min(values))}…{number(max(values))})"


def main_table(results: Sequence[Measured]) -> Table:
    table = Table(title="Tideline next to the floor (median, range)", title_justify="left")
    for name in ("case", "unit"):
        table.add_column(name)
    for name in ("figure", "floor", "ratio", "target"):
        table.add_column(name, justify="right")
    table.add_column("verdict")
    for result in results:
        verdicts = result.verdicts()
        table.add_row(
            result.case.name,
            result.case.unit,
            spread(result.values("product")),
            spread(result.values("floor")),
            spread(result.ratios()),
            "\n".join(str(target) for target, _ in verdicts),
            "\n".join(word for _, word in verdicts) if verdicts else "no target",
        )
    return table


def detail_table(results: Sequence[Measured]) -> Table:
    table = Table(title="In detail (medians; cpu in shares of a core)", title_justify="left")
    table.add_column("case")
    table.add_column("what")
    table.add_column("figure", justify="right")
    table.add_column("floor", justify="right")
    for result in results:
        for place, name in enumerate(result.case.extra):
            sides = [result.values(server, name) for server in ("product", "floor")]
            shown = [number(median(values)) if values else "-" for values in sides]
            table.add_row("" if place else result.case.name, name, *shown)
        table.add_section()
    return table


def growth_plot(result: Measured) -> list[str]:
    """Messages/s of each step, as bars from zero."""
    lines = []
    for server in ("product", "floor"):
        for outcome in result.product if server == "product" else result.floor:
            steps = [outcome[name] for name in sorted(outcome) if name.startswith("step_") and name[5:].isdigit()]
            top = max(steps)
            bars = "".join(_BARS[min(7, int(8 * step / top))] for step in steps)
            lines.append(f"{server:8} {bars}  {number(steps[0])} → {number(steps[-1])} messages/s")
    return lines


def warnings(results: Sequence[Measured]) -> list[str]:
    """What makes a figure doubtful."""
    lines = []
    for result in results:
        name = result.case.name
        lines += [f"{name}: FAILED, {failure}" for failure in result.failures]
        for server in ("floor", "product"):
            generator = result.values(server, "generator_cpu")
            if generator and median(generator) > _BUSY:
                share = f"{median(generator):.0%} of its core"
                lines.append(f"{name}: the generator used {share} against the {server}, it may be the limit")
            others = result.values(server, "others_cpu")
            if others and max(others) > _DISTURBED:
                lines.append(f"{name}: other processes used up to {max(others):.0%} of a core beside the {server}")
        disk = result.values("floor", "fsync_us") + result.values("product", "fsync_us")
        if disk and max(disk) > _UNSTEADY_DISK * min(disk):
            lines.append(f"{name}: a synced write took between {min(disk):.0f} and {max(disk):.0f} µs before the runs")
    return lines


def show(console: Console, results: Sequence[Measured]) -> None:
    console.print(main_table(results))
    console.print(detail_table(results))
    for result in results:
        if result.case.load == "growth":
            for line in growth_plot(result):
                console.print(line, highlight=False)
    for line in warnings(results):
        console.print(line, style="yellow", highlight=False, markup=False)


def write_json(path: Path, results: Sequence[Measured], machine: dict[str, str | int | float]) -> None:
    """Write everything that was measured, every run of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cases = [
        {
            "case": result.case.name,
            "load": result.case.load,
            "unit": result.case.unit,
            "figure": result.case.figure,
            "parameters": result.parameters,
            "quick": result.quick,
            "note": result.case.note,
            "median": {
                server: median(result.values(server)) if result.values(server) else None
                for server in ("floor", "product")
            },
            "ratio": median(result.ratios()) if result.ratios() else None,
            "targets": [{"target": str(target), "verdict": word} for target, word in result.verdicts()],
            "runs": {"floor": result.floor, "product": result.product},
            "failures": result.failures,
        }
        for result in results
    ]
    measured = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    document = {"measured": measured, "machine": machine, "cases": cases}
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
