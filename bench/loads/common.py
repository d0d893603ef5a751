"""What the loads share: many devices at once, the measured window, and the proof at the end."""

import asyncio
import time
from collections.abc import Callable, Iterable

from bench.device import Device, LoadError
from bench.job import Job, Outcome, Progress
from bench.meter import Meter

_CONNECTING = 100


async def connect(job: Job, users: Iterable[str], *, live: bool = True, at: int = 0) -> list[Device]:
    """Connect one device per user, `_CONNECTING` at a time, and make them live.

    With several nodes (URLs with commas between them) they are dealt out in turn, the first to node `at`.
    """
    gate = asyncio.Semaphore(_CONNECTING)
    urls = job.url.split(",")

    async def one(place: int, user: str) -> Device:
        device = Device(user)
        async with gate:
            await device.connect(urls[(at + place) % len(urls)], job.secret)
            if live:
                await device.sync()
        return device

    return await asyncio.gather(*(one(place, user) for place, user in enumerate(users)))


async def window(job: Job, progress: Progress, count: Callable[[], int]) -> Outcome:
    """Let the load warm up, then measure how `count` grows in `job.seconds`."""
    await asyncio.sleep(job.warm_up)
    meter, first = Meter(job.pid), count()
    end = time.perf_counter() + job.seconds
    while (left := end - time.perf_counter()) > 0:
        progress(1 - left / job.seconds)
        await asyncio.sleep(min(0.5, left))
    grown, cost = count() - first, meter.stop()
    return {
        "rate": grown / cost.seconds,
        "counted": grown,
        "server_us": cost.server * cost.seconds / max(1, grown) * 1e6,
        "server_cpu": cost.server,
        "generator_cpu": cost.generator,
        "others_cpu": cost.others,
    }


async def drained(devices: list[Device], done: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until all that was sent is acknowledged and received; devices that stall ask for the head.

    Raises:
        LoadError: if something is still missing after `seconds`, or a device saw something wrong.
    """
    end = time.perf_counter() + seconds
    while not done():
        check(devices)
        if time.perf_counter() > end:
            raise LoadError(f"not everything arrived within {seconds:g} s")
        cursors = [device.cursor for device in devices]
        await asyncio.sleep(0.3)
        if cursors == [device.cursor for device in devices] and not done():
            await asyncio.gather(*(device.settle() for device in devices))
    check(devices)


def check(devices: list[Device]) -> None:
    """Raise the first failure that a device saw."""
    for device in devices:
        if device.failure:
            raise LoadError(f"{device.user}: {device.failure}")
