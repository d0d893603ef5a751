"""Tokens for the asking, in a demo: whoever reaches the server, on loopback, may be anyone."""

from urllib.parse import urlsplit

import msgspec
from aiohttp import web
from msgspec import Struct

from tideline.protocol.errors import RequestError, bad_request
from tideline.protocol.names import Name

from .auth import Key, Scope, make_token

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_BODY = 4096
_DAYS = 1.0


class Ask(Struct):
    """Whom a token is wanted for."""

    user: Name
    scope: Scope = "user"


class DemoTokens:
    """Signs tokens of the app ``main``."""

    def __init__(self, key: Key) -> None:
        self._key = key
        self._decode = msgspec.json.Decoder(Ask).decode

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Serve ``POST /v1/demo/token``: ``{"user": "alice", "scope": "user"}`` → ``{"token": "…"}``."""
        router.add_post("/v1/demo/token", self._token)

    async def _token(self, http: web.Request) -> web.Response:
        # A page of elsewhere could be served under a name that its owner lets point here: then the host tells.
        if _host(f"//{http.host}") not in _LOOPBACK:
            raise RequestError("forbidden", "a demo is for this machine")
        origin = http.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != http.host:
            raise RequestError("forbidden", "origin is not allowed")
        if (http.content_length or 0) > _BODY:
            raise RequestError("too_large", f"the body is over {_BODY} bytes, the limit")
        try:
            ask = self._decode(await http.read())
        except msgspec.DecodeError as error:
            raise bad_request(str(error)) from None
        return web.json_response({"token": make_token(self._key, ask.user, scope=ask.scope, days=_DAYS)})


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
