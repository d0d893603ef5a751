"""The numbers of a device's patience, and its back-off (protocol, section 6, rules 5 and 7). Times in ms."""

from math import floor

from msgspec import Struct


class Policy(Struct, frozen=True, kw_only=True):
    """What a device asks for at once, how much it keeps, and how long it waits."""

    answer: int = 10_000
    """A request that is unanswered for so long is no longer waited for (rule 7)."""
    connect: int = 30_000
    """A connection that is not open after so long is given up."""
    backoff: int = 1_000
    backoff_cap: int = 30_000
    stable: int = 10_000
    """A connection that lasted so long forgives the attempts before it."""
    stash: int = 500
    """Entries kept beyond a gap, or while the consumer pauses; over it the highest are dropped (rule 3)."""
    window: int = 32
    """Sends in flight."""
    calls: int = 1_000
    """Other requests of the application that wait for an answer; over it they are refused."""
    late: int = 16
    """Requests given up whose answer would still be understood; over it the oldest are forgotten."""
    page: int = 200
    snapshot: int = 200


def delay(policy: Policy, failures: int, random: float) -> int:
    """Return how long to wait after that many failures in a row: doubling, capped, half of it by chance.

    ``random`` is in [0, 1). It is never zero: what goes on at once goes on for ever.
    """
    longest = min(policy.backoff_cap, policy.backoff * (1 << min(failures, 20)))
    return floor(longest / 2 + random * longest / 2)
