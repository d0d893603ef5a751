"""What a promise is checked with: users, devices, and plain words for what is wrong."""

import asyncio
import itertools
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple

import aiohttp

Frame = dict[str, Any]

PATIENCE = 5.0
"""Seconds within which a server has to answer."""
SILENCE = 0.3
"""Seconds after which it is believed that nothing comes."""


class Unfit(Exception):
    """The server does not keep a promise; the text says what was seen instead."""


class Closed(Exception):
    """The server closed the connection."""

    def __init__(self, code: int | None) -> None:
        super().__init__(f"closed with {code}")
        self.code = code


class Promise(NamedTuple):
    """One thing that the protocol promises."""

    section: str
    text: str
    check: Callable[["Kit"], Awaitable[None]]
    users: int
    """How many users it takes."""


class Result(NamedTuple):
    """What became of a promise; ``held`` is None when it was not checked, and ``detail`` says why."""

    promise: Promise
    held: bool | None
    detail: str


class Device:
    """A device that speaks frame by frame."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._frames: list[Frame] = []
        self._ids = itertools.count(1)
        self.welcome: Frame = {}

    async def say(self, *frames: Frame) -> None:
        """Send frames, several as one array."""
        await self.text(json.dumps(frames[0] if len(frames) == 1 else frames))

    async def text(self, text: str) -> None:
        """Send a text as it is."""
        await self._socket.send_str(text)

    async def next(self, patience: float = PATIENCE) -> Frame:
        """Return the next frame.

        Raises:
            Closed: if the connection ends before.
            Unfit: if nothing comes.
        """
        try:
            async with asyncio.timeout(patience):
                while not self._frames:
                    self._frames += await self._message()
        except TimeoutError:
            raise Unfit(f"nothing comes within {patience:g} s") from None
        return self._frames.pop(0)

    async def ask(self, kind: str, **fields: Any) -> Frame:
        """Send a request and return its response; frames before it are kept for :meth:`next`."""
        id_ = next(self._ids)
        await self.say({"type": kind, "id": id_, **fields})
        return await self.answer(id_)

    async def answer(self, id_: int | None) -> Frame:
        """Return the response with an id."""
        passed: list[Frame] = []
        while True:
            frame = await self.next()
            if frame.get("id", -1) == id_ and frame.get("type") not in ("push", "notify", "signal"):
                self._frames[:0] = passed
                return frame
            passed.append(frame)

    async def expect(self, kind: str) -> Frame:
        """Return the next frame, which must be of this type."""
        frame = await self.next()
        need(frame.get("type") == kind, f"a {kind} is due and {short(frame)} comes")
        return frame

    async def entries(self, count: int) -> list[Frame]:
        """Return so many entries as they are pushed."""
        found: list[Frame] = []
        while len(found) < count:
            found += (await self.expect("push"))["entries"]
        return found

    async def silence(self) -> None:
        """Check that nothing comes for a while."""
        try:
            async with asyncio.timeout(SILENCE):
                while not self._frames:
                    self._frames += await self._message()
        except TimeoutError:
            return
        raise Unfit(f"{short(self._frames[0])} comes and nothing is due")

    async def ends(self) -> int | None:
        """Read on until the connection is closed; return the code."""
        try:
            while True:
                await self.next()
        except Closed as closed:
            return closed.code

    async def _message(self) -> list[Frame]:
        message = await self._socket.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise Closed(self._socket.close_code)
        found = json.loads(message.data)
        return found if isinstance(found, list) else [found]


class Kit:
    """A server to be checked, and users of it, by their tokens."""

    def __init__(self, url: str, tokens: list[str], session: aiohttp.ClientSession, stack: AsyncExitStack) -> None:
        self.url = url.rstrip("/")
        self.tokens = tokens
        self.users: list[str] = []
        self._session = session
        self._stack = stack

    async def http(self, kind: str, user: int | None = 0, **fields: Any) -> tuple[int, Frame]:
        """Make a request by HTTP; return status and answer. ``user`` None: without a token."""
        headers = {} if user is None else {"Authorization": f"Bearer {self.tokens[user]}"}
        async with self._session.post(f"{self.url}/v1/{kind}", json=fields, headers=headers) as response:
            return response.status, await response.json()

    async def get(self, path: str) -> tuple[int, bytes]:
        """Get a page."""
        async with self._session.get(f"{self.url}{path}") as response:
            return response.status, await response.read()

    async def socket(self) -> Device:
        """Open a connection and say nothing. It is closed after the check."""
        socket = await self._stack.enter_async_context(
            self._session.ws_connect(f"{self.url}/v1/ws", protocols=["tideline.v1"], max_msg_size=0)
        )
        return Device(socket)

    async def hello(self, user: int = 0, **fields: Any) -> Device:
        """Connect and say hello as a new device; what comes back is ``welcome``, whatever it is."""
        device = await self.socket()
        fields.setdefault("device", fresh("device"))
        fields.setdefault("cursor", None)
        fields.setdefault("epoch", None)
        device.welcome = await device.ask("hello", token=self.tokens[user], **fields)
        return device

    async def live(self, user: int = 0, **fields: Any) -> Device:
        """Connect a device that has everything."""
        first = await self.hello(user, **fields)
        welcome = first.welcome
        need(welcome.get("type") == "welcome", f"hello is answered by {short(welcome)}")
        page = await first.ask("pull", after=welcome["head"], epoch=welcome["epoch"])
        need(page.get("type") == "page", f"pull is answered by {short(page)}")
        while page["more"]:
            page = await first.ask("pull", after=page["entries"][-1]["seq"], epoch=welcome["epoch"])
        return first

    def me(self, user: int = 0) -> str:
        """Return a user's name."""
        return self.users[user]

    def self_talk(self, user: int = 0) -> str:
        """Return the conversation of a user with himself."""
        return f"d:{self.users[user]}~{self.users[user]}"


def fresh(what: str) -> str:
    """Return a name or key that nobody uses."""
    return f"conformance-{what}-{secrets.token_hex(12)}"


def send(text: str, **fields: Any) -> Frame:
    """Return the fields of a message."""
    return {"client_id": fresh("m"), "body": {"type": "text", "text": text}, **fields}


def need(true: bool, otherwise: str) -> None:
    """Take a promise for broken unless this is true."""
    if not true:
        raise Unfit(otherwise)


def is_error(frame: Frame, code: str) -> None:
    """Check that a frame is an error of this code."""
    need(frame.get("type") == "error" and frame.get("code") == code, f"{code} is due and {short(frame)} comes")


def short(frame: Frame) -> str:
    """Return a frame in one short line."""
    return json.dumps(frame, ensure_ascii=False)[:160]


@asynccontextmanager
async def kit(url: str, tokens: list[str]) -> AsyncIterator[Kit]:
    """Open a kit for one promise; all its connections are closed with it."""
    timeout = aiohttp.ClientTimeout(total=75)
    async with aiohttp.ClientSession(timeout=timeout) as session, AsyncExitStack() as stack:
        yield Kit(url, tokens, session, stack)
