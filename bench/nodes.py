"""Many nodes: `python -m bench.nodes`. Tideline on PostgreSQL, one and two nodes, beside pgbench.

Everything (database, bus, nodes, the load) shares the cores of one machine, so the figures say what a message
costs, not what a cluster can do: `docs/capacity.md` goes from the one to the other.
"""

import asyncio
import json
import re
import secrets
import sys
import tempfile
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import cyclopts
from rich.console import Console
from rich.table import Table

from bench import machine
from bench.job import BODY_BYTES, Job, Outcome
from bench.meter import cpu_seconds
from bench.report import number
from bench.rounds import load
from bench.servers import ROOT, cores, end, environment, free_port, ready
from tests.harness.nats import NatsServer, nats_server
from tests.harness.postgres import PostgresServer, postgres_server

_SETTINGS: dict[str, object] = {
    "shared_buffers": "512MB",
    "shared_preload_libraries": "pg_stat_statements",
    "max_wal_size": "4GB",
}
_MESSAGE = BODY_BYTES + 160
"""Bytes of a stored message with such a body."""
_COUNTERS = ("tideline_messages_total", "tideline_commits_total", "tideline_filled_entries_total")


@dataclass(frozen=True)
class Case:
    """A load, how many nodes, and how they talk."""

    load: str
    parameters: dict[str, int]
    nodes: int = 1
    bus: str = "nats"

    @property
    def name(self) -> str:
        said = ", ".join(f"{value} {name.replace('_', ' ')}" for name, value in self.parameters.items())
        return f"{self.load}: {said}; {self.nodes} node{'s'[: self.nodes - 1]}, {self.bus}"


_PAIRS = {"pairs": 50, "in_flight": 16}
_GROUP = {"members": 1000, "in_flight": 16}
_STEADY = {"pairs": 50, "rate": 500}
CASES = (
    Case("pairs", _PAIRS),
    Case("pairs", _PAIRS, nodes=2),
    Case("pairs", _PAIRS, nodes=2, bus="notify"),
    Case("pairs", {"pairs": 50, "in_flight": 1}, nodes=2),
    Case("latency", _STEADY),
    Case("latency", _STEADY, nodes=2),
    Case("latency", _STEADY, nodes=2, bus="notify"),
    Case("fanout", _GROUP),
    Case("fanout", _GROUP, nodes=2),
    Case("groups", {"groups": 2, "members": 500, "in_flight": 8}),
    Case("groups", {"groups": 2, "members": 500, "in_flight": 8}, nodes=2),
)

app = cyclopts.App(name="bench.nodes", help="Measure nodes on PostgreSQL.", help_format="plaintext")


@app.default
def nodes(
    *,
    quick: Annotated[bool, cyclopts.Parameter(help="a smoke run")] = False,
    only: Annotated[str, cyclopts.Parameter(help="run the cases whose name has this in it")] = "",
    seconds: Annotated[float, cyclopts.Parameter(help="length of the measured window")] = 4.0,
    folder: Annotated[Path | None, cyclopts.Parameter(help="where data goes, on a disk")] = None,
    output: Annotated[Path | None, cyclopts.Parameter(name="json", help="where to write the JSON")] = None,
) -> int:
    """Run all cases, print a table and write JSON."""
    console = Console(width=None if Console().is_terminal else 150)
    data = folder or Path(tempfile.gettempdir())
    if machine.on_memory(data):
        console.print(f"{data} is in memory, where fsync costs nothing: name a --folder on a disk", style="red")
        return 2
    cases = [case for case in CASES if only in case.name]
    if quick:
        cases = [
            replace(case, parameters={**case.parameters, **_small(case)}) for case in cases[:: max(1, len(cases) - 1)]
        ]
    outcomes = asyncio.run(_run(cases, 0.5 if quick else seconds, data, console))
    console.print(_table(outcomes))
    path = output or ROOT / "bench" / "results" / "nodes.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": machine.describe(data), "outcomes": outcomes}, indent=1, default=str) + "\n")
    console.print(f"written to {path}", highlight=False)
    return 0


def _small(case: Case) -> dict[str, int]:
    return {name: min(value, 20) for name, value in case.parameters.items() if name in ("pairs", "members")}


async def _run(cases: list[Case], seconds: float, data: Path, console: Console) -> dict[str, Outcome]:
    outcomes: dict[str, Outcome] = {}
    async with postgres_server(data, **_SETTINGS) as postgres, nats_server() as nats:
        outcomes["pgbench: insert of one message"] = await _pgbench(postgres, max(1, int(seconds)))
        for case in cases:
            console.print(case.name, highlight=False)
            outcomes[case.name] = await _measure(case, seconds, postgres, nats)
    return outcomes


async def _pgbench(postgres: PostgresServer, seconds: int) -> Outcome:
    """Let pgbench insert messages of the same size, one per transaction, 16 at once."""
    name = (await postgres.database()).rpartition("/")[2]
    await postgres.execute("CREATE TABLE pushed (room text, seq bigserial, data bytea, PRIMARY KEY (room, seq))", name)
    script = postgres.folder / "insert.sql"
    script.write_text(
        "\\set pair random(1, 50)\n"
        "INSERT INTO pushed (room, data) "
        f"VALUES ('main/direct' || (:pair)::int, decode(repeat('ab', {_MESSAGE}), 'hex'));\n"
    )
    script.chmod(0o644)
    said = await postgres.run(
        *("pgbench", "-n", "-M", "prepared", "-c", 16, "-j", 2, "-T", seconds, "-f", script),
        *("-h", "127.0.0.1", "-p", postgres.port, "-U", "tests", name),
    )
    found = re.search(r"tps = ([\d.]+)", said)
    assert found is not None, said
    return {"rate": float(found[1])}


