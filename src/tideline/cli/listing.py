"""``tideline conversations``, ``tideline devices``."""

from typing import Annotated, Any

import msgspec
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tideline.protocol.responses import Message

from .access import Access, Json, User
from .asking import Asker, ask
from .printing import ago, clock, print_json
from .words import one_line, said

_ACCESS = Access()


def conversations(
    user: User, /, *, json_: Json = False, access: Annotated[Access, Parameter(name="*")] = _ACCESS
) -> int:
    """List your conversations with what is unread in them, the latest first."""

    async def work(asker: Asker) -> int:
        states: dict[str, dict[str, Any]] = {}
        next_ = None
        while True:
            page = await asker.ask("snapshot", next=next_)
            # One that is named again has changed meanwhile.
            states.update((state["conversation"], state) for state in page["conversations"])
            next_ = page["next"]
            if next_ is None:
                break
        found = sorted(states.values(), key=_activity, reverse=True)
        if json_:
            for state in found:
                print_json(state)
        else:
            _print_conversations(found)
        return 0

    return ask(access, user, work)


def devices(user: User, /, *, json_: Json = False, access: Annotated[Access, Parameter(name="*")] = _ACCESS) -> int:
    """List your devices, with how far behind each one is."""

    async def work(asker: Asker) -> int:
        found = (await asker.ask("devices"))["devices"]
        if json_:
            for device in found:
                print_json(device)
        else:
            _print_devices(found)
        return 0

    return ask(access, user, work)


def _activity(state: dict[str, Any]) -> int:
    last = state.get("last_message") or {}
    time: int = last.get("time", 0)
    return time


def _print_conversations(states: list[dict[str, Any]]) -> None:
    table = _table("conversation", ("unread", "right"), ("members", "right"), "last", "")
    for state in states:
        last = msgspec.convert(state["last_message"], Message | None)
        title = one_line(state["title"]) if state.get("title") else ""
        marks = "".join(mark for mark, on in ((" (muted)", state["muted"]), (" (pinned)", state["pinned"])) if on)
        unread = Text(str(state["unread"]), style="bold") if state["unread"] else Text("")
        latest = Text(one_line(f"{last.sender or '?'}: {said(last)}", 60)) if last else Text("")
        when = clock(last.time) if last and last.time else ""
        table.add_row(
            Text.assemble(state["conversation"], (f" {title}" if title else "", "dim"), (marks, "dim")),
            *(unread, str(state["members"]), when, latest),
        )
    Console(highlight=False).print(table)


def _print_devices(devices: list[dict[str, Any]]) -> None:
    table = _table("device", "", ("cursor", "right"), ("behind by", "right"), "last seen")
    for device in devices:
        online = Text("online", style="green") if device["online"] else Text("")
        cursor, lag = ("" if device[name] is None else str(device[name]) for name in ("cursor", "lag"))
        table.add_row(device["device"], online, cursor, lag, ago(device["last_seen"]))
    Console(highlight=False).print(table)


def _table(*columns: str | tuple[str, str]) -> Table:
    table = Table(show_edge=False, pad_edge=False)
    for column in columns:
        name, justify = (column, "left") if isinstance(column, str) else column
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    return table
