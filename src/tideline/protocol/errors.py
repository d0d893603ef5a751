"""Errors and close codes (protocol, section 8): one table, and the exceptions that carry its rows.

::

    TidelineError
    ├── RequestError        a request failed with one of the codes below
    └── ConnectionClosed    the connection ended with a close code
"""

from enum import IntEnum
from typing import NamedTuple


class Trait(NamedTuple):
    """What follows from an error code: its HTTP status, and whether the same request may succeed later."""

    status: int
    retry: bool


ERRORS: dict[str, Trait] = {
    "bad_request": Trait(400, False),
    "unauthorized": Trait(401, False),
    "forbidden": Trait(403, False),
    "not_found": Trait(404, False),
    "conflict": Trait(409, False),
    "epoch_changed": Trait(410, False),
    "cursor_ahead": Trait(410, False),
    "cursor_too_old": Trait(410, False),
    "too_large": Trait(413, False),
    "rate_limited": Trait(429, True),
    "unavailable": Trait(503, True),
    "internal": Trait(500, True),
}

POSITION_ERRORS = frozenset({"epoch_changed", "cursor_ahead", "cursor_too_old"})
"""The codes after which a device takes a snapshot (section 6, rule 8)."""


class Close(IntEnum):
    """WebSocket close codes that either side may see."""

    GOING_AWAY = 1001
    ABNORMAL = 1006
    INTERNAL = 1011
    RESTART = 1012
    TRY_LATER = 1013
    BAD_FRAME = 4400
    UNAUTHORIZED = 4401
    FORGOTTEN = 4403
    TIMEOUT = 4408
    REPLACED = 4409
    TOO_LARGE = 4413


NO_RECONNECT = frozenset({Close.BAD_FRAME, Close.UNAUTHORIZED, Close.FORGOTTEN, Close.REPLACED, Close.TOO_LARGE})
"""Codes after which a device does not reconnect unchanged."""


class TidelineError(Exception):
    """Base of every error that Tideline raises on purpose."""


class RequestError(TidelineError):
    """A request failed with a code of section 8.

    ``retry`` defaults to the table's; ``retry_after`` is in seconds.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retry: bool | None = None,
        retry_after: float | None = None,
        id: int | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retry = ERRORS.get(code, ERRORS["internal"]).retry if retry is None else retry
        self.retry_after = retry_after
        self.id = id

    @property
    def status(self) -> int:
        """The HTTP status that goes with the code."""
        return ERRORS.get(self.code, ERRORS["internal"]).status


class ConnectionClosed(TidelineError):
    """A connection ended.

    ``code`` is the WebSocket close code; ``reconnect`` says whether the same device may try again unchanged.
    """

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"connection closed ({code}){': ' + reason if reason else ''}")
        self.code = code
        self.reason = reason

    @property
    def reconnect(self) -> bool:
        """Whether the device may reconnect by itself."""
        return self.code not in NO_RECONNECT


def bad_request(message: str) -> RequestError:
    """Build the error for a malformed, missing or out-of-range field; ``message`` names the field."""
    return RequestError("bad_request", message)


def too_large(what: str, size: int, limit: int, unit: str = "") -> RequestError:
    """Build the error for something over a limit."""
    unit = f" {unit}" if unit else ""
    return RequestError("too_large", f"{what} is {size}{unit}, the limit is {limit}")
