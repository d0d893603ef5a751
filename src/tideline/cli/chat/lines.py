"""What happens, as lines of a terminal: pairs of a style and a text (pure functions)."""

from datetime import datetime
from zlib import crc32

from tideline.protocol import events
from tideline.protocol.responses import Message

from ..words import one_line, reactions, said

Line = list[tuple[str, str]]

STYLE = {
    "dim": "ansibrightblack",
    "day": "ansibrightblack",
    "error": "ansired",
    "me": "ansiyellow bold",
    "own": "bold",
    "new": "ansigreen",
    "waits": "ansibrightblack italic",
    "failed": "ansired italic",
    "live": "ansigreen",
    "away": "ansired",
    "bottom-toolbar": "noreverse ansibrightblack",
    **{f"name{number}": colour for number, colour in enumerate(["ansicyan", "ansimagenta", "ansiblue", "ansigreen"])},
}
"""How it looks: colours of the terminal, so that they fit any theme."""
_NAMES = 4


def name(user: str, me: str) -> tuple[str, str]:
    """Return a user's name in its colour, which is always the same."""
    return ("class:own" if user == me else f"class:name{crc32(user.encode()) % _NAMES}", user)


def day(time_ms: int) -> str:
    """Return the day of a moment, as people say it."""
    return datetime.fromtimestamp(time_ms / 1000).astimezone().strftime("%A, %-d %B %Y")


def message(message: Message, me: str) -> list[Line]:
    """Return a message: its number, its time, who, what."""
    moment = datetime.fromtimestamp(message.time / 1000).astimezone().strftime("%H:%M") if message.time else "     "
    first, *more = said(message).split("\n")
    style = "class:me" if me in message.mentions else "class:dim" if message.recalled or message.gone else ""
    line: Line = [("class:dim", f"{message.message_seq:>3} {moment} "), name(message.sender or "?", me), ("", "  ")]
    if message.reply_to is not None:
        line.append(("class:dim", f"↪{message.reply_to} "))
    line.append((style, first))
    if message.edited:
        line.append(("class:dim", " (edited)"))
    lines = [line, *([("", " " * 10), (style, each)] for each in more)]
    if message.reactions:
        lines.append([("class:dim", " " * 10 + reactions(message))])
    return lines


def event(happened: events.AnyEvent, me: str) -> Line | None:
    """Return what happened besides messages, if it is worth a line."""
    match happened:
        case events.Edited():
            who, what = happened.by, f"edited {happened.message_seq}: {one_line(said(happened.message))}"
        case events.Recalled():
            who, what = happened.by, f"recalled {happened.message_seq}"
        case events.Reaction():
            verb = "reacted to" if happened.on else "took back from"
            who, what = happened.by, f"{verb} {happened.message_seq}: {one_line(happened.reaction)}"
        case events.MemberEvent():
            changes = [
                f"{verb} {', '.join(users)}"
                for verb, users in (("added", happened.added), ("removed", happened.removed))
                if users
            ]
            left = happened.removed == [happened.by] and not happened.added
            who, what = happened.by, "left" if left else ", ".join(changes)
        case _:
            return None
    return [("class:dim", " " * 10), name(who, me), ("class:dim", f" {what}")]


def notice(message: Message, where: str, me: str) -> Line:
    """Return that there is a message elsewhere."""
    return [
        ("class:new", f"{'':>4}{where}: " if where != message.sender else "    "),
        name(message.sender, me),
        ("class:new", f"  {one_line(said(message), 60)}"),
    ]
