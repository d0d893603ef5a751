"""Writes direct messages between random pairs of very many users, and times each tenth of the entries.

It drives the store and the sequencer in this process, on the server's core, without connections: a million
users don't fit into sockets, and leaving the network out makes the test harder, because a slower store is
then not hidden behind a constant cost. A message is two entries.
"""

import random
import time
from pathlib import Path

from bench import wire
from bench.engines import open_engine
from bench.job import BODY_BYTES, Job, Outcome, Progress
from bench.meter import own_cpu_seconds

_STEPS = 10
_BODIES = 4096


def disk_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


async def run(job: Job, progress: Progress) -> Outcome:
    Path(job.folder).mkdir()  # noqa: ASYNC240 (nothing else runs)
    users, batch = job.parameters["users"], job.parameters["batch"]
    batches = job.parameters["entries"] // 2 // _STEPS // batch
    engine = await open_engine(job.server, Path(job.folder))
    chance = random.Random(1)
    bodies = wire.random_bodies(BODY_BYTES, _BODIES, seed=2)
    outcome: Outcome = {"step_entries": batches * batch * 2}
    slowest = 0.0
    try:
        for step in range(_STEPS):
            start, cpu = time.perf_counter(), own_cpu_seconds()
            for _ in range(batches):
                messages = [
                    (int(users * chance.random()), int(users * chance.random()), chance.choice(bodies))
                    for _ in range(batch)
                ]
                before = time.perf_counter()
                await engine.send_batch(messages)
                slowest = max(slowest, time.perf_counter() - before)
            outcome[f"step_{step + 1:02d}"] = batches * batch / (time.perf_counter() - start)
            outcome[f"cpu_{step + 1:02d}"] = (own_cpu_seconds() - cpu) / (time.perf_counter() - start)
            progress((step + 1) / _STEPS)
    finally:
        await engine.close()
    size = disk_bytes(Path(job.folder))
    return outcome | {
        "rate": outcome[f"step_{_STEPS:02d}"],
        "kept": outcome[f"step_{_STEPS:02d}"] / outcome["step_01"],
        "slowest_batch_ms": slowest * 1e3,
        "disk_mib": size / 1048576,
    }
