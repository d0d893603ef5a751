"""A message on its way: what became of it, and what its user may do about it."""

import asyncio
from typing import Literal, Protocol

from tideline.protocol.errors import RequestError

from .errors import Unconfirmed
from .stores.contract import Pending

State = Literal["pending", "sent", "failed", "unconfirmed"]


class Keeper(Protocol):
    """Who keeps the outbox."""

    async def retry(self, sending: "Sending") -> None:
        """Put a message at the end of the outbox again."""

    async def discard(self, sending: "Sending") -> None:
        """Take a message out of the outbox."""


class Sending:
    """A message of the outbox.

    ``state``: ``pending``, ``sent``, ``failed`` (refused for good, see ``error``) or ``unconfirmed`` (first tried so
    long ago that it is not sent again by itself). Once sent, ``conversation``, ``message_seq`` and ``time`` (ms) say
    where it is; before, ``conversation`` may be None for a message to a user.
    """

    def __init__(self, keeper: Keeper, pending: Pending) -> None:
        self.client_id = pending.client_id
        self.conversation = pending.conversation
        self.to = pending.to
        self.body = bytes(pending.body)
        self.message_seq: int | None = None
        self.time: int | None = None
        self.state: State = pending.state
        self.error: RequestError | None = None
        self._keeper = keeper
        self._stopped: BaseException | None = None
        self._settled = asyncio.Event()
        if pending.state != "pending":
            self.settle(pending.state, pending.code, pending.message)

    def settle(self, state: State, code: str | None = None, message: str | None = None) -> None:
        """Note what became of it."""
        self.state = state
        self.error = RequestError(code, message or "") if code is not None else None
        self.resume()
        if state != "pending":
            self._settled.set()

    def interrupt(self, error: BaseException) -> None:
        """Note that the device has stopped: it goes on waiting, but nobody should wait for it."""
        self._stopped = error
        self._settled.set()

    def resume(self) -> None:
        """Note that the device connects again."""
        self._stopped = None
        if self.state == "pending":
            self._settled.clear()

    async def sent(self) -> "Sending":
        """Wait until the server has stored it.

        Raises:
            RequestError: if it was refused, or the device has stopped for an error; ``state`` tells which.
            ConnectionClosed: if the device has stopped, or the client was closed; the message is still in the outbox.
            Unconfirmed: if it may or may not have been stored (protocol, section 6, rule 7).
        """
        await self._settled.wait()
        if self.state == "pending" and self._stopped is not None:
            raise self._stopped
        if self.error is not None:
            raise self.error
        if self.state == "unconfirmed":
            raise Unconfirmed(f"message {self.client_id} may or may not have been sent")
        return self

    async def retry(self) -> None:
        """Send one that failed or is unconfirmed again, as the last; an unconfirmed one may so be stored twice."""
        await self._keeper.retry(self)

    async def discard(self) -> None:
        """Take one that failed or is unconfirmed out of the outbox."""
        await self._keeper.discard(self)

    def __repr__(self) -> str:
        return f"<Sending {self.client_id} {self.state}>"
