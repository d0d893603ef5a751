"""What is in a file, as records: an export's own lines, or what a chat log amounts to."""

from collections.abc import Iterator
from itertools import islice

import msgspec

from tideline.protocol import ijson

from . import irc
from .records import VERSION, AnyRecord, Header
from .sources import Source, TransferError

_decoder: msgspec.json.Decoder[AnyRecord] = msgspec.json.Decoder(AnyRecord)


def records(source: Source) -> Iterator[AnyRecord]:
    """Read a file, whose first line says what it is.

    Raises:
        TransferError: if it is nothing that is known, or has an error; the message names the line.
    """
    first = list(islice(source.lines, 1))
    if not first:
        raise TransferError(f"{source.name} is empty")
    if first[0][:1] == b"{":
        return _exported(source, first[0])
    return irc.records(source, first)


def _exported(source: Source, first: bytes) -> Iterator[AnyRecord]:
    header = _read(source, 1, first)
    if not isinstance(header, Header):
        raise TransferError(f"{source.name} is no export: its first line has another type")
    if header.version != VERSION:
        raise TransferError(f"{source.name} is an export of version {header.version}; this program reads {VERSION}")
    for number, line in enumerate(source.lines, 2):
        yield _read(source, number, line)


def _read(source: Source, number: int, line: bytes) -> AnyRecord:
    try:
        ijson.decode(line)
        return _decoder.decode(line)
    except (ijson.NotJSON, ijson.NotIJSON, msgspec.DecodeError) as error:
        raise TransferError(f"{source.name}, line {number}: {error}") from None
