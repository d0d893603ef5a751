"""Tokens of a device: a fixed one, or a source of new ones (protocol, section 3)."""

import base64
import binascii
from collections.abc import Awaitable, Callable

import msgspec

Token = str | Callable[[], Awaitable[str]]
"""A token, or an async callable that gets one: it is called for the first, and whenever another one is needed."""


class _Claims(msgspec.Struct):
    exp: float | None = None


_claims = msgspec.json.Decoder(_Claims).decode


def expiry(token: str) -> int | None:
    """Return when a JWT expires (ms since 1970), or None when it doesn't say. It is not verified."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        exp = _claims(base64.urlsafe_b64decode(parts[1] + "==")).exp
    except (msgspec.DecodeError, binascii.Error, ValueError):
        return None
    return round(exp * 1000) if exp is not None else None


class Tokens:
    """Where a device gets its tokens from. ``renewable``: whether there can be another one."""

    def __init__(self, source: Token) -> None:
        self._source = source
        self.renewable = not isinstance(source, str)
        self.current = source if isinstance(source, str) else ""

    async def get(self, now: int, *, fresh: bool) -> int | None:
        """Make ``current`` a token to use at ``now`` (ms), a new one if ``fresh``; return when it expires."""
        if not isinstance(self._source, str) and (fresh or not self.current or self._expired(now)):
            self.current = await self._source()
        return expiry(self.current)

    def _expired(self, now: int) -> bool:
        expires = expiry(self.current)
        return expires is not None and expires <= now + 5_000
