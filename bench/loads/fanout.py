"""One sender with a fixed number of messages in flight to a group whose members are all online.

A delivery is an entry that arrived at a member's connection (the sender's own is its `sent`, not counted).
"""

import asyncio
import secrets

from bench import wire
from bench.job import BODY_BYTES, Job, Outcome, Progress
from bench.loads.common import connect, drained, window


async def run(job: Job, progress: Progress) -> Outcome:
    run_id = secrets.token_hex(3)
    [sender] = await connect(job, [f"s-{run_id}"])
    members = await connect(job, [f"r{n:05d}-{run_id}" for n in range(job.parameters["members"] - 1)])
    group, body = f"g:bench-{run_id}", wire.text_body(BODY_BYTES)
    await sender.request(
        type="create",
        conversation=group,
        title="bench",
        members=[member.user for member in members],
        history="joined",
    )
    await asyncio.sleep(1)  # every member gets the conversation's own entry, where the server makes one
    await asyncio.gather(*(device.settle() for device in [sender, *members]))
    before = [member.cursor for member in members]
    sender.template = wire.SendTemplate(group, body)
    sender.on_sent = sender.send
    for member in members:
        member.expected_body = body
    sender.send(job.parameters["in_flight"])

    def received() -> int:
        return sum(member.cursor for member in members)

    def done() -> bool:
        return sender.acknowledged == sender.sent and all(
            member.cursor - first == sender.sent for member, first in zip(members, before, strict=True)
        )

    outcome = await window(job, progress, received)
    sender.on_sent = lambda freed: None
    await drained([sender, *members], done)
    return outcome | {
        "verified": received() - sum(before),
        "audited": sum(member.audited for member in members),
        "pulls": sum(member.pulls for member in members) - len(members),
    }
