"""What the inspector sees: ``GET /v1/inspect``, a stream of JSON lines, for tokens of scope ``server``.

What is stored can be read by the requests that there are anyway (``pull``, ``devices``, ``history`` with ``as``);
this adds what only the running server knows: commits as they happen, and what is owed to each connection.

Bounds: ``_VIEWERS`` streams at once; per stream ``_LINES`` a second, what is over is counted and not sent; a stream
that is not read ends. While nobody inspects, it costs the hub one comparison per commit.

Lines, with ``time`` in ms since 1970:

``hello``    ``app``, ``epoch``
``commit``   ``seconds``, ``commands``, ``messages``, ``users`` (how many), ``entries`` (how many), ``posts``: for each
             event of it (the first ``_POSTS``) the event and its ``seq`` by user (the first ``_USERS``)
``device``   ``user``, ``device``, ``why``, ``state`` (null: offline), ``position``, ``head``, ``cursor`` (as stated)
``online``   ``users``: how many devices each has connected (the first ``_LISTED``), ``devices``: of all
``rates``    what happened in the last ``span`` seconds
"""

import asyncio
import time
from collections.abc import Iterable

import msgspec
from aiohttp import web

from tideline.delivery.commands import Commit
from tideline.protocol.errors import RequestError, bad_request
from tideline.protocol.names import is_name
from tideline.timeline.changes import Post

from .bucket import Bucket
from .gateway import Gateway
from .http import bearer
from .hub import Device, Hub

_VIEWERS = 8
_LINES = 400.0
_POSTS = 16
_USERS = 32
_LISTED = 60
_EVENT = 2048
"""Bytes of an event over which only its beginning could matter: it is left out."""
_TICK = 0.25
_QUEUE = 2_000
_WRITE_TIMEOUT = 10.0

_encode = msgspec.json.Encoder().encode


class Viewer:
    """One stream: lines on their way to one page."""

    def __init__(self, user: str | None, now: float) -> None:
        self.user = user
        self.lines: list[bytes] = []
        self.dropped = 0
        self._bucket = Bucket(_LINES, now)

    def say(self, line: bytes, now: float) -> None:
        """Have a line sent, unless there are too many."""
        if len(self.lines) < _QUEUE and self._bucket.take(now) == 0:
            self.lines.append(line)
        else:
            self.dropped += 1


