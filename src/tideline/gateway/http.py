"""The HTTP side: every request type by POST, long polls, health, metrics, info (protocol, section 2)."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

import tideline
from tideline.delivery.commands import Command
from tideline.delivery.engine import judge
from tideline.delivery.sequencer import COMMANDS
from tideline.protocol import codec, splice
from tideline.protocol.errors import RequestError, bad_request, too_large
from tideline.protocol.names import is_name
from tideline.protocol.requests import Forget, Ping, Pull, Request
from tideline.protocol.table import REQUESTS
from tideline.timeline.contract import StoreError, StoreUnavailable
from tideline.timeline.records import Device

from .addressing import address
from .auth import Identity
from .front import WEBSOCKET_PATH, become_websocket, origin_allowed
from .gateway import Gateway
from .hub import Hub
from .openapi import document

_encode = msgspec.json.Encoder().encode
_MAX_WAIT = 60.0
_BODY_TIMEOUT = 30
Probe = Callable[[], Awaitable[None]]


class HttpSide:
    """The HTTP application of a gateway."""

    def __init__(self, gateway: Gateway, probe: Probe) -> None:
        self._gateway = gateway
        self._probe = probe
        self._polls: dict[tuple[str, str, str], Poll] = {}

    def application(self) -> web.Application:
        """Build the aiohttp application."""
        app = web.Application(client_max_size=self._gateway.limits.frame, middlewares=[answer_errors(self._gateway)])  # type: ignore[list-item]
        app.router.add_get("/healthz", self._health)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/v1/info", self._info)
        app.router.add_get("/v1/openapi.json", self._openapi)
        app.router.add_get(WEBSOCKET_PATH.decode(), self._websocket)
        app.router.add_post("/v1/{type}", self._request)
        app.on_shutdown.append(self._wake_all)
        return app

    # every request type

    async def _request(self, http: web.Request) -> web.Response:
        kind = http.match_info["type"]
        spec = REQUESTS.get(kind)
        if spec is None or not spec.http:
            raise RequestError("bad_request", f"unknown request type {kind[:64]!r}")
        origin = http.headers.get("Origin")
        if origin is not None and not origin_allowed(self._gateway, origin, http.host):
            raise RequestError("forbidden", "origin is not allowed")
        identity = bearer(self._gateway, http)
        request, fields = codec.decode_body(kind, await self._body(http))
        user = _user(identity, fields)
        if spec.later:
            raise bad_request(f"{kind} is not served by this version")
        hub = await self._gateway.hub(identity.app)
        device = await self._device(http, hub, identity, user)
        if kind in COMMANDS:
            frame = await self._command(hub, kind, user, request)
        elif isinstance(request, Pull):
            frame = await self._pull(hub, identity.app, user, request, device, _wait(fields))
        else:
            frame = await self._query(hub, user, request, device)
        self._gateway.observer.request(kind)
        return web.Response(body=frame, content_type="application/json")

    async def _command(self, hub: Hub, kind: str, user: str, request: Request) -> bytes:
        waiting = Outcome()
        hub.engine.submit(Command(kind, user, address(user, request), request, waiting, None))
        return await waiting.future

    async def _query(self, hub: Hub, user: str, request: Request, device: tuple[str, Device] | None) -> bytes:
        if isinstance(request, Ping):
            head = (await hub.engine.span(user)).head
            if device is not None and request.cursor is not None and request.cursor <= head:
                hub.engine.seen(user, *device, request.cursor)
            return splice.pong(None, head)
        if isinstance(request, Forget):
            await hub.engine.forget(user, request.device)
            hub.kick(user, request.device)
            return splice.ok(None)
        return await hub.engine.answer(user, request, None, hub.online(user))

    async def _pull(
        self, hub: Hub, app: str, user: str, request: Pull, device: tuple[str, Device] | None, wait: float
    ) -> bytes:
        engine = hub.engine
        span = await engine.span(user)
        reason = judge(span, engine.epoch, request.after, request.epoch)
        if reason is not None:
            self._gateway.observer.reset(reason)
            raise RequestError(reason, "take a snapshot")
        if device is not None:
            engine.seen(user, *device, request.after)
            if hub.watcher is not None:
                hub.watcher.moved(user, device[0], None, "polled", request.after)
        poll = Poll()
        # Listening begins before the store is read, so that no commit falls between.
        hub.wait(user, poll)
        try:
            if wait:
                await engine.watch(user)
            (entries, last), head = await engine.slice(user, request.after, request.limit)
            if not entries and wait:
                await self._park((app, user, device[0] if device else ""), poll, wait)
                (entries, last), head = await engine.slice(user, request.after, request.limit)
        finally:
            hub.stop_waiting(user, poll)
        more = (last or request.after) < head
        self._gateway.observer.pulled(len(entries), head - request.after, "http")
        return splice.page(None, _encode(engine.epoch), entries, head, more)

    async def _park(self, key: tuple[str, str, str], poll: "Poll", wait: float) -> None:
        """Wait for an entry; a later poll of the same device ends this one."""
        older = self._polls.get(key)
        if older is not None:
            older.wake()
        self._polls[key] = poll
        try:
            await asyncio.wait_for(poll.event.wait(), wait)
        except TimeoutError:
            pass
        finally:
            if self._polls.get(key) is poll:
                del self._polls[key]

    async def _wake_all(self, _: web.Application) -> None:
        """Answer all that wait: a stop does not wait for them."""
        for poll in list(self._polls.values()):
            poll.wake()

    # who, and what

    async def _device(self, http: web.Request, hub: Hub, identity: Identity, user: str) -> tuple[str, Device] | None:
        name = http.headers.get("Tideline-Device", identity.device)
        if name is None:
            return None
        if not is_name(name):
            raise bad_request("the header Tideline-Device is no valid device")
        if identity.device not in (None, name):
            raise RequestError("unauthorized", "the token is bound to another device")
        return name, await hub.engine.admit(user, name, identity.issued)

    async def _body(self, http: web.Request) -> bytes:
        limit = self._gateway.limits.frame
        if http.content_length is not None and http.content_length > limit:
            raise too_large("the body", http.content_length, limit, "bytes")
        try:
            async with asyncio.timeout(_BODY_TIMEOUT):
                return await http.read()
        except web.HTTPRequestEntityTooLarge:
            raise RequestError("too_large", f"the body is over {limit} bytes, the limit") from None
        except TimeoutError:
            raise bad_request(f"the body did not come within {_BODY_TIMEOUT} seconds") from None

    # about the server

    async def _websocket(self, http: web.Request) -> web.Response:
        """Take a handshake that comes after other requests, as proxies send it that keep connections."""
        transport = http.transport
        if transport is not None:
            lines = [b"GET %b HTTP/1.1" % WEBSOCKET_PATH, *(b"%b: %b" % header for header in http.raw_headers)]
            http.protocol.connection_lost(None)  # for aiohttp it ends here: this response goes nowhere
            become_websocket(self._gateway, transport, b"\r\n".join(lines), b"\r\n\r\n")
        return web.Response()

    async def _health(self, _: web.Request) -> web.Response:
        await self._probe()
        return web.json_response({"status": "ok"})

    async def _metrics(self, _: web.Request) -> web.Response:
        text = self._gateway.observer.exposition()
        return web.Response(body=text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    async def _info(self, _: web.Request) -> web.Response:
        info = {"version": tideline.__version__, "protocol": 1, "limits": self._gateway.limits}
        return web.Response(body=_encode(info), content_type="application/json")

    async def _openapi(self, _: web.Request) -> web.Response:
        return web.Response(body=_encode(document()), content_type="application/json")


def bearer(gateway: Gateway, http: web.Request) -> Identity:
    """Return what the token of a request proves.

    Raises:
        RequestError: ``unauthorized``.
    """
    scheme, _, token = http.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise RequestError("unauthorized", "no bearer token")
    return gateway.keyring.verify(token.strip())


def answer_errors(gateway: Gateway) -> Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]:
    """Make the middleware that answers by an error frame with the status of its code."""

    @web.middleware
    async def middleware(http: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(http)
        except RequestError as error:
            failure = error
        except StoreError as error:
            retry_after = error.retry_after if isinstance(error, StoreUnavailable) else 1.0
            failure = RequestError("unavailable", "the store can't serve now", retry_after=retry_after)
        except web.HTTPException as error:
            code = {404: "not_found", 413: "too_large"}.get(error.status, "bad_request")
            failure = RequestError(code, error.reason)
        except Exception as error:
            incident = gateway.observer.defect(http.path, error)
            failure = RequestError("internal", f"a defect, logged as {incident}")
        gateway.observer.refused(failure.code)
        headers = {"Retry-After": str(max(1, round(failure.retry_after)))} if failure.retry_after else None
        body = splice.failure(failure)
        return web.Response(status=failure.status, body=body, content_type="application/json", headers=headers)

    return middleware


class Outcome:
    """An HTTP request that waits for the outcome of its command (implements ``commands.Origin``)."""

    __slots__ = ("future",)

    def __init__(self) -> None:
        self.future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def answered(self, command: Command, frame: bytes) -> None:
        """Take the response."""
        if not self.future.done():
            self.future.set_result(frame)

    def refused(self, command: Command, error: RequestError) -> None:
        """Take the error."""
        if not self.future.done():
            self.future.set_exception(error)


class Poll:
    """A pull that waits for something to be there (implements ``hub.Waiter``)."""

    __slots__ = ("event",)

    def __init__(self) -> None:
        self.event = asyncio.Event()

    def wake(self) -> None:
        """End the wait."""
        self.event.set()


def _user(identity: Identity, fields: dict[str, object]) -> str:
    """Return whom a request speaks for: the token's user, or with scope ``server`` whom it names."""
    named = fields.get("as")
    if identity.scope == "user":
        if named is not None:
            raise RequestError("forbidden", "`as` takes a token of scope server")
        return identity.user
    if not isinstance(named, str) or not is_name(named):
        raise bad_request("missing field `as`: a token of scope server says for which user")
    return named


def _wait(fields: dict[str, object]) -> float:
    wait = fields.get("wait", 0)
    if isinstance(wait, bool) or not isinstance(wait, int | float) or wait < 0:
        raise bad_request("`wait` is not a number of seconds")
    return min(float(wait), _MAX_WAIT)
