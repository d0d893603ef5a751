"""Real chat: a day of the IRC channel #ubuntu, from the whole logs if they are at hand, else the bundled excerpt."""

import re
import tarfile
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

ARCHIVE = "logs.tar.xz"
DAY = "2007-06-04.txt"
"""One of the days with the most messages in the logs."""

_LINE = re.compile(r"\[\d\d:\d\d\] <(?P<nick>[^>]+)> (?P<text>.*)")
_ADDRESSED = re.compile(r"(?P<nick>[^\s:,]+)[:,] ")


class Line(NamedTuple):
    """A message of the channel."""

    nick: str
    addressed: str
    """Whom its beginning names, if anyone ("" otherwise)."""
    text: str


class Chat(NamedTuple):
    """A piece of the channel."""

    source: str
    lines: list[Line]


def parse(text: str, source: str) -> Chat:
    """Read the messages of a log; its other lines (joins, parts, new names) are none."""
    found = []
    for line in text.splitlines():
        if match := _LINE.fullmatch(line):
            addressed = _ADDRESSED.match(match["text"])
            found.append(Line(match["nick"], addressed["nick"] if addressed else "", match["text"]))
    return Chat(source, found)


def excerpt() -> Chat:
    """Return the bundled excerpt."""
    text = files(__package__).joinpath("excerpt", "ubuntu-irc.txt").read_text(encoding="utf-8")
    return parse(text, "bundled excerpt of the Ubuntu IRC logs")


def load(folder: Path) -> Chat:
    """Return a day of the logs in this folder, or the bundled excerpt if they aren't there."""
    archive = folder / ARCHIVE
    if not archive.is_file():
        return excerpt()
    with tarfile.open(archive) as logs:
        member = next(member for member in logs if Path(member.name).name == DAY)
        file = logs.extractfile(member)
        assert file is not None
        return parse(file.read().decode(), f"Ubuntu IRC logs, {DAY.removesuffix('.txt')}")
