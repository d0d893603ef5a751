"""A random walk: a device is told anything, at any time, by a server that may be wrong about everything."""

from random import Random

import msgspec

from tideline.client import inputs
from tideline.client.core import Device
from tideline.client.policy import Policy
from tideline.client.table import ONLINE
from tideline.protocol import requests, responses
from tideline.protocol.codec import UnknownFrame
from tideline.protocol.limits import Limits

EVENT = msgspec.Raw(b'{"type":"custom","name":"n","data":1}')
POLICY = Policy(stash=4, window=2, calls=3, late=3)


def make_device(random: Random) -> Device:
    """Make a device that holds a position or not, and can renew its token or not."""
    held = random.random() < 0.7
    return Device(
        device="laptop",
        instance="own",
        random=random.random,
        cursor=40 if held else None,
        epoch="e1" if held else None,
        user="alice" if held else None,
        renewable=random.random() < 0.5,
        policy=POLICY,
    )


def entries(random: Random, device: Device) -> list[responses.Entry]:
    """Make entries near the cursor, in any order."""
    base = device.sync.position.cursor or 0
    seqs = [base + random.choice((-1, 0, 1, 1, 1, 2, 3)) for _ in range(random.randrange(3))]
    if random.random() < 0.5:
        seqs = list(range(base + 1, base + 1 + random.randrange(4)))
    return [responses.Entry(max(1, seq), EVENT) for seq in seqs]


def any_input(kind: str, random: Random, device: Device) -> inputs.Input:
    """Make an input of that kind, as plausible as not."""
    flights = device._line.flights
    asked = [*flights._waiting, *flights._late]
    request = random.choice(asked) if asked and random.random() < 0.9 else random.randrange(1, 99)
    if device.sync.flight is not None and random.random() < 0.3:
        request = device.sync.flight
    elif flights._late and random.random() < 0.4:
        request = random.choice(list(flights._late))
    epoch = random.choice(("e1", "e1", "e1", "e1", device.sync.position.epoch or "e1", "e2"))
    head = (device.sync.position.cursor or 0) + random.randrange(3)
    more = random.random() < 0.3
    after = random.choice((None, None, 0.5))
    match kind:
        case "start":
            return inputs.Start()
        case "stop":
            return inputs.Stop()
        case "connected":
            return inputs.Connected(expires=random.choice((None, device._line.now + 20_000)))
        case "disconnected":
            return inputs.Disconnected(code=random.choice((1006, 1006, 1012, 4401, 4403, 4409)))
        case "tick":
            return inputs.Tick()
        case "pause":
            return inputs.Pause()
        case "resume":
            return inputs.Resume()
        case "submit":
            orders = [item.message.order for item in device.outbox.items.values()]
            order = max(orders, default=0) + 1 if device.state in ONLINE else random.randrange(1, 30)
            return inputs.Submit(
                order=order,
                client_id=f"c{order}",
                body=msgspec.Raw(b"{}"),
                to="bob",
                tried=random.choice((None, 5)),
            )
        case "found":
            return inputs.Found(client_id=f"c{random.randrange(1, 30)}")
        case "call":
            until = device._line.now + random.choice((0, 5_000, 60_000))
            return inputs.Call(key=str(random.random()), frame=requests.Devices(id=1), until=until)
        case "cancel":
            return inputs.Cancel(key=random.choice([*device.calls._waiting, "none"]))
        case "tell":
            return inputs.Tell(frame=requests.Signal(conversation="d:a~b", signal="typing"))
        case "renewed":
            return inputs.Renewed(ok=random.random() < 0.5, expires=device._line.now + 20_000)
        case "welcome":
            reset = random.choice((None, None, None, "new_device", "epoch_changed", "cursor_too_old"))
            return responses.Welcome(
                id=request,
                user=random.choice(("alice",) * 9 + ("bob",)),
                device="laptop",
                session="s",
                epoch=epoch,
                head=head,
                entries=[] if reset else entries(random, device),
                more=more,
                reset=reset,
                heartbeat=15,
                time=device._line.now + 7,
                limits=Limits(),
            )
        case "page":
            return responses.Page(id=request, epoch=epoch, entries=entries(random, device), head=head, more=more)
        case "snapshot":
            return responses.SnapshotPage(
                id=request,
                cursor=random.choice((40, 40, 41)),
                epoch=epoch,
                conversations=[],
                next=random.choice((None, None, "n1", "n2")),
            )
        case "sent":
            return responses.Sent(
                id=request,
                conversation="d:alice~bob",
                message_seq=1,
                seq=max(1, head),
                time=1,
                duplicate=random.random() < 0.3,
            )
        case "push":
            return responses.Push(entries=entries(random, device))
        case "notify":
            return responses.Notify(head=head)
        case "pong":
            return responses.Pong(id=request, head=head)
        case "error":
            code, retry = random.choice(
                [
                    ("unavailable", True),
                    ("unavailable", True),
                    ("forbidden", False),
                    ("bad_request", False),
                    ("epoch_changed", False),
                    ("cursor_too_old", False),
                    ("unauthorized", False),
                ]
            )
            return responses.Error(id=request, code=code, message="m", retry=retry, retry_after=after)
        case "bye":
            by = random.choice((None, "own", "other"))
            close = random.choice((1012, 4409, 4403))
            return responses.Bye(code=close, reason="r", retry_after=after, by=by)
        case "answer":
            return responses.Ok(id=request)
        case "signal":
            return responses.Signalled(conversation="d:a~b", sender="a", signal="typing")
        case _:
            return UnknownFrame("hologram")
