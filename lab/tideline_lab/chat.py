"""Real chat: a day of the IRC channel #ubuntu, from the whole logs if they are at hand, else the bundled excerpt."""

import re
import tarfile
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from .errors import LabError

ARCHIVE = "logs.tar.xz"
DAY = "2007-06-04.txt"
"""One of the days with the most messages in the logs."""
_DAY_BYTES = 16 * 2**20

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
    """Return a day of the logs in this folder, or the bundled excerpt if they aren't there.

    Raises:
        LabError: if they are there and can't be read.
    """
    archive = folder / ARCHIVE
    if not archive.is_file():
        return excerpt()
    try:
        with tarfile.open(archive) as logs:
            for member in logs:
                if Path(member.name).name == DAY and (file := logs.extractfile(member)) is not None:
                    return parse(file.read(_DAY_BYTES).decode(), f"Ubuntu IRC logs, {DAY.removesuffix('.txt')}")
    except (tarfile.TarError, OSError, EOFError, UnicodeDecodeError) as error:
        raise LabError(f"can't read {archive}: {error}") from error
    raise LabError(f"can't read {archive}: it has no {DAY}")
