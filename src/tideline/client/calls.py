"""The application's other requests: kept over reconnections until they are answered or too old.

They may be repeated because every request of the protocol may: what is done already changes nothing.
"""

from msgspec import Struct

from tideline.protocol import responses

from .flights import Asked
from .inputs import Call
from .line import Line
from .outputs import Answer


class Waiting(Struct):
    """A call without an answer. ``due``: when it may be sent again (ms); None: at once."""

    call: Call
    request: int | None = None
    due: int | None = None
    failures: int = 0


class Calls:
    """Calls by key, in the order they were made."""

    def __init__(self, line: Line) -> None:
        self._waiting: dict[str, Waiting] = {}
        self._line = line

    def add(self, call: Call) -> None:
        """Keep a call, or answer it by an error when there are too many."""
        if len(self._waiting) < self._line.policy.calls:
            self._waiting[call.key] = Waiting(call)
        else:
            self.fail(call.key, "too many requests wait for an answer")

    def flush(self) -> None:
        """Send what may go now, in order."""
        for one in self._waiting.values():
            if one.request is None and (one.due is None or one.due <= self._line.now):
                one.request = self._line.ask("call", one.call.frame, one.call.key)

    def answered(self, given: responses.ServerFrame, request: int | None) -> None:
        """Hand on a response, unless nobody waits for it any more."""
        asked = self._line.flights.end(request, "call", "renew")
        if asked is not None and asked.kind == "call" and self.cancel(str(asked.about)):
            self._line.put(Answer(key=str(asked.about), frame=given))

    def failed(self, asked: Asked, given: responses.Error) -> None:
        """Ask again later, or hand on an error that stays."""
        one = self._waiting.get(str(asked.about))
        if one is None or one.request != given.id:
            return
        if given.retry:
            self._again(one, given.retry_after)
        else:
            del self._waiting[one.call.key]
            self._line.put(Answer(key=one.call.key, frame=given))

    def unanswered(self, request: int, asked: Asked) -> None:
        """Ask again later."""
        one = self._waiting.get(str(asked.about))
        if one is not None and one.request == request:
            self._again(one)

    def _again(self, one: Waiting, retry_after: float | None = None) -> None:
        one.request = None
        one.due = self._line.later(one.failures, retry_after)
        one.failures += 1

    def cancel(self, key: str) -> bool:
        """Take out a call; tell whether it was there."""
        return self._waiting.pop(key, None) is not None

    def expire(self) -> None:
        """Answer by an error what is too old."""
        for key in [key for key, one in self._waiting.items() if one.call.until <= self._line.now]:
            self.fail(key, "no answer in time")

    def fail(self, key: str, why: str) -> None:
        """Answer a call by an error of ours: it may or may not have been carried out."""
        self._waiting.pop(key, None)
        error = responses.Error(code="unavailable", message=why, retry=True)
        self._line.put(Answer(key=key, frame=error))

    def fail_all(self, why: str) -> None:
        """Answer all by an error of ours."""
        for key in list(self._waiting):
            self.fail(key, why)

    def disconnected(self) -> None:
        """Note that nothing is in flight any more."""
        for one in self._waiting.values():
            one.request = one.due = None

    def wake(self, *, online: bool) -> int | None:
        """Return when something is to be done about a call (ms)."""
        times = [one.call.until for one in self._waiting.values()]
        if online:
            times += [one.due for one in self._waiting.values() if one.request is None and one.due is not None]
        return min(times, default=None)
