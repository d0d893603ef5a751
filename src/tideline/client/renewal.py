"""When to renew a token (protocol, section 4: renew): before it expires, and once more when it is refused."""

from tideline.protocol import requests, responses

from .inputs import Renewed
from .line import Line
from .outputs import Renew


class Renewal:
    """The token of a device. ``renewable``: whether another one can be had."""

    def __init__(self, line: Line, *, renewable: bool) -> None:
        self.refused = False
        """Whether the last token was refused and no other was accepted since."""
        self._line = line
        self._renewable = renewable
        self._expires: int | None = None
        self._due: int | None = None

    def offered(self, expires: int | None) -> None:
        """Note the token of a connection; ``expires`` in ms."""
        self._expires = expires

    def accepted(self) -> None:
        """Note that the server took it, and plan the next."""
        self.refused = False
        self._plan()

    def refuse(self) -> bool:
        """Note that the server refused it; tell whether to try with another one."""
        again = self._renewable and not self.refused
        self.refused = True
        return again

    def renewed(self, given: Renewed) -> None:
        """Hand a later token to the server."""
        if not given.ok:
            self._due = self._line.later(20)
            return
        self._expires = given.expires
        self._plan()
        self._line.ask("renew", requests.Renew(id=0, token=""))

    def failed(self, given: responses.Error) -> None:
        """Try again, unless it is refused: then the connection will end, and the next has another token."""
        if given.retry:
            self._due = self._line.later(0, given.retry_after)

    def unanswered(self) -> None:
        """Try again."""
        self._due = self._line.now

    def tick(self) -> None:
        """Ask for a token when it is time."""
        if self._due is not None and self._line.now >= self._due:
            self._due = None
            self._line.put(Renew())

    def disconnected(self) -> None:
        """Plan nothing without a connection."""
        self._due = None

    def wake(self) -> int | None:
        """Return when to renew (ms)."""
        return self._due

    def _plan(self) -> None:
        """Renew when a tenth of the time is left, at least 5 s, at most 60 s; not more than once a second."""
        if not self._renewable or self._expires is None:
            self._due = None
            return
        left = self._expires - self._line.server_now
        self._due = self._line.now + max(1_000, left - min(60_000, max(5_000, left // 10)))
