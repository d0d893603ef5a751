"""What a WebSocket connection's requests do, one function each, except commands (protocol, section 4)."""

import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from tideline.delivery.devices import Forgotten
from tideline.delivery.engine import judge
from tideline.delivery.outbox import Outbox
from tideline.protocol import splice
from tideline.protocol.errors import Close, RequestError, bad_request
from tideline.protocol.names import kind_of
from tideline.protocol.requests import (
    Devices,
    Edit,
    Forget,
    Hello,
    History,
    Members,
    Ping,
    Pull,
    React,
    Recall,
    Renew,
    Request,
    Signal,
    Snapshot,
)
from tideline.timeline.contract import StoreUnavailable

from .auth import Identity
from .connection import Connection

_encode = msgspec.json.Encoder().encode


async def handle(connection: Connection, request: Request) -> None:
    """Answer one request; whatever goes wrong is an answer too."""
    try:
        if connection.welcomed:
            await _HANDLERS[type(request)](connection, request)
        elif isinstance(request, Hello):
            await _hello(connection, request)
    except RequestError as error:
        connection.fail(getattr(request, "id", None), error)
    except StoreUnavailable as error:
        unavailable = RequestError("unavailable", "the store can't read now", retry_after=error.retry_after)
        connection.fail(getattr(request, "id", None), unavailable)
        _unopened(connection, Close.TRY_LATER, error.retry_after)
    except Exception as error:
        incident = connection.gateway.observer.defect(type(request).__name__, error)
        connection.fail(getattr(request, "id", None), RequestError("internal", f"a defect, logged as {incident}"))
        _unopened(connection, Close.INTERNAL, None)


def _unopened(connection: Connection, code: Close, retry_after: float | None) -> None:
    """End, if it was hello that failed: what waits behind it would wait for ever."""
    if not connection.welcomed:
        connection.close(code, "hello could not be answered now", retry_after=retry_after)


async def _hello(connection: Connection, request: Hello) -> None:
    """Open the session; whatever commits from now on reaches the connection's outbox."""
    gateway = connection.gateway
    try:
        identity = gateway.keyring.verify(request.token)
        _check_identity(identity, request.device)
        hub = await gateway.hub(identity.app)
        engine, user = hub.engine, identity.user
        device = await engine.admit(user, request.device, identity.issued)
    except Forgotten as error:
        connection.fail(request.id, error)
        connection.close(Close.FORGOTTEN, error.message)
        return
    except RequestError as error:
        connection.fail(request.id, error)
        connection.close(Close.UNAUTHORIZED, error.message)
        return
    if connection.closing:
        return
    connection.identity, connection.user, connection.name = identity, user, request.device
    connection.hub, connection.device = hub, device
    outbox = connection.outbox = Outbox(hint=request.delivery == "hint")
    hub.attach(user, request.device, connection, request.instance)
    await engine.watch(user)

    span = await engine.span(user)
    entries: list[bytes] = []
    head, more = span.head, False
    reset = "new_device" if request.cursor is None else judge(span, engine.epoch, request.cursor, request.epoch)
    if reset is None and request.cursor is not None:
        engine.seen(user, request.device, device, request.cursor)
        outbox.pull(request.cursor)
        (entries, last), head = await engine.slice(user, request.cursor, request.limit)
        more = outbox.page(last, head)
        head = outbox.head
    else:
        gateway.observer.reset(str(reset))
    connection.gather(
        b'{"type":"welcome","id":%d,"user":%b,"device":%b,"session":%b,"epoch":%b,"head":%d,"entries":[%b],'
        b'"more":%b,"reset":%b,"heartbeat":%b,"time":%d,"limits":%b}'
        % (
            request.id,
            _encode(user),
            _encode(request.device),
            _encode(secrets.token_urlsafe(9)),
            _encode(engine.epoch),
            head,
            b",".join(entries),
            _encode(more),
            _encode(reset),
            _encode(gateway.settings.heartbeat),
            int(time.time() * 1000),
            _encode(gateway.limits),
        )
    )
    connection.welcomed = True
    if hub.watcher is not None:
        hub.watcher.moved(user, request.device, connection, "page", request.cursor)


