"""A user's backlog, pulled by one new connection, a page after the other.

Each pull leaves as soon as the last number of the page before is read from its bytes. Pages are kept and
checked in full when the clock has stopped: consecutive numbers, no message twice, the body that was sent.
"""

import secrets
import time

from bench import wire
from bench.device import Device, LoadError
from bench.job import BODY_BYTES, Job, Outcome, Progress
from bench.loads.common import connect, drained
from bench.meter import Meter


async def fill(job: Job, progress: Progress, user: str, run_id: str, entries: int) -> None:
    """Send `entries` messages to a user who is not online, from many senders."""
    body = wire.text_body(BODY_BYTES)
    senders = await connect(job, [f"s{n:05d}-{run_id}" for n in range(job.parameters["senders"])])
    share = entries // len(senders)

    def refill(sender: Device) -> None:
        def on_sent(freed: int) -> None:
            if left := min(freed, share - sender.sent):
                sender.send(left)

        sender.on_sent = on_sent
        sender.send(min(share, job.parameters["in_flight"]))

    for sender in senders:
        sender.template = wire.SendTemplate(wire.direct(sender.user, user), body)
        refill(sender)
    await drained(senders, lambda: all(s.acknowledged == s.sent == share for s in senders), 120)
    progress(0.5)
    for sender in senders:
        sender.close()


def verify(pages: list[bytes], entries: int) -> None:
    """Check every entry of the pages.

    Raises:
        LoadError: if a number is missing or out of place, or a message came twice or changed.
    """
    seq, seen, body = 0, set[str](), wire.text_body(BODY_BYTES)
    for page in pages:
        for entry in wire.decode(page)[0].entries:
            seq += 1
            message = entry.event["message"]
            if entry.seq != seq:
                raise LoadError(f"entry {entry.seq} stands where {seq} belongs")
            if wire.encode(**message["body"]) != body:
                raise LoadError(f"entry {seq} holds a body that nobody sent")
            seen.add(message["client_id"])
    if seq != entries or len(seen) != entries:
        raise LoadError(f"{seq} entries with {len(seen)} messages, {entries} were sent")


async def run(job: Job, progress: Progress) -> Outcome:
    run_id = secrets.token_hex(3)
    user = f"t-{run_id}"
    senders = job.parameters["senders"]
    entries = job.parameters["entries"] // senders * senders
    await fill(job, progress, user, run_id, entries)

    [device] = await connect(job, [user], live=False)
    pages: list[bytes] = []
    meter = Meter(job.pid)
    start = time.perf_counter()
    while device.cursor < entries:
        before = device.cursor
        pages.append(await device.raw_page())
        if device.cursor == before:
            raise LoadError(f"an empty page at {before} of {entries}: {pages[-1][:200]!r}")
    seconds = time.perf_counter() - start
    cost = meter.stop()
    verify(pages, entries)
    return {
        "rate": entries / seconds,
        "counted": entries,
        "pages": len(pages),
        "page_bytes": max(map(len, pages)),
        "server_us": cost.server * cost.seconds / entries * 1e6,
        "server_cpu": cost.server,
        "generator_cpu": cost.generator,
        "others_cpu": cost.others,
        "verified": entries,
    }