async def _measure(case: Case, seconds: float, postgres: PostgresServer, nats: NatsServer) -> Outcome:
    store = await postgres.database()
    name = store.rpartition("/")[2]
    await postgres.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements", name)
    secret = secrets.token_hex(32)
    arguments = [f"--store={store}", *([f"--bus={nats.url}"] if case.bus == "nats" else [])]
    async with AsyncExitStack() as stack:
        running = [await stack.enter_async_context(_node(arguments, secret)) for _ in range(case.nodes)]
        pids = [pid for _, pid in running]
        urls = [f"ws://127.0.0.1:{port}/v1/ws" for port, _ in running]
        assert postgres.process is not None
        assert nats.process is not None
        probes: dict[str, Callable[[], float]] = {
            "node_us": lambda: sum(map(cpu_seconds, pids)),
            "postgres_us": lambda: _tree_seconds(postgres.process.pid),  # type: ignore[union-attr]
            "nats_us": lambda: cpu_seconds(nats.process.pid),  # type: ignore[union-attr]
        }

        async def sample() -> tuple[Outcome, Outcome]:
            return await _state(postgres, name, running), {key: probe() for key, probe in probes.items()}

        samples: list[asyncio.Task[tuple[Outcome, Outcome]]] = []

        def progress(share: float) -> None:
            """Take a sample when the window begins and another before it ends: connecting is not counted."""
            if not samples or (share > 0.8 and len(samples) == 1):
                samples.append(asyncio.create_task(sample()))

        job = Job(
            load=case.load,
            server="product",
            url=",".join(urls),
            secret=secret,
            pid=pids[0],
            core=cores().load,
            folder=str(postgres.folder),
            seconds=seconds,
            warm_up=1.0 if seconds > 1 else 0.3,
            parameters=case.parameters,
        )
        outcome = await load(job, progress)
        before, after = [await task for task in samples]
    state = {key: after[0][key] - before[0][key] for key in after[0]}
    messages = max(1.0, state["messages"])
    return outcome | {
        "per_transaction": messages / max(1.0, state["commits"]),
        "statements_per_message": state["statements"] / messages,
        "wal_bytes_per_message": state["wal"] / messages,
        "disk_bytes_per_message": state["disk"] / messages,
        "filled_per_message": state["filled"] / messages,
        **{key: (after[1][key] - before[1][key]) / messages * 1e6 for key in probes},
    }


@asynccontextmanager
async def _node(arguments: list[str], secret: str) -> AsyncIterator[tuple[int, int]]:
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="tideline-bench-") as folder:
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tideline", "serve", f"--port={port}", "--drain=0", *arguments),
                cwd=ROOT,
                env=environment(secret),
                stdout=output,
                stderr=output,
            )
        try:
            await ready(process, port, log)
            yield port, process.pid
        finally:
            await end(process)


async def _state(postgres: PostgresServer, name: str, running: list[tuple[int, int]]) -> Outcome:
    """Read all counters of nodes and database."""
    counted = dict.fromkeys(_COUNTERS, 0.0)
    for port, _ in running:
        for line in (await asyncio.to_thread(_metrics, port)).splitlines():
            key, _, value = line.partition(" ")
            if key in counted:
                counted[key] += float(value)
    [row] = await postgres.execute(
        "SELECT (SELECT sum(calls)::float FROM pg_stat_statements), (SELECT wal_bytes::float FROM pg_stat_wal), "
        "pg_database_size(current_database())::float",
        name,
    )
    return {
        "messages": counted["tideline_messages_total"],
        "commits": counted["tideline_commits_total"],
        "filled": counted["tideline_filled_entries_total"],
        "statements": row[0] or 0.0,
        "wal": row[1],
        "disk": row[2],
    }


def _metrics(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text: str = answer.read().decode()
        return text


def _tree_seconds(pid: int) -> float:
    """Processor time of a process and of its children that still run."""
    total = cpu_seconds(pid)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[1]) == pid:
                    total += cpu_seconds(int(entry.name))
            except (FileNotFoundError, ProcessLookupError):
                continue
    return total


_COLUMNS = {
    "rate": "per s",
    "p99_ms": "p99 ms",
    "per_transaction": "msgs/transaction",
    "statements_per_message": "statements/msg",
    "node_us": "nodes µs/msg",
    "postgres_us": "PostgreSQL µs/msg",
    "nats_us": "NATS µs/msg",
    "wal_bytes_per_message": "WAL B/msg",
    "disk_bytes_per_message": "disk B/msg",
    "filled_per_message": "read again/msg",
}


def _table(outcomes: dict[str, Outcome]) -> Table:
    table = Table(title="Nodes on PostgreSQL, everything on one machine", title_justify="left")
    table.add_column("case", min_width=30)
    for title in _COLUMNS.values():
        table.add_column(title, justify="right")
    for name, outcome in outcomes.items():
        table.add_row(name, *(number(outcome[key]) if key in outcome else "" for key in _COLUMNS))
    return table


if __name__ == "__main__":
    sys.exit(app())
