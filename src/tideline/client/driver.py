"""Runs a device machine: carries out what it wants, tells it what happened, decides nothing.

Theory: inputs are handled at once, in the loop's turn in which they come; their outputs queue up for one worker,
which carries them out in order. All outputs that wait together share one transaction of the local store, and those
for the server leave as one WebSocket message after it. A connection that is to be closed is let go of at once, so
that nothing of it reaches the machine any more.
"""

import asyncio
import logging
import time
from ssl import SSLContext
from typing import Final, Protocol

import msgspec

from tideline.protocol import requests, responses
from tideline.protocol.codec import UnknownFrame

from . import inputs, outputs
from .apply import Result, carry_out
from .connection import Connection
from .core import Device
from .stores.contract import LocalStore
from .tokens import Tokens

_encode: Final = msgspec.json.Encoder().encode
_log: Final = logging.getLogger("tideline.client")

BACKLOG: Final = 2_000
"""Entries that wait for the local store before nothing more is read from the network."""


class Audience(Protocol):
    """Who hears what comes of it: the application's side of a client."""

    def changed(self) -> None:
        """Note that the machine's state may have changed, or that all its outputs are carried out."""

    def stored(self, todo: list[outputs.StoreOutput], result: Result) -> None:
        """Note what the local store holds from now on."""

    def answered(self, key: str, frame: responses.ServerFrame) -> None:
        """Note the answer to a call."""

    def signalled(self, frame: responses.Signalled) -> None:
        """Note a signal."""

    def stopped(self, code: int | str, reason: str) -> None:
        """Note that the device does not connect again by itself."""

    def broken(self, error: BaseException) -> None:
        """Note that the local store has failed: nothing goes on."""


