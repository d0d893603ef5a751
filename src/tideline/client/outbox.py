"""The sends of a device that are not answered yet, in their order (protocol, section 6, rules 6 and 7).

Laws:

1. What is in flight is a prefix of the items, so a resend never overtakes what was before it.
2. A message leaves the outbox exactly once: confirmed, failed, unconfirmed, or found in the timeline.
3. ``order`` is a number and is compared as one.
"""

from typing import Final

import msgspec
from msgspec import Struct

from tideline.protocol import requests, responses
from tideline.protocol.events import MessageEvent

from .flights import Asked
from .inputs import Submit
from .line import Line
from .outputs import Attempt, Confirmed, Failed, Unconfirmed

_encode: Final = msgspec.json.Encoder().encode


class Item(Struct):
    """A message to send. ``tried``: when it was first sent, by the server's clock (ms)."""

    message: Submit
    tried: int | None
    request: int | None = None
    """The id of its attempt in flight."""


class Outbox:
    """Messages to send, by ``client_id``."""

    def __init__(self, line: Line) -> None:
        self.items: dict[str, Item] = {}
        self._line = line
        self._due: int | None = None
        """When the items that are not in flight may go (ms); None: at once."""
        self._failures = 0

    def add(self, message: Submit) -> None:
        """Put a message in its place, which is the last but for those of before a restart; never twice."""
        if message.client_id in self.items:
            return
        last = next(reversed(self.items.values()), None)
        self.items[message.client_id] = Item(message, message.tried)
        if last is not None and last.message.order > message.order:
            self.items = dict(sorted(self.items.items(), key=lambda pair: pair[1].message.order))

    def remove(self, client_id: str) -> None:
        """Take out a message that was seen in the timeline."""
        self.items.pop(client_id, None)

    def flush(self, client_id_ttl: int) -> None:
        """Send what may go now, in order. ``client_id_ttl`` in seconds.

        What was first tried longer ago than that could be stored twice: that is for its user to decide.
        """
        if self._due is not None:
            if self._line.now < self._due:
                return
            self._due = None
        while (item := self._next()) is not None:
            if item.tried is None:
                item.tried = self._line.server_now
                self._line.put(Attempt(client_id=item.message.client_id, tried=item.tried))
            elif self._line.server_now - item.tried > client_id_ttl * 1000:
                del self.items[item.message.client_id]
                self._line.put(Unconfirmed(client_id=item.message.client_id))
                continue
            item.request = self._line.ask("send", _frame(item.message), item.message.client_id)

    def _next(self) -> Item | None:
        """Return the first item that is not in flight, unless the window is full."""
        for flying, item in enumerate(self.items.values()):
            if flying == self._line.policy.window:
                return None
            if item.request is None:
                return item
        return None

    def sent(self, given: responses.Sent) -> Item | None:
        """Take out the message that an answer is for; None when it is gone already."""
        asked = self._line.flights.end(given.id, "send")
        item = self.items.pop(str(asked.about), None) if asked is not None else None
        if item is None:
            return None
        self._failures = 0
        self._line.put(
            Confirmed(
                client_id=item.message.client_id,
                conversation=given.conversation,
                message_seq=given.message_seq,
                seq=given.seq,
                time=given.time,
                duplicate=given.duplicate,
            )
        )
        return item

    def failed(self, asked: Asked, given: responses.Error) -> None:
        """Send again from the failed message on, or take it out when it is refused for good."""
        item = self.items.get(str(asked.about))
        if item is None or item.request != given.id:
            return  # An attempt that was given up when one before it failed.
        if given.retry:
            self._hold_from(item, given.retry_after)
        else:
            del self.items[item.message.client_id]
            self._line.put(Failed(client_id=item.message.client_id, code=given.code, message=given.message))

    def unanswered(self, request: int, asked: Asked) -> None:
        """Send again from a message on that got no answer in time."""
        item = self.items.get(str(asked.about))
        if item is not None and item.request == request:
            self._hold_from(item)

    def _hold_from(self, failed: Item, retry_after: float | None = None) -> None:
        """What follows it may be stored already: the same ``client_id`` makes the resend harmless."""
        self._due = self._line.later(self._failures, retry_after)
        self._failures += 1
        seen = False
        for item in self.items.values():
            seen = seen or item is failed
            if seen:
                item.request = None

    def disconnected(self) -> None:
        """Note that nothing is in flight any more, and nothing has to wait."""
        self._due = None
        for item in self.items.values():
            item.request = None

    def wake(self) -> int | None:
        """Return when something may go that has to wait now (ms)."""
        return self._due if self.items else None


def _frame(message: Submit) -> requests.Send:
    return requests.Send(
        id=0,
        client_id=message.client_id,
        body=message.body,
        conversation=message.conversation,
        to=message.to,
        reply_to=message.reply_to,
        mentions=message.mentions,
    )


def own_entry(item: Item, given: responses.Sent, user: str) -> responses.Entry:
    """Make the entry that ``sent`` stands for, as the user's other devices get it (rule 6)."""
    message = responses.Message(
        conversation=given.conversation,
        message_seq=given.message_seq,
        sender=user,
        client_id=item.message.client_id,
        time=given.time,
        body=msgspec.json.decode(item.message.body),
        reply_to=item.message.reply_to,
        mentions=item.message.mentions or [],
    )
    return responses.Entry(given.seq, msgspec.Raw(_encode(MessageEvent(message=message))))
