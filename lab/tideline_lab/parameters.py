"""The circumstances of a run, and how they are changed by hand."""

from collections.abc import Iterable
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from .errors import LabError

DEVICES = 10_000
"""Devices of a run, at most: each is a connection."""


class Parameters(Struct, frozen=True, kw_only=True):
    """The circumstances of one run; times in ms unless said otherwise, sizes in bytes."""

    devices: Annotated[int, Meta(ge=1, le=100)] = 2
    """Devices per user."""
    online: Annotated[float, Meta(ge=0, le=1)] = 1.0
    """Share of the devices that is connected while the messages are sent; the others log in afterwards."""
    group: Annotated[int, Meta(ge=1, le=1000)] = 2
    """Members of a conversation."""
    groups: Annotated[int, Meta(ge=1, le=1000)] = 10
    """Conversations."""
    messages: Annotated[int, Meta(ge=1, le=1_000_000)] = 200
    rate: Annotated[float, Meta(ge=0, le=1_000_000)] = 200.0
    """Messages a second, of all senders together; 0: each when the one before is applied everywhere."""
    rtt: Annotated[float, Meta(ge=0, le=10_000)] = 0.0
    """Round-trip time that the network adds."""
    loss: Annotated[float, Meta(ge=0, le=0.9)] = 0.0
    """Share of what the server sends by itself that is lost."""
    new_at: Annotated[float, Meta(ge=0, le=1)] | None = None
    """Share of the messages that is sent before every user's new device appears; None: there are none."""
    body: Annotated[int, Meta(ge=0, le=32_768)] = 100
    heartbeat: Annotated[float, Meta(ge=10, le=3_600_000)] = 30_000.0
    """A device pings when it was quiet for so long; an inbox pushes again after so long."""
    poll: Annotated[float, Meta(ge=10, le=3_600_000)] = 1000.0
    """Interval of polling."""
    chat: bool = False
    """Replay real chat: ``group``, ``groups`` and ``body`` are then its own."""
    sync: bool = True
    """Whether a commit of messages waits for the disk."""
    seed: Annotated[int, Meta(ge=0, le=2**53)] = 1


def parse_changes(texts: Iterable[str]) -> dict[str, str]:
    """Read changes of the form ``name=value``.

    Raises:
        LabError: if one has another form, or no such name is known.
    """
    changes = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise LabError(f"{text!r} is not of the form name=value")
        if name not in Parameters.__struct_fields__:
            raise LabError(f"no parameter {name!r}; there are {', '.join(Parameters.__struct_fields__)}")
        changes[name] = value
    return changes


def change(parameters: Parameters, changes: dict[str, str]) -> Parameters:
    """Return parameters with some of them changed.

    Raises:
        LabError: if a value is out of its range, or there would be too many devices.
    """
    fields: dict[str, object] = {**msgspec.structs.asdict(parameters), **changes}
    try:
        changed = msgspec.convert(fields, Parameters, strict=False)
    except msgspec.ValidationError as error:
        raise LabError(f"not a value of the lab: {error}") from error
    devices = changed.devices * changed.group * changed.groups
    if devices > DEVICES:
        raise LabError(f"{devices} devices, the limit is {DEVICES}")
    return changed
