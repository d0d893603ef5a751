"""A chat from its start to its end: what is typed, and what happens meanwhile."""

import asyncio
import os
import time
from collections.abc import Iterable
from contextlib import suppress

from prompt_toolkit import PromptSession
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.patch_stdout import patch_stdout
from prompt_toolkit.styles import Style

from tideline.client import Client
from tideline.protocol.errors import TidelineError

from . import commands, lines
from .view import View

_FIRST_SYNC = 2.0
"""Seconds in which a server that is there has answered."""
_TYPING_EVERY = 3.0


class Session:
    """One chat in a terminal."""

    def __init__(self, client: Client, user: str) -> None:
        self._client = client
        self._view = View(client, user)
        self._typed = 0.0
        self._failure: BaseException | None = None
        self._prompt: PromptSession[str] = PromptSession(
            self._view.prompt,
            bottom_toolbar=self._view.toolbar,
            style=Style.from_dict(lines.STYLE),
            completer=_Completer(self._view),
            complete_while_typing=False,
            key_bindings=_keys(),
            refresh_interval=1.0,
            # What was typed is shown as what became of it.
            erase_when_done=True,
            color_depth=ColorDepth.DEPTH_1_BIT if os.environ.get("NO_COLOR") else None,
        )
        self._prompt.default_buffer.on_text_changed += self._typing

    async def run(self, target: str | None) -> int:
        """Chat until the user has enough; return the exit status.

        Raises:
            TidelineError: if the device was stopped for good.
        """
        hearing = [
            asyncio.ensure_future(work) for work in (self._hear_events(), self._hear_statuses(), self._hear_signals())
        ]
        with patch_stdout(raw=True):
            try:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_FIRST_SYNC):
                        await self._client.synced()
                self._view.status = self._client.status
                if target is not None:
                    await self._view.enter(target)
                else:
                    await commands.run(self._view, "/list")
                await self._type()
            finally:
                for task in hearing:
                    task.cancel()
        if self._failure is not None:
            raise self._failure
        waiting = len(self._client.outbox())
        if waiting:
            print(f"{waiting} message{'s wait' if waiting > 1 else ' waits'}, and will go out when you chat again.")
        return 0

    async def _type(self) -> None:
        while True:
            try:
                line = (await self._prompt.prompt_async()).rstrip()
            except (EOFError, KeyboardInterrupt):
                return
            if not line:
                continue
            self._typed = 0.0
            try:
                if line.startswith("/") and not line.startswith("//"):
                    self._view.say(line)
                    await commands.run(self._view, line)
                elif self._view.where is None:
                    self._view.say("To whom? /to bob, or /list.")
                else:
                    await self._client.send(self._view.where, line.removeprefix("/") if line[:2] == "//" else line)
            except commands.Quit:
                return
            except TidelineError as error:
                self._view.say(str(error), "class:error")

    def _typing(self, buffer: Buffer) -> None:
        """Let the others know that something is being typed, now and then."""
        where, now = self._view.where, time.monotonic()
        writes = where and buffer.text and buffer.text[0] != "/" and self._view.status == "live"
        if where and writes and now - self._typed > _TYPING_EVERY:
            self._typed = now
            self._view.later(self._client.signal(where, "typing"))

    # what happens meanwhile

    async def _hear_events(self) -> None:
        try:
            async for event in self._client.events():
                await self._view.happened(event)
                self._prompt.app.invalidate()
        except TidelineError as error:
            # The device was stopped: replaced, forgotten, its token refused.
            self._failure = error
            if self._prompt.app.is_running:
                self._prompt.app.exit(exception=EOFError)

    async def _hear_statuses(self) -> None:
        with suppress(TidelineError):
            async for status in self._client.statuses():
                self._view.changed(status)
                self._prompt.app.invalidate()

    async def _hear_signals(self) -> None:
        with suppress(TidelineError):
            async for signal in self._client.signals():
                if signal.signal == "typing":
                    self._view.typing[signal.conversation] = (signal.sender, time.monotonic())
                    self._prompt.app.invalidate()


class _Completer(Completer):
    """Completes commands, and names after them."""

    def __init__(self, view: View) -> None:
        self._view = view

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """Yield what the word before the cursor may become."""
        before = document.text_before_cursor
        if not before.startswith("/"):
            return
        word = before.rpartition(" ")[2]
        if " " in before:
            names = [self._view.label(name) for name in self._view.states]
        else:
            names = [f"/{name}" for name in commands.COMMANDS]
        for name in names:
            if name.startswith(word):
                yield Completion(name, start_position=-len(word))


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @keys.add("c-c")
    def _(event: KeyPressEvent) -> None:
        if event.current_buffer.text:
            event.current_buffer.reset()
        else:
            event.app.exit(exception=EOFError)

    return keys
