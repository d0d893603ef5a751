"""What can happen to a device: frames of the server, and what its own process tells it. All of it is data.

Every input comes with ``now``: ms since 1970 by the device's clock, which never runs back within a process.
"""

from typing import Final

from msgspec import Raw, Struct

from tideline.protocol import requests, responses
from tideline.protocol.codec import UnknownFrame

AnyCall = (
    requests.History
    | requests.Read
    | requests.Edit
    | requests.Recall
    | requests.React
    | requests.Create
    | requests.Add
    | requests.Remove
    | requests.Role
    | requests.Update
    | requests.Members
    | requests.Devices
    | requests.Forget
)


class Local(Struct, tag=str.lower, tag_field="type", kw_only=True):
    """Base of what the device's own process tells it."""


class Start(Local, kw_only=True):
    """Connect, or stop waiting before the next attempt."""


class Stop(Local, kw_only=True):
    """Close and stay closed."""


class Connected(Local, kw_only=True):
    """The connection that was asked for is open. ``expires``: the token's ``exp`` in ms, when it is known."""

    expires: int | None = None


class Disconnected(Local, kw_only=True):
    """The connection is gone, or could not be opened; ``code`` is the WebSocket close code (1006: none)."""

    code: int = 1006
    reason: str = ""


class Tick(Local, kw_only=True):
    """It is the time that :meth:`~tideline.client.core.Device.wake` named, or later."""


class Pause(Local, kw_only=True):
    """The consumer of entries is behind: apply nothing more, pull nothing more."""


class Resume(Local, kw_only=True):
    """The consumer has caught up."""


class Submit(Local, kw_only=True):
    """Send a message that is stored in the local outbox at ``order``.

    ``tried``: when it was first sent, by the server's clock (ms); null when never.
    """

    order: int
    client_id: str
    body: Raw
    conversation: str | None = None
    to: str | None = None
    reply_to: int | None = None
    mentions: list[str] | None = None
    tried: int | None = None


class Found(Local, kw_only=True):
    """A message of the outbox was seen in the timeline: it needs no answer any more."""

    client_id: str


class Call(Local, kw_only=True):
    """Make a request for the application; its frame gets an id of the device's.

    After ``until`` (ms) it is answered by an error.
    """

    key: str
    frame: AnyCall
    until: int


class Cancel(Local, kw_only=True):
    """Nobody waits for a call any more."""

    key: str


class Tell(Local, kw_only=True):
    """Say something that has no answer and may be lost."""

    frame: requests.Signal


class Renewed(Local, kw_only=True):
    """A token that was asked for is there; not ``ok``: it could not be had."""

    ok: bool = True
    expires: int | None = None


Input = (
    Start
    | Stop
    | Connected
    | Disconnected
    | Tick
    | Pause
    | Resume
    | Submit
    | Found
    | Call
    | Cancel
    | Tell
    | Renewed
    | responses.ServerFrame
    | UnknownFrame
)

FRAME_INPUTS: Final[dict[type, str]] = {
    responses.Welcome: "welcome",
    responses.Page: "page",
    responses.SnapshotPage: "snapshot",
    responses.Sent: "sent",
    responses.Push: "push",
    responses.Notify: "notify",
    responses.Pong: "pong",
    responses.Error: "error",
    responses.Bye: "bye",
    responses.Signalled: "signal",
    responses.Ok: "answer",
    responses.Messages: "answer",
    responses.Conversation: "answer",
    responses.MembersPage: "answer",
    responses.DevicesList: "answer",
    UnknownFrame: "unknown",
}

LOCAL_INPUTS: Final[dict[type, str]] = {
    kind: kind.__name__.lower()
    for kind in (
        Start,
        Stop,
        Connected,
        Disconnected,
        Tick,
        Pause,
        Resume,
        Submit,
        Found,
        Call,
        Cancel,
        Tell,
        Renewed,
    )
}

NAMES: Final[dict[type, str]] = {**LOCAL_INPUTS, **FRAME_INPUTS}
"""The row of the table for each kind of input."""
