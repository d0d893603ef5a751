"""What can be typed after ``/``: one table."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from tideline.protocol.errors import TidelineError

from ..printing import ago
from ..words import one_line, said
from . import lines
from .view import View


class Wrong(TidelineError):
    """A command was used in a wrong way."""


class Quit(Exception):
    """The chat is over."""


class Command(NamedTuple):
    """One command: what follows it, what it does."""

    usage: str
    help: str
    run: Callable[[View, str], Awaitable[None]]


async def _help(view: View, _: str) -> None:
    said_of = [
        [("bold", f"  /{name} {command.usage}".ljust(26)), ("", command.help)] for name, command in COMMANDS.items()
    ]
    view.print(*said_of)
    view.say("  A line goes to the conversation that is shown; Alt-Enter begins a new one; // begins it with /.")


async def _list(view: View, _: str) -> None:
    await view.refresh()
    if not view.states:
        view.say("No conversations yet: /to bob begins one.")
    for state in view.states.values():
        unread = f"{state.unread:>4} " if state.unread else "     "
        title = f"  {one_line(state.title)}" if state.title else ""
        last = state.last_message
        latest = f"  {last.sender}: {one_line(said(last), 50)}" if last is not None else ""
        muted = "  (muted)" if state.muted else ""
        view.print(
            [("class:new", unread), ("bold", view.label(state.conversation)), ("class:dim", f"{title}{muted}{latest}")]
        )


async def _to(view: View, argument: str) -> None:
    await view.enter(_one(argument, "a user or a conversation"))


async def _history(view: View, argument: str) -> None:
    view.say("── before that ──")
    await view.earlier(_number(argument) if argument else 50)


async def _reply(view: View, argument: str) -> None:
    number, text = _numbered(argument)
    await view.client.send(_here(view), text, reply_to=number)


async def _edit(view: View, argument: str) -> None:
    number, text = _numbered(argument)
    await view.client.edit(_here(view), number, text)


async def _recall(view: View, argument: str) -> None:
    await view.client.recall(_here(view), _number(argument))


async def _react(view: View, argument: str) -> None:
    number, reaction = _numbered(argument)
    on = not reaction.startswith("-")
    await view.client.react(_here(view), number, reaction.removeprefix("-").strip(), on=on)


async def _members(view: View, _: str) -> None:
    for member in await view.client.members(_here(view)):
        role = "  admin" if member.role == "admin" else ""
        view.print([("", "    "), lines.name(member.user, view.user), ("class:dim", role)])


async def _create(view: View, argument: str) -> None:
    name, *members = argument.split() or [""]
    state = await view.client.create(_one(name, "a name").removeprefix("g:"), members=members, history="all")
    await view.enter(state.conversation)


async def _add(view: View, argument: str) -> None:
    await view.client.add(_here(view), *_some(argument))


async def _remove(view: View, argument: str) -> None:
    await view.client.remove(_here(view), *_some(argument))


async def _leave(view: View, _: str) -> None:
    where = _here(view)
    await view.client.leave(where)
    view.where = None
    view.say(f"You left {view.label(where)}.")


async def _title(view: View, argument: str) -> None:
    await view.client.update(_here(view), title=argument)


async def _mute(view: View, _: str) -> None:
    where = _here(view)
    state = view.states.get(where)
    muted = not (state is not None and state.muted)
    await view.client.update(where, muted=muted)
    view.say(f"{view.label(where)} is {'muted' if muted else 'not muted any more'}.")


async def _devices(view: View, _: str) -> None:
    for device in await view.client.devices():
        online = "online" if device.online else ago(device.last_seen)
        behind = f", behind by {device.lag}" if device.lag else ""
        this = " (this one)" if device.device == view.client.device else ""
        view.print([("bold", f"    {device.device}"), ("class:dim", f"{this}  {online}{behind}")])


async def _retry(view: View, _: str) -> None:
    for sending in view.waiting():
        if sending.state != "pending":
            await sending.retry()


async def _discard(view: View, _: str) -> None:
    for sending in view.waiting():
        if sending.state != "pending":
            await sending.discard()


async def _quit(view: View, _: str) -> None:
    raise Quit


COMMANDS = {
    "help": Command("", "show this", _help),
    "list": Command("", "list your conversations, with what is unread", _list),
    "to": Command("NAME", "go to a user (bob) or a group (g:team)", _to),
    "history": Command("[N]", "show earlier messages", _history),
    "reply": Command("N TEXT", "answer message N", _reply),
    "edit": Command("N TEXT", "put another text into your message N", _edit),
    "recall": Command("N", "take message N back", _recall),
    "react": Command("N SIGN", "react to message N; with - before the sign, take it back", _react),
    "members": Command("", "list who is here", _members),
    "create": Command("NAME [USER…]", "make a group", _create),
    "add": Command("USER…", "add members (admins)", _add),
    "remove": Command("USER…", "remove members (admins)", _remove),
    "leave": Command("", "leave the group", _leave),
    "title": Command("TEXT", "give the group a title (admins)", _title),
    "mute": Command("", "hear no more of this conversation elsewhere, or again", _mute),
    "devices": Command("", "list your devices", _devices),
    "retry": Command("", "send again what failed", _retry),
    "discard": Command("", "throw away what failed", _discard),
    "quit": Command("", "end (Ctrl-D)", _quit),
}


async def run(view: View, line: str) -> None:
    """Carry out a line that begins with ``/``.

    Raises:
        Wrong: if there is no such command, or it was used in a wrong way.
        Quit: if the chat is over.
        TidelineError: if the server refuses.
    """
    name, _, argument = line[1:].partition(" ")
    found = [each for each in COMMANDS if each == name] or [each for each in COMMANDS if name and each.startswith(name)]
    if len(found) != 1:
        several = ", ".join(f"/{each}" for each in found)
        raise Wrong(f"/{name} may be {several}" if found else f"there is no /{name}; /help lists what there is")
    await COMMANDS[found[0]].run(view, argument.strip())


def _here(view: View) -> str:
    if view.where is None:
        raise Wrong("go to a conversation first: /to bob")
    return view.where


def _one(argument: str, what: str) -> str:
    if not argument or " " in argument:
        raise Wrong(f"say {what}")
    return argument


def _some(argument: str) -> list[str]:
    if not argument:
        raise Wrong("say whom")
    return argument.split()


def _number(argument: str) -> int:
    if not argument.isdecimal() or not int(argument):
        raise Wrong("say the number of a message")
    return int(argument)


def _numbered(argument: str) -> tuple[int, str]:
    number, _, rest = argument.partition(" ")
    if not rest.strip():
        raise Wrong("say the number of a message, and what")
    return _number(number), rest.strip()
