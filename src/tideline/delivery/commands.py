"""What reaches the sequencer, and what comes out of it."""

from typing import Protocol

from msgspec import Struct

from tideline.protocol.errors import RequestError
from tideline.protocol.requests import Request
from tideline.timeline.changes import Run, SendKey

from .restored import Restored


class Origin(Protocol):
    """Whoever waits for the outcome of a command."""

    def answered(self, command: "Command", frame: bytes) -> None:
        """Take the response."""
        ...

    def refused(self, command: "Command", error: RequestError) -> None:
        """Take the error."""
        ...


class Command(Struct, eq=False, gc=False):
    """A request that changes something, on its way to the sequencer.

    ``kind`` says what ``request`` is, ``conversation`` is a valid id, ``id`` is None where the answer carries none
    (HTTP). With ``placed``, the answer to a send stands at its entry's place among the origin's pushes; else the
    origin is told like of any other. ``key`` is the idempotency key of a send, once it is in a batch.
    """

    kind: str
    user: str
    conversation: str
    request: Request | Restored
    origin: Origin
    id: int | None
    placed: bool = False
    key: SendKey = b""


class Commit:
    """What one commit brought, announced once it is durable.

    ``runs`` are the new entries by user, ``replies`` the outcomes of commands in order, except those that stand
    among the pushes of their origin. ``commands`` and ``messages`` count them; ``seconds`` passed until it was durable.
    """

    __slots__ = ("commands", "messages", "replies", "runs", "seconds")

    def __init__(
        self,
        runs: dict[str, Run],
        replies: list[tuple[Command, bytes | RequestError]],
        *,
        commands: int = 0,
        messages: int = 0,
        seconds: float = 0.0,
    ) -> None:
        self.runs = runs
        self.replies = replies
        self.commands = commands
        self.messages = messages
        self.seconds = seconds
