"""Promises about what the server sends by itself (protocol, section 5)."""

import asyncio
import time
from typing import Final

from .kit import Kit, Promise, need, send, short


async def _pushed(kit: Kit) -> None:
    sender, reader = await kit.live(), await kit.live()
    answers = [await sender.ask("send", to=kit.me(), **send(f"{number}")) for number in range(20)]
    entries = await reader.entries(20)
    need([entry["seq"] for entry in entries] == [answer["seq"] for answer in answers], "pushes are not in order")
    bodies = [entry["event"]["message"]["body"]["text"] for entry in entries]
    need(bodies == [str(number) for number in range(20)], f"pushes bring {bodies}")
    await reader.silence()


async def _own(kit: Kit) -> None:
    sender = await kit.live()
    await sender.ask("send", to=kit.me(), **send("mine"))
    await sender.silence()


async def _welcome(kit: Kit) -> None:
    first = await kit.live()
    sent = await first.ask("send", to=kit.me(), **send("missed"))
    back = await kit.hello(cursor=sent["seq"] - 1, epoch=first.welcome["epoch"])
    welcome = back.welcome
    seqs = [entry["seq"] for entry in welcome["entries"]]
    need(seqs == [sent["seq"]] and not welcome["more"], f"one entry was missed, and the welcome is {short(welcome)}")
    later = await first.ask("send", to=kit.me(), **send("next"))
    need((await back.entries(1))[0]["seq"] == later["seq"], "no push follows the welcome")


async def _seam(kit: Kit) -> None:
    """Connect again and again while messages come: none may fall between welcome and push."""
    sender = await kit.live()
    cursor, epoch = sender.welcome["head"], sender.welcome["epoch"]

    async def talk() -> int:
        last = 0
        for number in range(60):
            last = (await sender.ask("send", to=kit.me(), **send(f"{number}")))["seq"]
        return last

    talking = asyncio.create_task(talk())
    while not talking.done() or cursor < talking.result():
        reader = await kit.hello(cursor=cursor, epoch=epoch)
        entries = list(reader.welcome["entries"])
        if not reader.welcome["more"]:
            while not talking.done() or (entries[-1]["seq"] if entries else cursor) < talking.result():
                frame = await reader.next()
                need(frame["type"] == "push", f"{short(frame)} comes to a live connection")
                entries += frame["entries"]
                if len(entries) > 5 and not talking.done():
                    break
        for entry in entries:
            need(entry["seq"] == cursor + 1, f"after {cursor} comes {entry['seq']}")
            cursor = entry["seq"]


async def _hint(kit: Kit) -> None:
    sender, reader = await kit.live(), await kit.live(delivery="hint")
    answers = [await sender.ask("send", to=kit.me(), **send(f"{number}")) for number in range(5)]
    notify = await reader.expect("notify")
    need(notify["head"] == answers[0]["seq"], f"the hint is {short(notify)}")
    await reader.silence()
    page = await reader.ask("pull", after=answers[0]["seq"] - 1, epoch=reader.welcome["epoch"])
    seqs = [entry["seq"] for entry in page["entries"]]
    need(seqs == [answer["seq"] for answer in answers], f"the pull after it gives {seqs}")
    later = await sender.ask("send", to=kit.me(), **send("one more"))
    notify = await reader.expect("notify")
    need(notify["head"] == later["seq"], f"the next hint is {short(notify)}")


async def _pong(kit: Kit) -> None:
    sender, reader = await kit.live(), await kit.live()
    sent = await sender.ask("send", to=kit.me(), **send("before the pong"))
    pong = await reader.ask("ping", cursor=reader.welcome["head"])
    need(pong["type"] == "pong" and pong["head"] >= sent["seq"], f"ping is answered by {short(pong)}")
    need((await reader.entries(1))[0]["seq"] == sent["seq"], "the pong came before the push up to its head")


async def _devices(kit: Kit) -> None:
    device = await kit.live()
    sent = await device.ask("send", to=kit.me(), **send("here"))
    await device.ask("ping", cursor=sent["seq"])
    found = (await device.ask("devices"))["devices"]
    mine = [each for each in found if each["device"] == device.welcome["device"]]
    need(len(mine) == 1 and mine[0]["online"] and mine[0]["cursor"] == sent["seq"], f"the device is told as {mine}")


async def _signal(kit: Kit) -> None:
    device, other = await kit.live(), await kit.live(1)
    conversation = "d:" + "~".join(sorted((kit.me(), kit.me(1))))
    await device.say({"type": "signal", "conversation": conversation, "signal": "typing"})
    frame = await other.expect("signal")
    need(frame["sender"] == kit.me() and frame["signal"] == "typing", f"the signal is {short(frame)}")
    page = await other.ask("pull", after=other.welcome["head"], epoch=other.welcome["epoch"])
    need(not any(entry["event"]["type"] == "signal" for entry in page["entries"]), "a signal was stored")


async def _others(kit: Kit) -> None:
    device, other = await kit.live(), await kit.live(1)
    sent = await device.ask("send", to=kit.me(1), **send("for you"))
    message = (await other.entries(1))[0]["event"]["message"]
    need(message["message_seq"] == sent["message_seq"] and message["sender"] == kit.me(), f"{short(message)} comes")


async def _wait(kit: Kit) -> None:
    _, page = await kit.http("pull", after=0, limit=1)
    head = page["head"]
    waiting = asyncio.create_task(kit.http("pull", after=head, wait=20))
    await asyncio.sleep(0.2)
    need(not waiting.done(), "a waiting pull answers at once with nothing")
    await kit.http("send", to=kit.me(), **send("wake up"))
    started = time.monotonic()
    status, page = await waiting
    need(status == 200 and bool(page["entries"]), f"a waiting pull answers {short(page)}")
    need(time.monotonic() - started < 10, "a waiting pull is not woken by an entry")
    _, page = await kit.http("pull", after=page["head"], wait=0.2)
    need(page["entries"] == [], "a waiting pull does not end with an empty page")


PROMISES: Final = (
    Promise("5", "a live connection is pushed every entry, in order, unasked", _pushed, 1),
    Promise("5", "`sent` stands for one's own entry: no push of it", _own, 1),
    Promise("5", "with little to catch up a connection costs one round trip, and is live", _welcome, 1),
    Promise("5", "no entry falls between a welcome and the first push", _seam, 1),
    Promise("5", "in hint delivery there is one notify per pull", _hint, 1),
    Promise("5", "a pong comes after every push up to its head", _pong, 1),
    Promise("4", "devices are told with their cursors", _devices, 1),
    Promise("4", "signals are forwarded and not stored", _signal, 2),
    Promise("5", "a message reaches the other user", _others, 2),
    Promise("2", "a pull that waits answers at an entry, or empty in time", _wait, 1),
)
