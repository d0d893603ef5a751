"""Promises about what is stored, numbered and read (protocol, sections 1 and 4)."""

from typing import Any, Final

from .kit import Device, Frame, Kit, Promise, fresh, is_error, need, send, short


async def _say(kit: Kit, device: Device, text: str, **fields: Any) -> Frame:
    answer = await device.ask("send", **{"to": kit.me(), **send(text, **fields)})
    need(answer.get("type") == "sent", f"send is answered by {short(answer)}")
    return answer


async def _numbers(kit: Kit) -> None:
    device = await kit.live()
    first = await _say(kit, device, "1")
    for further in range(1, 6):
        answer = await _say(kit, device, f"{further}")
        need(answer["message_seq"] == first["message_seq"] + further, f"numbers have a hole: {short(answer)}")
        need(answer["seq"] == first["seq"] + further, f"the timeline has a hole: {short(answer)}")


async def _pages(kit: Kit) -> None:
    device = await kit.live()
    start = (await _say(kit, device, "0"))["seq"]
    for number in range(7):
        await _say(kit, device, f"{number}")
    seqs: list[int] = []
    more, head = True, 0
    while more:
        page = await device.ask("pull", after=start + len(seqs), epoch=device.welcome["epoch"], limit=3)
        seqs += [entry["seq"] for entry in page["entries"]]
        need(len(page["entries"]) <= 3, "a page is longer than its limit")
        more, head = page["more"], page["head"]
        need(more == (seqs[-1] < head), f"more is {more} at {seqs[-1]} of {head}")
    need(seqs == list(range(start + 1, start + 8)), f"pages give {seqs} after {start}")


async def _positions(kit: Kit) -> None:
    device = await kit.live()
    head, epoch = device.welcome["head"], device.welcome["epoch"]
    is_error(await device.ask("pull", after=head + 1_000_000, epoch=epoch), "cursor_ahead")
    is_error(await device.ask("pull", after=0, epoch="another-life"), "epoch_changed")
    is_error(await device.ask("pull", after=0, epoch=epoch, limit=0), "bad_request")


async def _again(kit: Kit) -> None:
    device = await kit.live()
    message = send("once")
    first = await device.ask("send", to=kit.me(), **message)
    second = await device.ask("send", to=kit.me(), **message)
    same = all(first[field] == second[field] for field in ("conversation", "message_seq", "seq", "time"))
    need(same and second["duplicate"] and not first["duplicate"], f"a resend is answered by {short(second)}")
    body = {"text": "once", "type": "text"}
    third = await device.ask("send", to=kit.me(), client_id=message["client_id"], body=body)
    need(third.get("duplicate") is True, "the same JSON spelled in another order is another body")
    changed = {**message, "body": {"type": "text", "text": "twice"}}
    is_error(await device.ask("send", to=kit.me(), **changed), "conflict")
    _, after = await kit.http("pull", after=first["seq"])
    need(after["head"] == first["seq"], "a resend has made an entry")


async def _order(kit: Kit) -> None:
    device = await kit.live()
    messages = [send(f"{number}") for number in range(30)]
    await device.say(*({"type": "send", "id": 100 + n, "to": kit.me(), **each} for n, each in enumerate(messages)))
    answers = [await device.answer(100 + number) for number in range(30)]
    numbers = [answer["message_seq"] for answer in answers]
    need(numbers == list(range(numbers[0], numbers[0] + 30)), f"sends of one connection got {numbers}")


async def _history(kit: Kit) -> None:
    device = await kit.live()
    last = [await _say(kit, device, f"{number}") for number in range(6)][-1]
    head, talk = last["message_seq"], last["conversation"]
    tail = await device.ask("history", conversation=talk, limit=4)
    seqs = [message["message_seq"] for message in tail["messages"]]
    need(seqs == list(range(head - 3, head + 1)), f"the tail of {head} is {seqs}")
    before = await device.ask("history", conversation=talk, before=seqs[0], limit=2)
    seqs = [message["message_seq"] for message in before["messages"]]
    need(seqs == [head - 5, head - 4], f"before {head - 3} comes {seqs}")
    after = await device.ask("history", conversation=talk, after=head - 2, limit=50)
    seqs = [message["message_seq"] for message in after["messages"]]
    need(seqs == [head - 1, head] and not after["more"], f"after {head - 2} comes {seqs}")


