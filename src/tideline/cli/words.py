"""What other people wrote, in words that do a terminal no harm."""

import json
import re

from tideline.protocol.responses import Message

_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """Return a text without what a terminal would obey, and without what turns the direction of writing.

    Line feeds and tabs stay.
    """
    return _OBEYED.sub("\N{REPLACEMENT CHARACTER}", text)


def one_line(text: str, width: int = 200) -> str:
    """Return a text as one harmless line of at most so many characters."""
    line = clean(" ".join(text.split()))
    return line if len(line) <= width else line[: width - 1] + "…"


def said(message: Message) -> str:
    """Return what a message says."""
    if message.gone:
        return "(no longer held)"
    if message.recalled:
        return "(recalled)"
    return content(message.body)


def content(body: dict[str, object]) -> str:
    """Return what a body says; one of another type than text as its JSON."""
    text = body.get("text")
    return clean(text) if isinstance(text, str) else one_line(json.dumps(body, ensure_ascii=False))


def reactions(message: Message) -> str:
    """Return the reactions to a message, and whose they are."""
    return "  ".join(f"{one_line(reaction)} {', '.join(by)}" for reaction, by in message.reactions.items())
