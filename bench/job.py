"""What the parent process asks of a load process, and what it gets back."""

from collections.abc import Callable

import msgspec

BODY_BYTES = 200


class Job(msgspec.Struct, frozen=True):
    """One load to run against one server."""

    load: str
    """Name of a module in `bench.loads`."""
    server: str
    """`floor` or `product`."""
    url: str
    secret: str
    pid: int
    """Process of the server; 0 when the load runs the store in its own process."""
    core: int
    folder: str
    """Where the load may keep data, on a disk."""
    seconds: float
    warm_up: float
    parameters: dict[str, int]


Outcome = dict[str, float]
"""Figures by name."""

Progress = Callable[[float], None]
"""Called with the share that is done, 0 to 1."""


class Line(msgspec.Struct, frozen=True):
    """One line that a load process prints."""

    progress: float | None = None
    outcome: Outcome | None = None
    failure: str | None = None