class Tally:
    """What happened between two ticks."""

    __slots__ = ("batches", "entries", "hints", "messages", "pushed", "seconds")

    def __init__(self) -> None:
        self.messages = self.entries = self.pushed = self.hints = 0
        self.seconds: list[float] = []
        self.batches: list[int] = []

    def line(self, now: float, span: float, dropped: int) -> bytes:
        """Say it."""
        ordered = sorted(self.seconds)
        return _encode(
            {
                "type": "rates",
                "time": now,
                "span": span,
                "commits": len(ordered),
                "messages": self.messages,
                "entries": self.entries,
                "pushed": self.pushed,
                "hints": self.hints,
                "commit_ms": [ordered[len(ordered) // 2] * 1000, ordered[-1] * 1000] if ordered else None,
                "batch": [sum(self.batches) / len(self.batches), max(self.batches)] if self.batches else None,
                "dropped": dropped,
            }
        )


class AppView:
    """Looks on at one app's hub, for the viewers of that app (implements ``hub.Watcher``)."""

    def __init__(self, hub: Hub, loop: asyncio.AbstractEventLoop) -> None:
        self.hub = hub
        self.viewers: set[Viewer] = set()
        self._loop = loop
        self._tally = Tally()
        self._ticks = 0

    def committed(self, commit: Commit, pushed: int, hints: int) -> None:
        """See a commit."""
        runs = commit.runs
        entries = sum(len(run.posts) for run in runs.values())
        tally = self._tally
        if runs:
            tally.seconds.append(commit.seconds)
            tally.batches.append(commit.commands)
        tally.messages += commit.messages
        tally.entries += entries
        tally.pushed += pushed
        tally.hints += hints
        if not runs:
            return
        now = self._loop.time()
        for viewer in self.viewers:
            users = _some(runs, viewer.user)
            viewer.say(self._commit_line(commit, users, entries), now)
            for user in users:
                for name, device in self.hub.users().get(user, {}).items():
                    viewer.say(_device_line(user, name, device, "commit", None), now)

    def moved(self, user: str, name: str, device: Device | None, why: str, cursor: int | None = None) -> None:
        """See a device do something."""
        now = self._loop.time()
        line = _device_line(user, name, device, why, cursor)
        for viewer in self.viewers:
            viewer.say(line, now)

    def tick(self) -> None:
        """Say how much there was, and now and then who is there."""
        tally, self._tally = self._tally, Tally()
        online = self._online() if self._ticks % 8 == 0 else None
        self._ticks += 1
        for viewer in self.viewers:
            viewer.lines.append(tally.line(_wall(), _TICK, viewer.dropped))
            viewer.dropped = 0
            if online is not None:
                viewer.lines.append(online)

    def begin(self, viewer: Viewer) -> None:
        """Say what there is at the beginning."""
        engine = self.hub.engine
        viewer.lines.append(_encode({"type": "hello", "time": _wall(), "app": engine.app, "epoch": engine.epoch}))
        viewer.lines.append(self._online())
        for name, device in self.hub.users().get(viewer.user or "", {}).items():
            viewer.lines.append(_device_line(viewer.user or "", name, device, "online", None))

    def _online(self) -> bytes:
        users = self.hub.users()
        listed = {user: len(users[user]) for user, _ in zip(users, range(_LISTED), strict=False)}
        devices = sum(map(len, users.values()))
        return _encode({"type": "online", "time": _wall(), "users": listed, "count": len(users), "devices": devices})

    @staticmethod
    def _commit_line(commit: Commit, users: list[str], entries: int) -> bytes:
        places: dict[int, tuple[Post, dict[str, int]]] = {}
        for user in users:
            run = commit.runs[user]
            for seq, post in enumerate(run.posts, run.first):
                found = places.get(id(post))
                if found is not None:
                    found[1][user] = seq
                elif len(places) < _POSTS:
                    places[id(post)] = post, {user: seq}
        posts = b",".join(
            b'{"event":%b,"at":%b}' % (post.event if len(post.event) <= _EVENT else b"null", _encode(at))
            for post, at in places.values()
        )
        head = _encode(
            {
                "type": "commit",
                "time": _wall(),
                "seconds": commit.seconds,
                "commands": commit.commands,
                "messages": commit.messages,
                "users": len(commit.runs),
                "entries": entries,
            }
        )
        return b'%b,"posts":[%b]}' % (head[:-1], posts)


class Inspector:
    """Serves the streams."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._views: dict[str, AppView] = {}
        self._ticker: asyncio.Task[None] | None = None
        self._streams: set[asyncio.Task[None]] = set()

    @property
    def viewers(self) -> int:
        """How many streams there are."""
        return sum(len(view.viewers) for view in self._views.values())

    def add_to(self, application: web.Application) -> None:
        """Serve ``GET /v1/inspect?user=…``."""
        application.router.add_get("/v1/inspect", self._stream)
        application.on_shutdown.append(self._close)

    async def _stream(self, http: web.Request) -> web.StreamResponse:
        identity = bearer(self._gateway, http)
        if identity.scope != "server":
            raise RequestError("forbidden", "the inspector takes a token of scope server")
        user = http.query.get("user") or None
        if user is not None and not is_name(user):
            raise bad_request("`user` is no valid user")
        if self.viewers >= _VIEWERS:
            raise RequestError("rate_limited", f"{_VIEWERS} inspect already", retry_after=5)
        hub = await self._gateway.hub(identity.app)
        view = self._views.setdefault(identity.app, AppView(hub, self._gateway.loop))
        viewer = Viewer(user, self._gateway.loop.time())
        response = web.StreamResponse(
            headers={"Content-Type": "application/x-ndjson", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )
        view.viewers.add(viewer)
        hub.watcher = view
        view.begin(viewer)
        if self._ticker is None:
            self._ticker = asyncio.create_task(self._tick())
        task = asyncio.create_task(self._write(http, response, viewer, identity.expires))
        self._streams.add(task)
        try:
            await asyncio.wait([task])
        finally:
            task.cancel()
            self._streams.discard(task)
            view.viewers.discard(viewer)
            if not view.viewers:
                hub.watcher = None
        return response

    async def _write(self, http: web.Request, response: web.StreamResponse, viewer: Viewer, expires: float) -> None:
        """Send what there is, some times a second, until the page is closed or the token has expired."""
        try:
            await response.prepare(http)
            while time.time() < expires:
                lines, viewer.lines = viewer.lines, []
                if lines:
                    async with asyncio.timeout(_WRITE_TIMEOUT):
                        await response.write(b"\n".join(lines) + b"\n")
                await asyncio.sleep(_TICK / 5)
        except (ConnectionError, TimeoutError):
            pass

    async def _tick(self) -> None:
        while any(view.viewers for view in self._views.values()):
            await asyncio.sleep(_TICK)
            for view in self._views.values():
                view.tick()
        self._ticker = None

    async def _close(self, _: web.Application) -> None:
        for task in list(self._streams):
            task.cancel()
        if self._ticker is not None:
            self._ticker.cancel()


def _some(users: Iterable[str], first: str | None) -> list[str]:
    """Return some of the users, the one that is looked at among them."""
    found: list[str] = []
    for user in users:
        if user == first:
            found.insert(0, user)
        elif len(found) < _USERS:
            found.append(user)
    return found


def _device_line(user: str, name: str, device: Device | None, why: str, cursor: int | None) -> bytes:
    outbox = device.outbox if device is not None else None
    return _encode(
        {
            "type": "device",
            "time": _wall(),
            "user": user,
            "device": name,
            "why": why,
            "state": outbox.state.name.lower() if outbox is not None else None,
            "hint": outbox.hint if outbox is not None else False,
            "position": outbox.position if outbox is not None else None,
            "head": outbox.head if outbox is not None else None,
            "cursor": cursor,
        }
    )


def _wall() -> float:
    return round(time.time() * 1000, 2)
