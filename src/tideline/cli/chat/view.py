"""What a chat shows: a conversation in the terminal's own scrollback, above one line to type in.

What is printed is printed once, in order; so the view only has to know the number of the last message that it shows.
What waits to be sent has no number yet: it stands between the scrollback and the line to type in until it has.
"""

import asyncio
import time
from collections.abc import Coroutine
from contextlib import suppress

import msgspec
from prompt_toolkit import print_formatted_text
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.styles import Style

from tideline.client import AnyEvent, Client, Conversation, Message, MessageEvent, Resynced, Sending, Status
from tideline.client.state import conversation_of
from tideline.protocol.errors import TidelineError
from tideline.protocol.events import ReadEvent
from tideline.protocol.names import direct, kind_of, peer

from ..access import conversation
from ..words import clean, content, one_line
from . import lines
from .lines import Line

FIRST = 20
"""Messages of a conversation that are shown when it is entered."""
_MOST = 200
"""Messages that are printed at once; what is before them is told of."""
_PATIENCE = 2.0
"""Seconds in which a server should answer what is wanted for the screen."""
_TYPING = 5.0
_STATUS = {
    "live": ("class:live", "● live"),
    "syncing": ("class:live", "◐ catching up"),
    "connecting": ("class:away", "○ connecting"),
    "offline": ("class:away", "○ offline"),
    "stopped": ("class:away", "○ stopped"),
}
_style = Style.from_dict(lines.STYLE)


