"""An offered rate that doesn't wait for answers: how long from the write of a send to its receipt.

The sends go round the pairs. The timer of the event loop ticks each millisecond, so a tick writes what is
due since the last one; a time is taken right before each write and when the receiver's callback runs. The
generator never waits for the server, so a stall of the server is seen by every message that it delays;
`late_ms` says how far the generator itself fell behind its schedule.
"""

import asyncio
import math
import secrets
import time
from array import array

from bench import wire
from bench.device import Device
from bench.job import BODY_BYTES, Job, Outcome, Progress
from bench.loads.common import connect, drained, window


def percentile(ordered: list[float], share: float) -> float:
    """The smallest value that at least `share` of the values don't exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


class Times:
    """Send times by message, and the latencies that the receipts and acknowledgements give."""

    def __init__(self) -> None:
        self.sent: list[array[float]] = []
        self.delivered: list[tuple[float, float]] = []
        self.acknowledged: list[tuple[float, float]] = []

    def watch(self, sender: Device, receiver: Device) -> None:
        """Take the times of one pair."""
        times: array[float] = array("d")
        self.sent.append(times)

        def on_entries(payload: bytes, count: int) -> None:
            now = time.perf_counter()
            last = wire.number_of(payload, payload.rfind(wire.CLIENT_ID))
            self.delivered.extend((times[n], now - times[n]) for n in range(last - count + 1, last + 1))

        def on_sent(count: int) -> None:
            now, last = time.perf_counter(), sender.acknowledged
            self.acknowledged.extend((times[n], now - times[n]) for n in range(last - count, last))

        receiver.on_entries, sender.on_sent = on_entries, on_sent


async def offer(senders: list[Device], times: Times, rate: float, until: asyncio.Event) -> float:
    """Send at `rate` until told to stop; return how late the latest tick was, in seconds."""
    start, number, late = time.perf_counter(), 0, 0.0
    while not until.is_set():
        now = time.perf_counter()
        late = max(late, now - start - number / rate)
        for number in range(number, int((now - start) * rate)):  # noqa: B020 (goes on where it stopped)
            pair = number % len(senders)
            times.sent[pair].append(time.perf_counter())
            senders[pair].send(1)
            number += 1  # noqa: PLW2901
        await asyncio.sleep(0.001)
    return late


async def run(job: Job, progress: Progress) -> Outcome:
    run_id = secrets.token_hex(3)
    pairs = range(job.parameters["pairs"])
    senders = await connect(job, [f"s{n:05d}-{run_id}" for n in pairs])
    receivers = await connect(job, [f"r{n:05d}-{run_id}" for n in pairs], at=1)
    body, times = wire.text_body(BODY_BYTES), Times()
    for sender, receiver in zip(senders, receivers, strict=True):
        sender.template = wire.SendTemplate(wire.direct(sender.user, receiver.user), body)
        receiver.expected_body = body
        times.watch(sender, receiver)

    stop = asyncio.Event()
    begin = time.perf_counter()
    offering = asyncio.create_task(offer(senders, times, job.parameters["rate"], stop))
    outcome = await window(job, progress, lambda: len(times.delivered))
    stop.set()
    late = await offering

    def done() -> bool:
        return all(s.acknowledged == s.sent == r.cursor for s, r in zip(senders, receivers, strict=True))

    await drained(senders + receivers, done)
    first = begin + job.warm_up
    last = first + job.seconds
    delivered = sorted(took for sent, took in times.delivered if first <= sent < last)
    acknowledged = sorted(took for sent, took in times.acknowledged if first <= sent < last)
    return outcome | {
        "p50_ms": percentile(delivered, 0.5) * 1e3,
        "p99_ms": percentile(delivered, 0.99) * 1e3,
        "p999_ms": percentile(delivered, 0.999) * 1e3,
        "max_ms": delivered[-1] * 1e3,
        "ack_p50_ms": percentile(acknowledged, 0.5) * 1e3,
        "ack_p99_ms": percentile(acknowledged, 0.99) * 1e3,
        "late_ms": late * 1e3,
        "verified": sum(receiver.cursor for receiver in receivers),
    }
