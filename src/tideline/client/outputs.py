"""What a device wants done, in order. All of it is data.

Those of the local store that come one after the other may share one transaction, and may go before those of
the network: the server is told of a cursor only after it is stored.
"""

from typing import Literal

from msgspec import Struct

from tideline.protocol import requests, responses


class Output(Struct, tag=str.lower, tag_field="type", kw_only=True):
    """Base of all outputs."""


class Apply(Output, kw_only=True):
    """Apply entries, and store ``cursor`` and ``epoch``, in one local transaction."""

    entries: list[responses.Entry]
    cursor: int
    epoch: str


class Stage(Output, kw_only=True):
    """Keep conversation states of a snapshot aside; ``start``: drop what was kept aside before."""

    conversations: list[responses.State]
    start: bool


class Replace(Output, kw_only=True):
    """Put the staged states in the place of all, and store ``cursor`` and ``epoch``, in one transaction.

    ``messages``: ``discard`` held messages and ranges, or ``unverify`` them: fetch again before showing.
    """

    cursor: int
    epoch: str
    reason: str
    messages: Literal["discard", "unverify"]


class Attempt(Output, kw_only=True):
    """Store that a message is being sent for the first time, at ``tried`` (ms, the server's clock)."""

    client_id: str
    tried: int


class Confirmed(Output, kw_only=True):
    """A message is stored by the server; it leaves the outbox."""

    client_id: str
    conversation: str
    message_seq: int
    seq: int
    time: int
    duplicate: bool


class Failed(Output, kw_only=True):
    """A message was refused for good; it leaves the outbox."""

    client_id: str
    code: str
    message: str


class Unconfirmed(Output, kw_only=True):
    """A message may or may not have been sent, and is too old to be sent again by itself."""

    client_id: str


class Connect(Output, kw_only=True):
    """Open a connection; answer with ``connected`` or ``disconnected``.

    ``fresh``: not with the last token, which was refused.
    """

    fresh: bool = False


class Transmit(Output, kw_only=True):
    """Send a frame. The tokens of ``hello`` and ``renew`` are put in by whoever holds them."""

    frame: requests.Request | requests.Signal


class Close(Output, kw_only=True):
    """Close the connection, or give up opening it; no input of it may come after this."""


class Renew(Output, kw_only=True):
    """Get a later token; answer with ``renewed``."""


class Answer(Output, kw_only=True):
    """What came back for a call: its response, or an ``error``."""

    key: str
    frame: responses.ServerFrame


class Deliver(Output, tag="signal", kw_only=True):
    """A signal of another user, for the application."""

    frame: responses.Signalled


class Stopped(Output, kw_only=True):
    """The device does not reconnect by itself; ``code`` is a close code, an error's code, or 0: as told."""

    code: int | str
    reason: str


StoreOutput = Apply | Stage | Replace | Attempt | Confirmed | Failed | Unconfirmed
AnyOutput = StoreOutput | Connect | Transmit | Close | Renew | Answer | Deliver | Stopped
