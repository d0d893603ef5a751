"""Many connections that said hello and then do nothing: the server's memory for each.

The first connections are not counted: they pay for what the server makes once (imports, pools, buffers).
What the kernel holds per socket is no part of a process's memory, and no part of the figure.
"""

import asyncio
import secrets

from bench.job import Job, Outcome, Progress
from bench.loads.common import connect
from bench.meter import memory

_FIRST = 50


async def run(job: Job, progress: Progress) -> Outcome:
    run_id = secrets.token_hex(3)
    connections = job.parameters["connections"]
    first = await connect(job, [f"f{n:05d}-{run_id}" for n in range(_FIRST)])
    await asyncio.sleep(1)
    before = memory(job.pid)
    idle = await connect(job, [f"i{n:05d}-{run_id}" for n in range(connections)])
    progress(0.7)
    await asyncio.sleep(job.seconds)
    after = memory(job.pid)
    await asyncio.gather(*(device.settle() for device in idle + first))  # they are all still there
    return {
        "kib_each": (after.rss - before.rss) / connections,
        "pss_kib_each": (after.pss - before.pss) / connections,
        "uss_kib_each": (after.uss - before.uss) / connections,
        "rss_mib_before": before.rss / 1024,
        "rss_mib_after": after.rss / 1024,
        "connections": connections,
    }
