"""Files to import, as lines: plain, or in a tar archive of any usual compression, which is never unpacked to disk."""

import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from tideline.protocol.errors import TidelineError

LINE_MAX = 2**20
"""Bytes of a line, at most."""
_ARCHIVES = (".tar", ".tar.xz", ".tar.gz", ".tar.bz2", ".txz", ".tgz", ".tbz2")


class TransferError(TidelineError):
    """A file can't be imported; the message says which, where in it, and why."""


class Source(NamedTuple):
    """One file with chats in it."""

    name: str
    """As it is told to people: its path, or its name in an archive."""
    stem: str
    """The file's name without its ending."""
    lines: Iterator[bytes]


def open_sources(paths: list[Path], read: Callable[[int], None]) -> Iterator[Source]:
    """Open one file after the other; ``read`` is told how many bytes of all of them have been read.

    Raises:
        OSError: if a file can't be read.
        TransferError: if an archive is broken.
    """
    done = 0
    for path in paths:
        with path.open("rb") as file:

            def position(file: IO[bytes] = file, before: int = done) -> None:
                read(before + file.tell())

            if path.name.lower().endswith(_ARCHIVES):
                yield from _members(path, file, position)
            else:
                yield Source(str(path), path.stem, _lines(str(path), file, position))
            done += file.seek(0, 2)
        read(done)


def _members(path: Path, file: IO[bytes], position: Callable[[], None]) -> Iterator[Source]:
    try:
        with tarfile.open(fileobj=file, mode="r|*") as archive:
            for member in archive:
                content = archive.extractfile(member)
                if content is not None:
                    name = f"{path}: {member.name}"
                    yield Source(name, PurePosixPath(member.name).stem, _lines(name, content, position))
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise TransferError(f"{path} is no readable archive: {error}") from error


def _lines(name: str, file: IO[bytes], position: Callable[[], None]) -> Iterator[bytes]:
    number = 0
    while line := file.readline(LINE_MAX + 1):
        number += 1
        if len(line) > LINE_MAX:
            raise TransferError(f"{name}, line {number}: longer than {LINE_MAX} bytes")
        if number % 256 == 0:
            position()
        yield line.rstrip(b"\r\n")
    position()
