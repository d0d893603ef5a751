"""What PostgreSQL's errors mean for the caller."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from tideline.timeline.contract import StoreUnavailable

_PASSING = ("08", "25006", "40", "53", "55", "57", "58")
"""SQLSTATEs, by prefix, that say: not now. Connection lost, server read-only (it has become a standby), conflict,
out of something, locked, stopping, its disk or memory fails."""

LOST = (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What asyncpg raises when a connection is of no use any more; the last one between the server's last word and the end
of the connection."""


@contextmanager
def passing() -> Iterator[None]:
    """Turn errors that may pass into :class:`StoreUnavailable`; others are defects, and go on as they are."""
    try:
        yield
    except asyncpg.PostgresError as error:
        if (error.sqlstate or "").startswith(_PASSING):
            raise StoreUnavailable(f"PostgreSQL: {error}") from error
        raise
    except LOST as error:
        if isinstance(error, ValueError):  # a parameter that can't be encoded
            raise
        raise StoreUnavailable(f"PostgreSQL: {str(error) or type(error).__name__}") from error