def _check_identity(identity: Identity, device: str) -> None:
    if identity.scope != "user":
        raise RequestError("unauthorized", "a token of scope server is for HTTP")
    if identity.device not in (None, device):
        raise RequestError("unauthorized", "the token is bound to another device")


async def _again(connection: Connection, request: Request) -> None:
    raise bad_request("hello was said already")


async def _renew(connection: Connection, request: Renew) -> None:
    held = _identity(connection)
    fresh = connection.gateway.keyring.verify(request.token)
    if (fresh.user, fresh.app, fresh.scope) != (held.user, held.app, held.scope):
        raise RequestError("unauthorized", "the token is of another user, app or scope")
    if fresh.device not in (None, connection.name):
        raise RequestError("unauthorized", "the token is bound to another device")
    connection.identity = fresh
    connection.gather(splice.ok(request.id))


async def _pull(connection: Connection, request: Pull) -> None:
    engine, user, outbox = connection.hub.engine, _identity(connection).user, connection.outbox
    outbox.pull(request.after)
    span = await engine.span(user)
    reason = judge(span, engine.epoch, request.after, request.epoch)
    if reason is not None:
        outbox.position_error()
        connection.gateway.observer.reset(reason)
        raise RequestError(reason, "take a snapshot")
    engine.seen(user, connection.name, connection.device, request.after)
    (entries, last), head = await engine.slice(user, request.after, request.limit)
    more = outbox.page(last, head)
    connection.gather(splice.page(request.id, _encode(engine.epoch), entries, outbox.head, more))
    connection.gateway.observer.pulled(len(entries), outbox.head - request.after, "websocket")
    if connection.hub.watcher is not None:
        connection.hub.watcher.moved(user, connection.name, connection, "page", request.after)


async def _snapshot(connection: Connection, request: Snapshot) -> None:
    frame, cursor = await connection.hub.engine.snapshot(_identity(connection).user, request, request.id)
    connection.outbox.snapshot(cursor)
    connection.gather(frame)


async def _query(connection: Connection, request: Request) -> None:
    user = _identity(connection).user
    online = connection.hub.online(user)
    connection.gather(await connection.hub.engine.answer(user, request, request.id, online))


async def _forget(connection: Connection, request: Forget) -> None:
    user = _identity(connection).user
    await connection.hub.engine.forget(user, request.device)
    connection.gather(splice.ok(request.id))
    connection.hub.kick(user, request.device)


async def _ping(connection: Connection, request: Ping) -> None:
    engine, user = connection.hub.engine, _identity(connection).user
    head = await engine.head(user)
    cursor = request.cursor if request.cursor is not None and request.cursor <= head else None
    engine.seen(user, connection.name, connection.device, cursor)
    connection.gather(splice.pong(request.id, head))
    if cursor is not None and connection.hub.watcher is not None:
        connection.hub.watcher.moved(user, connection.name, connection, "stated", cursor)


async def _signal(connection: Connection, request: Signal) -> None:
    """Forward a signal; it has no response, not even an error."""
    if kind_of(request.conversation) is None:
        return
    user = _identity(connection).user
    users = await connection.hub.engine.receivers(user, request.conversation)
    frame = b'{"type":"signal","conversation":%b,"sender":%b,"signal":%b}' % (
        _encode(request.conversation),
        _encode(user),
        _encode(request.signal),
    )
    connection.hub.signal(users, frame)


async def _later(connection: Connection, request: Request) -> None:
    raise bad_request(f"{type(request).__name__.lower()} is not served by this version")


def _identity(connection: Connection) -> Identity:
    assert connection.identity is not None
    return connection.identity


_HANDLERS: dict[type, Callable[[Connection, Any], Awaitable[None]]] = {
    Hello: _again,
    Renew: _renew,
    Pull: _pull,
    Snapshot: _snapshot,
    History: _query,
    Members: _query,
    Devices: _query,
    Forget: _forget,
    Ping: _ping,
    Signal: _signal,
    Edit: _later,
    Recall: _later,
    React: _later,
}