class Driver:
    """One device, its local store, and its connection, when there is one."""

    def __init__(
        self,
        device: Device,
        store: LocalStore,
        url: str,
        tokens: Tokens,
        audience: Audience,
        *,
        ssl_context: SSLContext | None = None,
    ) -> None:
        self.device = device
        self._store = store
        self._url = url
        self._tokens = tokens
        self._audience = audience
        self._ssl = ssl_context
        self._loop = asyncio.get_running_loop()
        self._start = time.time() - self._loop.time()
        self._connection: Connection | None = None
        self._todo: list[outputs.AnyOutput] = []
        self._ready = asyncio.Event()
        self._busy = self._closing = False
        self._backlog = 0
        self._throttled = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: int | None = None
        self._opening: asyncio.Task[None] | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._worker = self._loop.create_task(self._work())

    def now(self) -> int:
        """Return the time in ms since 1970; it never runs back in this process."""
        return int((self._start + self._loop.time()) * 1000)

    @property
    def idle(self) -> bool:
        """Whether everything that the machine wanted is carried out."""
        return not self._todo and not self._busy

    def tell(self, given: inputs.Input) -> None:
        """Tell the machine something."""
        todo = self.device.handle(self.now(), given)
        for output in todo:
            if isinstance(output, outputs.Close):
                self._let_go()
            elif isinstance(output, outputs.Apply):
                self._backlog += len(output.entries)
        if self._backlog > BACKLOG and self._connection is not None and not self._throttled:
            self._throttled = True
            self._connection.pause_reading()
        if todo:
            self._todo += todo
            self._ready.set()
        self._arm()
        self._audience.changed()

    async def close(self) -> None:
        """Stop the device, and carry out what it still wants."""
        self.tell(inputs.Stop())
        self._closing = True
        self._ready.set()
        await asyncio.wait([self._worker])
        if self._timer is not None:
            self._timer.cancel()
        tasks = [task for task in (self._opening, self._renewing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _arm(self) -> None:
        """Set the timer to the machine's next time."""
        wake = self.device.wake()
        if wake == self._timer_at and self._timer is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = wake
        if wake is not None:
            # The clock is in whole ms: a little later is in time, a little earlier would be in vain.
            self._timer = self._loop.call_later(max(0, wake - self.now() + 1) / 1000, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.tell(inputs.Tick())

    # Carrying out.

    async def _work(self) -> None:
        try:
            while self._todo or not self._closing:
                await self._ready.wait()
                self._ready.clear()
                todo, self._todo = self._todo, []
                self._backlog = 0
                self._busy = True
                await self._store_all(todo)
                self._send_all(todo)
                self._busy = False
                if self._throttled and self._backlog <= BACKLOG:
                    self._throttled = False
                    if self._connection is not None:
                        self._connection.resume_reading()
                self._audience.changed()
        except Exception as error:
            _log.exception("the local store has failed")
            self._busy = False
            self._let_go()
            self.device.handle(self.now(), inputs.Stop())
            self._arm()
            self._audience.broken(error)

    async def _store_all(self, todo: list[outputs.AnyOutput]) -> None:
        ours = [output for output in todo if isinstance(output, outputs.StoreOutput)]
        if not ours:
            return
        me = self.device.user or ""
        result = await self._store.run(lambda tx: carry_out(tx, ours, me))
        self._audience.stored(ours, result)
        for client_id, _ in result.found:
            self.tell(inputs.Found(client_id=client_id))

    def _send_all(self, todo: list[outputs.AnyOutput]) -> None:
        frames: list[bytes] = []
        for output in todo:
            match output:
                case outputs.Transmit():
                    frames.append(_encode(self._signed(output.frame)))
                case outputs.Connect():
                    self._opening = self._loop.create_task(self._open(output.fresh))
                case outputs.Renew():
                    self._renewing = self._loop.create_task(self._renew())
                case outputs.Answer():
                    self._audience.answered(output.key, output.frame)
                case outputs.Deliver():
                    self._audience.signalled(output.frame)
                case outputs.Stopped():
                    self._audience.stopped(output.code, output.reason)
        if frames and self._connection is not None:
            self._connection.send(frames, self.device.limits.frame)

    def _signed(self, frame: requests.Request | requests.Signal) -> requests.Request | requests.Signal:
        """Put the token in, which the machine does not know."""
        if isinstance(frame, requests.Hello | requests.Renew):
            return msgspec.structs.replace(frame, token=self._tokens.current)
        return frame

    async def _open(self, fresh: bool) -> None:
        connection = Connection(self._frames, self._closed)
        try:
            expires = await self._tokens.get(self.now(), fresh=fresh)
            await connection.open(self._url, ssl_context=self._ssl)
        except Exception as error:  # Whatever it is, the machine's patience decides.
            _log.info("can't connect: %s", error)
            self._opening = None
            self.tell(inputs.Disconnected(code=1006, reason=f"{type(error).__name__}: {error}"))
            return
        self._opening = None
        if connection.is_open:  # Otherwise its end was told already.
            self._connection = connection
            self.tell(inputs.Connected(expires=expires))

    async def _renew(self) -> None:
        try:
            expires = await self._tokens.get(self.now(), fresh=True)
        except Exception as error:  # Its source is the application's: it may fail in any way.
            _log.warning("can't get a token: %s", error)
            self.tell(inputs.Renewed(ok=False))
            return
        self.tell(inputs.Renewed(expires=expires))

    def _let_go(self) -> None:
        """Close the connection, or stop opening it, before anything more of it is heard."""
        if self._opening is not None and self._opening is not asyncio.current_task():
            self._opening.cancel()
        self._opening = None
        self._throttled = False
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    # What the connection says.

    def _frames(self, frames: list[responses.ServerFrame | UnknownFrame]) -> None:
        for frame in frames:
            if isinstance(frame, UnknownFrame):
                _log.info("ignored a frame: %s", frame.kind)
            self.tell(frame)

    def _closed(self, code: int, reason: str) -> None:
        self._connection = None
        self.tell(inputs.Disconnected(code=code, reason=reason))
