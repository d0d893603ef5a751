"""How messages and other things are printed, for people and for programs."""

import json
import sys
import time
from datetime import datetime
from typing import Any

import msgspec

from tideline.protocol.responses import Message

from .words import reactions, said

Frame = dict[str, Any]


def print_json(value: Any) -> None:
    """Print one JSON object on a line of its own."""
    print(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def clock(time_ms: int) -> str:
    """Return a moment as people read it here: the time of day, with the date unless it is today."""
    moment = datetime.fromtimestamp(time_ms / 1000).astimezone()
    today = moment.date() == datetime.now().astimezone().date()
    return moment.strftime("%H:%M" if today else "%Y-%m-%d %H:%M")


def ago(time_ms: int) -> str:
    """Return how long ago a moment was."""
    seconds = max(0, time.time() - time_ms / 1000)
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit} ago"
    return "just now"


def print_message(frame: Frame, where: str = "") -> None:
    """Print a message on as many lines as it has."""
    message = msgspec.convert(frame, Message)
    first, *more = said(message).split("\n")
    head = f"{clock(message.time)} " if message.time else ""
    print(f"{head}{where}{message.sender or '?'}: {first}{' (edited)' if message.edited else ''}")
    for line in more:
        print(f"    {line}")
    if message.reactions:
        print(f"    {reactions(message)}")


def flush() -> None:
    """Let whoever reads the output have what was printed so far."""
    sys.stdout.flush()
