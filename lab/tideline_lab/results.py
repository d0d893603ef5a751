"""What a lab run leaves behind: one JSON document, with a version of its form.

The version grows when a field changes its meaning or goes; a reader refuses a version that it does not know.
"""

from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field

from .errors import LabError
from .parameters import Parameters
from .store import Counts, Stored

SCHEMA = 1


class Phase(Struct):
    """A part of a run, of all devices together."""

    seconds: float
    frames_down: dict[str, int]
    """Frames by type, server to devices."""
    frames_up: dict[str, int]
    bytes_down: dict[str, int]
    bytes_up: dict[str, int]
    writes: int
    """WebSocket messages that the server sent."""
    lost: int
    """Frames that the network lost."""
    store: Counts
    cpu: float
    """Seconds of the server process."""
    wait: dict[str, float | None] = field(default_factory=dict)
    """ms (p50, p99, max): while sending, from send to applied; at login, from when all begin to connect to having
    everything."""


class Wrong(Struct):
    """What went wrong."""

    lost: int = 0
    """Messages that a device had to get and never did."""
    doubled: int = 0
    out_of_order: int = 0
    """Messages applied after a later one of their conversation."""
    missing_on_new: int = 0
    """Messages sent before a device appeared that it doesn't have in the end."""
    before_new: int = 0
    """Messages sent before a device appeared, in conversations of its user."""


class Run(Struct):
    """One model under some circumstances."""

    scenario: str
    axis: str
    x: float
    model: str
    parameters: Parameters
    messages: int
    devices: int
    """Devices there are before the first message."""
    deliveries: int
    """Messages × devices that were connected when they were sent."""
    live: Phase
    """From the first message until all connected devices have all, and all is acknowledged."""
    login: Phase | None
    """Then: the devices that were not connected log in."""
    appear: Phase | None
    """Then: new devices log in, if they appear at the end."""
    stored_sent: Stored
    """What the store holds after ``live``."""
    stored_end: Stored
    wrong: Wrong


class Machine(Struct):
    """Where the figures are from."""

    cores: int
    python: str
    system: str


class Results(Struct):
    """The results of one lab run."""

    tideline: str
    taken: str
    """Date and time, UTC, ISO 8601."""
    machine: Machine
    chat: str
    """Where the real chat is from."""
    quick: bool
    runs: list[Run]
    schema: int = SCHEMA


def save(results: Results, path: Path) -> None:
    """Write results as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")


def load(path: Path) -> Results:
    """Read results.

    Raises:
        LabError: if the file can't be read, or has a form that this version does not know.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise LabError(f"can't read {path}: {error.strerror}; 'tideline lab run' makes it") from error
    try:
        head: Any = msgspec.json.decode(text)
        schema = head.get("schema") if isinstance(head, dict) else None
        if schema != SCHEMA:
            raise LabError(f"{path} has schema {schema!r}; this version reads {SCHEMA}")
        return msgspec.json.decode(text, type=Results)
    except msgspec.MsgspecError as error:
        raise LabError(f"{path} is not a lab's results: {error}") from error
