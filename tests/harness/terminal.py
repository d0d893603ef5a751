"""A command in a terminal of its own: what a person types, and what is on the screen."""

import asyncio
import fcntl
import os
import re
import struct
import subprocess
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.harness.command import environment

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[()][A-Z0-9]|\x1b[=>78]")


class Terminal:
    """A pseudo-terminal of 100 × 40 with a process in it."""

    def __init__(self, process: "subprocess.Popen[bytes]", master: int) -> None:
        self.process = process
        self.raw = ""
        """Everything that the process has written."""
        self._master = master
        self._changed = asyncio.Event()
        self._read_to = 0
        asyncio.get_running_loop().add_reader(master, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._master, 65_536)
        except OSError:
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._master)
        text = data.decode("utf-8", "replace")
        for _ in range(text.count("\x1b[6n")):
            os.write(self._master, b"\x1b[1;1R")  # where the cursor is
        self.raw += text
        self._changed.set()

    @property
    def text(self) -> str:
        """What the process has written, without what moves and colours it."""
        return _CONTROL.sub("", self.raw).replace("\r", "")

    async def sees(self, pattern: str, timeout: float = 20) -> str:
        """Wait until something is written, after what was seen before; return it."""
        try:
            async with asyncio.timeout(timeout):
                while not (found := re.compile(pattern).search(self.text, self._read_to)):
                    assert self.process.poll() is None, self.text[-3000:]
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"not seen: {pattern}\n{self.text[self._read_to :][-3000:]}") from None
        self._read_to = found.end()
        return found[0]

    def types(self, text: str) -> None:
        """Press keys."""
        os.write(self._master, text.encode())

    def enters(self, line: str) -> None:
        """Type a line."""
        self.types(line + "\r")

    async def ends(self, timeout: float = 20) -> int:
        """Wait until the process is over; return its exit status."""
        status = await asyncio.to_thread(self.process.wait, timeout)
        self._read_rest()
        return status

    def _read_rest(self) -> None:
        os.set_blocking(self._master, False)
        try:
            while data := os.read(self._master, 65_536):
                self.raw += data.decode("utf-8", "replace")
        except OSError:
            pass


@asynccontextmanager
async def terminal(*arguments: object, **variables: str) -> AsyncIterator[Terminal]:
    """Run ``tideline …`` in a terminal."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    process = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-m", "tideline", *map(str, arguments)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment(TERM="xterm-256color", TZ="UTC", **variables),
        start_new_session=True,
    )
    os.close(slave)
    running = Terminal(process, master)
    try:
        yield running
    finally:
        asyncio.get_running_loop().remove_reader(master)
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(master)
