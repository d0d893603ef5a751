"""Several groups of the same members, each with a sender on a node of its own: how nodes hold each other up.

Every batch of one node needs the heads of the users whom a batch of the other node has locked.
"""

import asyncio
import secrets

from bench import wire
from bench.job import BODY_BYTES, Job, Outcome, Progress
from bench.loads.common import connect, drained, window


async def run(job: Job, progress: Progress) -> Outcome:
    run_id = secrets.token_hex(3)
    senders = await connect(job, [f"s{n}-{run_id}" for n in range(job.parameters["groups"])])
    members = [f"r{n:05d}-{run_id}" for n in range(job.parameters["members"] - len(senders))]
    everyone = [*members, *(sender.user for sender in senders)]
    body = wire.text_body(BODY_BYTES)
    for number, sender in enumerate(senders):
        group = f"g:bench{number}-{run_id}"
        others = [user for user in everyone if user != sender.user]
        await sender.request(type="create", conversation=group, title="bench", members=others, history="joined")
        sender.template = wire.SendTemplate(group, body)
        sender.on_sent = sender.send
    await asyncio.sleep(1)
    await asyncio.gather(*(sender.settle() for sender in senders))
    for sender in senders:
        sender.send(job.parameters["in_flight"])

    def acknowledged() -> int:
        return sum(sender.acknowledged for sender in senders) * (len(everyone) - 1)

    outcome = await window(job, progress, acknowledged)
    for sender in senders:
        sender.on_sent = lambda freed: None
    await drained(senders, lambda: all(sender.acknowledged == sender.sent for sender in senders))
    return outcome
