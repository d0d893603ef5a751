"""A rate limit: a bucket of tokens that refills steadily."""

from tideline.protocol.errors import RequestError


class Bucket:
    """Lets ``rate`` actions a second through, and as many at once after a pause. Time is an argument (s)."""

    __slots__ = ("_filled", "_rate", "_tokens")

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._tokens = rate
        self._filled = now

    def take(self, now: float) -> float:
        """Take one token; return 0, or the seconds until there is one."""
        self._tokens = min(self._rate, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self._rate

    def demand(self, now: float) -> None:
        """Take one token.

        Raises:
            RequestError: ``rate_limited`` if there is none.
        """
        wait = self.take(now)
        if wait:
            raise RequestError("rate_limited", "too many sends", retry_after=round(wait, 3))
