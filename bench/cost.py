"""Where the microseconds of a message go: `python -m bench.cost`.

Runs `pairs` against one server under `bench.sampler` and prints its functions by processor time per message.
The sampler itself costs some percent, so the rate here is not the figure of `pairs`.
"""

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal

import cyclopts
from rich.console import Console
from rich.table import Table

from bench.job import Outcome
from bench.rounds import Plan, one
from bench.scenarios import SCENARIOS
from bench.servers import cores

app = cyclopts.App(name="cost", help="Show the processor time of a message by function.", help_format="plaintext")


@app.default
def cost(
    server: Literal["product", "floor"] = "product",
    *,
    scenario: Annotated[Literal["pairs", "latency", "fanout"], cyclopts.Parameter(help="which load")] = "pairs",
    in_flight: Annotated[int, cyclopts.Parameter(help="messages in flight: 1, 4 or 16 (pairs)")] = 16,
    seconds: Annotated[float, cyclopts.Parameter(help="length of the run")] = 8.0,
    top: Annotated[int, cyclopts.Parameter(help="how many functions")] = 30,
) -> None:
    """Profile a server under a load."""
    cases = SCENARIOS[scenario]
    case = next((case for case in cases if case.parameters.get("in_flight") == in_flight), cases[0])
    with tempfile.TemporaryDirectory(prefix="tideline-cost-") as folder:
        samples = Path(folder) / "samples.json"
        plan = Plan((server,), 1, seconds, 1.0, False, Path(folder), cores(), samples)
        outcome = asyncio.run(one(case, server, plan, lambda share: None))
        found: dict[str, Any] = json.loads(samples.read_text())
    console = Console(width=None if Console().is_terminal else 130)
    console.print(table(f"{case.name}: {server}", outcome, found, top))


def table(title: str, outcome: Outcome, found: dict[str, Any], top: int) -> Table:
    """Functions by their own time; `within` includes what they call."""
    each = outcome["server_us"]
    shown = Table(
        title=f"{title}: {outcome['rate']:,.0f}/s, {each:.2f} µs of processor time each, "
        f"core {outcome['server_cpu']:.0%} busy ({found['samples']} samples)",
        title_justify="left",
    )
    for name in ("own µs", "within µs"):
        shown.add_column(name, justify="right")
    shown.add_column("function", no_wrap=True)
    scale = each / max(1, found["samples"])
    ranked = sorted(found["within"], key=lambda name: (found["own"].get(name, 0), found["within"][name]))
    for name in ranked[: -top - 1 : -1]:
        shown.add_row(f"{found['own'].get(name, 0) * scale:.2f}", f"{found['within'][name] * scale:.2f}", name)
    return shown


if __name__ == "__main__":
    app()