class View:
    """One terminal's view of a client."""

    def __init__(self, client: Client, user: str) -> None:
        self.client = client
        self.user = user
        self.where: str | None = None
        """The conversation that is shown."""
        self.status: Status = client.status
        self.states: dict[str, Conversation] = {}
        self.typing: dict[str, tuple[str, float]] = {}
        self.first = self.shown = 0
        """The first and the last message of it that were printed."""
        self._day = ""
        self._told: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    # printing

    def print(self, *printed: Line) -> None:
        """Print lines above the one to type in, all at once: the terminal is drawn anew after each time."""
        joined = [part for line in printed for part in (*line, ("", "\n"))]
        print_formatted_text(FormattedText(joined[:-1]), style=_style)

    def say(self, text: str, style: str = "class:dim") -> None:
        """Print a remark of the program's own."""
        self.print([(style, text)])

    def label(self, where: str) -> str:
        """Return how a conversation is called here: a direct one by its peer."""
        return peer(where, self.user) if kind_of(where) == "direct" else where

    # conversations

    def named(self, target: str) -> str:
        """Return the id of a conversation that is named by it or by a user.

        Raises:
            TidelineError: if there can't be one of that name.
        """
        return conversation(self.user, target)

    async def refresh(self) -> None:
        """Learn the states of all conversations."""
        self.states = {state.conversation: state for state in await self.client.conversations()}

    async def enter(self, target: str) -> None:
        """Show a conversation, its last messages first."""
        self.where = self.named(target)
        await self.refresh()
        state = self.states.get(self.where)
        title = f" {clean(state.title)}" if state is not None and state.title else ""
        members = f", {state.members} members" if state is not None and state.kind == "group" else ""
        self.print([("class:dim", "── "), ("bold", self.label(self.where)), ("class:dim", f"{title}{members} ──")])
        self._day = ""
        self.shown = state.head if state is not None else 0
        self.first = self.shown + 1
        if state is None and kind_of(self.where) == "group" and self.status == "live":
            self.say(f"You are not in {self.where}. /create makes it, or ask its admins to add you.")
        await self.earlier(FIRST)
        self.mark_read()

    async def earlier(self, number: int) -> None:
        """Print messages before those that were printed."""
        if self.where is None or self.first <= 1:
            if self.where is not None and self.first == 1 and self.shown:
                self.say("This is the beginning.")
            return
        found, whole = await self._read(self.where, self.first, number)
        if found:
            self.first = found[0].message_seq
            self._print_messages(found)
        if not whole:
            self.say("More is on the server, which is away.")

    async def show_new(self) -> None:
        """Print what came since."""
        state = self.states.get(self.where or "")
        if state is None or self.where is None or state.head <= self.shown:
            return
        found, whole = await self._read(self.where, None, min(_MOST, state.head - self.shown))
        found = [message for message in found if message.message_seq > self.shown]
        if found and whole and found[0].message_seq > self.shown + 1:
            self.say(f"… {found[0].message_seq - self.shown - 1} messages more: /history shows them.")
            self.first = found[0].message_seq
        self._print_messages(found)
        self.shown = found[-1].message_seq if found else self.shown
        self.typing.pop(self.where, None)
        self.mark_read()

    async def _read(self, where: str, before: int | None, number: int) -> tuple[list[Message], bool]:
        """Return messages, ascending, and whether they are all that were asked for."""
        found: list[Message] = []
        try:
            async with asyncio.timeout(_PATIENCE if self.status != "live" else None):
                async for message in self.client.history(where, before, number):
                    found.append(message)
        except (TimeoutError, TidelineError):
            return found[::-1], False
        return found[::-1], True

    def _print_messages(self, found: list[Message]) -> None:
        printed: list[Line] = []
        for message in found:
            day = lines.day(message.time) if message.time else self._day
            if day != self._day:
                self._day = day
                printed.append([("class:day", f"{'':>4}{day}")])
            printed += lines.message(message, self.user)
        if printed:
            self.print(*printed)

    def mark_read(self) -> None:
        """Tell the server, and so the user's other devices, that this was read."""
        state = self.states.get(self.where or "")
        if state is not None and state.unread and self.status == "live":
            self.later(self._mark_read(state.conversation, self.shown))

    async def _mark_read(self, where: str, number: int) -> None:
        with suppress(TidelineError):
            await self.client.read(where, number)

    def later(self, work: Coroutine[None, None, None]) -> None:
        """Do something beside what is done now."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # what happens

    async def happened(self, event: AnyEvent | Resynced) -> None:
        """Show an event."""
        await self.refresh()
        if isinstance(event, Resynced):
            await self.show_new()
            return
        where = conversation_of(event)
        if isinstance(event, MessageEvent):
            state = self.states.get(where or "")
            if where == self.where:
                await self.show_new()
            elif state is not None and event.message.sender != self.user and not state.muted:
                self.print(lines.notice(event.message, self.label(state.conversation), self.user))
        elif where == self.where and not isinstance(event, ReadEvent):
            line = lines.event(event, self.user)
            if line is not None:
                self.print(line)

    def changed(self, status: Status) -> None:
        """Show a new status, when it makes a difference to who types."""
        before, self.status = self.status, status
        if status == "offline" and "away" not in self._told:
            self._told.add("away")
            self.say("The server is away. What you write waits here, and goes out when it is back.")
        elif status == "live" and "away" in self._told:
            self._told.discard("away")
            self.say("The server is back.")
        if status == "live" and before != "live":
            self.mark_read()

    # the line to type in, and what is around it

    def waiting(self) -> list[Sending]:
        """Return what waits to be sent to the conversation that is shown."""
        return [
            sending
            for sending in self.client.outbox()
            if self.where in (sending.conversation, direct(self.user, sending.to) if sending.to else None)
        ]

    def prompt(self) -> FormattedText:
        """Return what waits, and what stands before the cursor."""
        found: Line = []
        for sending in self.waiting():
            text = one_line(content(msgspec.json.decode(sending.body, type=dict)))
            if sending.state == "pending":
                found.append(("class:waits", f"{'':>4}waits   {text}\n"))
            else:
                why = sending.error.message if sending.error is not None else "may or may not have been sent"
                found.append(("class:failed", f"{'':>4}failed  {text} ({one_line(why)}; /retry or /discard)\n"))
        found.append(("bold", f"{self.label(self.where) if self.where else self.user}> "))
        return FormattedText(found)

    def toolbar(self) -> FormattedText:
        """Return how things stand."""
        found: Line = [_STATUS[self.status], ("", f"  {self.user}@{self.client.device}")]
        unread = [
            (self.label(state.conversation), state.unread)
            for state in self.states.values()
            if state.unread and state.conversation != self.where and not state.muted
        ]
        for label, number in unread[:5]:
            found.append(("class:new", f"  {label} {number}"))
        if len(unread) > 5:
            found.append(("class:new", f"  … {len(unread) - 5} more"))
        who, since = self.typing.get(self.where or "", ("", 0.0))
        state = self.states.get(self.where or "")
        if who and time.monotonic() - since < _TYPING:
            found.append(("", f"  {who} is typing …"))
        elif state is not None and state.kind == "direct" and state.head and state.peer_read >= state.head:
            found.append(("", f"  read by {self.label(state.conversation)}"))
        found.append(("", "  /help"))
        return FormattedText(found)
