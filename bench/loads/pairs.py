"""Pairs of a sender and a receiver, each sender with a fixed number of messages in flight.

A message counts once it is acknowledged and received. Each `sent` frees its slot; the sends that one
WebSocket message of the server frees are written together, a WebSocket message each.
"""

import secrets

from bench import wire
from bench.job import BODY_BYTES, Job, Outcome, Progress
from bench.loads.common import connect, drained, window


async def run(job: Job, progress: Progress) -> Outcome:
    run_id = secrets.token_hex(3)
    pairs = range(job.parameters["pairs"])
    senders = await connect(job, [f"s{n:05d}-{run_id}" for n in pairs])
    receivers = await connect(job, [f"r{n:05d}-{run_id}" for n in pairs], at=1)
    body = wire.text_body(BODY_BYTES)
    for sender, receiver in zip(senders, receivers, strict=True):
        sender.template = wire.SendTemplate(wire.direct(sender.user, receiver.user), body)
        sender.on_sent = sender.send
        receiver.expected_body = body
        sender.send(job.parameters["in_flight"])

    def counted() -> int:
        return sum(min(s.acknowledged, r.cursor) for s, r in zip(senders, receivers, strict=True))

    def done() -> bool:
        return all(s.acknowledged == s.sent == r.cursor == s.cursor for s, r in zip(senders, receivers, strict=True))

    outcome = await window(job, progress, counted)
    for sender in senders:
        sender.on_sent = lambda freed: None
    await drained(senders + receivers, done)
    return outcome | {
        "verified": sum(receiver.cursor for receiver in receivers),
        "audited": sum(receiver.audited for receiver in receivers),
        "pulls": sum(device.pulls for device in senders + receivers),
    }