async def _snapshot(kit: Kit) -> None:
    device = await kit.live()
    group = f"g:{fresh('g')[:40]}"
    need((await device.ask("create", conversation=group, members=[]))["type"] == "conversation", "no group is made")
    last = await _say(kit, device, "the last")
    next_: str | None = None
    states: dict[str, Frame] = {}
    cursors = set()
    while True:
        page = await device.ask("snapshot", limit=1, next=next_)
        need(page.get("type") == "snapshot", f"snapshot is answered by {short(page)}")
        cursors.add(page["cursor"])
        states |= {state["conversation"]: state for state in page["conversations"]}
        next_ = page["next"]
        if next_ is None:
            break
    need(len(cursors) == 1 and min(cursors) >= last["seq"], f"pages of one snapshot state {sorted(cursors)}")
    need({group, last["conversation"]} <= states.keys(), "a conversation is missing")
    state = states[last["conversation"]]
    need(state["unread"] == state["head"] - state["read"], f"unread is no subtraction: {short(state)}")
    need(state["last_message"]["message_seq"] == state["head"], f"the last message is another: {short(state)}")


async def _read(kit: Kit) -> None:
    device, other = await kit.live(), await kit.live(1)
    sent = await other.ask("send", to=kit.me(), **send("read me"))
    await device.expect("push")
    position = {"conversation": sent["conversation"], "message_seq": sent["message_seq"]}
    need((await device.ask("read", **position))["type"] == "ok", "read is not answered by ok")
    event = (await device.entries(1))[0]["event"]
    need(event["type"] == "read" and event["message_seq"] == sent["message_seq"], f"read brings {short(event)}")
    need((await device.ask("read", **{**position, "message_seq": 1}))["type"] == "ok", "reading back is no ok")
    await device.silence()


async def _strangers(kit: Kit) -> None:
    device, other = await kit.live(), await kit.live(1)
    group = f"g:{fresh('g')[:40]}"
    await device.ask("create", conversation=group, members=[])
    for name in (group, f"g:{fresh('none')[:40]}"):
        is_error(await other.ask("send", conversation=name, **send("let me in")), "forbidden")
        is_error(await other.ask("history", conversation=name), "forbidden")


async def _members(kit: Kit) -> None:
    device, other = await kit.live(), await kit.live(1)
    group = f"g:{fresh('g')[:40]}"
    await device.ask("create", conversation=group, members=[])
    await device.ask("send", conversation=group, **send("before you came"))
    need((await device.ask("add", conversation=group, members=[kit.me(1)]))["type"] == "ok", "add is no ok")
    event = (await other.entries(1))[0]["event"]
    need(event["type"] == "conversation" and event["state"]["joined"] == 2, f"who is added gets {short(event)}")
    found = await other.ask("history", conversation=group)
    need(found["messages"] == [] and found["first"] == 2, f"who joined reads {short(found)}")
    await device.ask("remove", conversation=group, members=[kit.me(1)])
    is_error(await other.ask("history", conversation=group), "forbidden")


PROMISES: Final = (
    Promise("1", "numbers follow each other without a hole", _numbers, 1),
    Promise("4", "pages give every entry once, and say whether there are more", _pages, 1),
    Promise("4", "a pull from nowhere says why", _positions, 1),
    Promise("4", "the same client_id is stored once, with another body a conflict", _again, 1),
    Promise("4", "pipelined sends keep their order", _order, 1),
    Promise("4", "history is ascending from either end", _history, 1),
    Promise("4", "a snapshot in pages has one cursor and every conversation", _snapshot, 1),
    Promise("4", "reading moves forward only, and the own devices hear of it", _read, 2),
    Promise("4", "who is no member is forbidden, whether there is a conversation or not", _strangers, 2),
    Promise("4", "who is added reads from there, who is removed no more", _members, 2),
)
