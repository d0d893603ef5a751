"""How far the search goes: what may happen, and how often."""

from typing import Final, NamedTuple

from .state import Budget

NONE: Final = Budget(0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


class Scope(NamedTuple):
    """The bounds of a search."""

    about: str
    budget: Budget
    devices: int = 1
    held: int = 0
    """Entries that exist at the start."""
    positioned: bool = True
    """Whether devices begin with a cursor at the head, or with nothing."""
    sends: bool = False
    """Whether each device has a message to send."""
    page: int = 2
    stash: int = 1
    capacity: int = 3
    """Frames on their way to a device; what comes when it is full is lost. 0: no bound, nothing is lost."""
    reorders: bool = True
    hint: bool = False
    patient: bool = True
    """Whether a device may ping and give up when nothing else happens. Without: all must come by itself."""
    long_snapshots: bool = False


SCOPES: Final[dict[str, Scope]] = {
    "network": Scope(
        "one device on a network that loses, repeats, delays and reorders; lost connections, crashes",
        NONE._replace(commits=2, crashes=1, losses=1, repeats=1, timeouts=1, pings=1),
    ),
    "overflow": Scope(
        "pushes that overtake a page, and more of them than the stash holds",
        NONE._replace(commits=4, losses=1),
        capacity=4,
        page=1,
    ),
    "quiet": Scope(
        "nothing goes wrong, so nobody may have to ask by himself: commits while pages are read, full buffers",
        NONE._replace(commits=4, crashes=1, full=2),
        capacity=0,
        reorders=False,
        patient=False,
    ),
    "hint": Scope(
        "the same, delivered by hints",
        NONE._replace(commits=4, crashes=1, full=1),
        capacity=0,
        reorders=False,
        patient=False,
        hint=True,
    ),
    "own": Scope(
        "the same, and the device sends: its own entry among the pushes and pages",
        NONE._replace(commits=2, crashes=1, full=1),
        sends=True,
        capacity=0,
        reorders=False,
        patient=False,
    ),
    "resets": Scope(
        "a new device, a restored backup, a trimmed timeline, snapshots in pages",
        NONE._replace(commits=2, crashes=1, restores=1, trims=1, losses=1, timeouts=1),
        held=1,
        capacity=2,
        long_snapshots=True,
    ),
    "commits": Scope(
        "commits that fail, or seem to; reads that fail; a server that crashes between commit and announcement",
        NONE._replace(commits=3, failures=2, crashes=1),
        capacity=2,
        reorders=False,
    ),
    "sends": Scope(
        "two devices that send: their own entries among the pushes, lost answers, resends",
        NONE._replace(losses=1, timeouts=1, full=1),
        devices=2,
        sends=True,
        capacity=2,
        reorders=False,
    ),
    "three": Scope(
        "three devices of one user",
        NONE._replace(commits=1, losses=1),
        devices=3,
        capacity=1,
        reorders=False,
    ),
}
