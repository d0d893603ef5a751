"""Tokens: who a connection or a request speaks for (protocol, section 3)."""

import math
import time
from typing import Any, Literal, cast

import jwt
from jwt.types import Options
from msgspec import Struct

from tideline.protocol.errors import RequestError
from tideline.protocol.names import is_name

Scope = Literal["user", "server"]
MAIN = "main"
_OPTIONS: Options = {"require": ["sub", "exp"], "verify_iat": False}
"""When a token was issued decides only what ``forget`` refuses: an issuer's clock may be ahead of ours."""


class Identity(Struct, frozen=True):
    """What a token proves: times in seconds since 1970."""

    app: str
    user: str
    device: str | None
    scope: Scope
    expires: float
    issued: float


class Key(Struct, frozen=True):
    """What verifies an app's tokens; the algorithm is fixed by the key, never by the token."""

    secret: str
    algorithm: str = "HS256"


class Keyring:
    """Verifies tokens by the key of their app."""

    def __init__(self, keys: dict[str, Key]) -> None:
        self._keys = keys

    @property
    def apps(self) -> list[str]:
        """The apps that have a key."""
        return list(self._keys)

    def verify(self, token: str) -> Identity:
        """Return what a token proves.

        Raises:
            RequestError: ``unauthorized`` if it is malformed, forged, expired, or names what it must not.
        """
        try:
            app = jwt.get_unverified_header(token).get("kid", MAIN)
            key = self._keys.get(app)
            if key is None:
                raise _unauthorized("no key of that app")
            claims = jwt.decode(token, key.secret, algorithms=[key.algorithm], options=_OPTIONS)
        except jwt.ExpiredSignatureError:
            raise _unauthorized("the token has expired") from None
        except (jwt.InvalidTokenError, ValueError, TypeError):
            raise _unauthorized("the token is not valid") from None
        return _identity(app, claims)


def make_token(
    key: Key,
    user: str,
    *,
    app: str = MAIN,
    device: str | None = None,
    scope: Scope = "user",
    days: float = 30,
) -> str:
    """Sign a token for a user, valid for ``days``."""
    now = time.time()
    claims: dict[str, Any] = {"sub": user, "iat": round(now, 3), "exp": int(now + days * 86_400)}
    if device is not None:
        claims["device"] = device
    if scope != "user":
        claims["scope"] = scope
    headers = {"kid": app} if app != MAIN else None
    return jwt.encode(claims, key.secret, algorithm=key.algorithm, headers=headers)


def _identity(app: str, claims: dict[str, Any]) -> Identity:
    user, device, scope = claims["sub"], claims.get("device"), claims.get("scope", "user")
    if claims.get("app", app) != app:
        raise _unauthorized("the claim `app` is not the key's")
    if not isinstance(user, str) or not is_name(user):
        raise _unauthorized("the claim `sub` is no valid user")
    if device is not None and not (isinstance(device, str) and is_name(device)):
        raise _unauthorized("the claim `device` is no valid device")
    if scope not in ("user", "server"):
        raise _unauthorized("the claim `scope` is unknown")
    issued = claims.get("iat", 0)
    if isinstance(issued, bool) or not isinstance(issued, int | float) or not math.isfinite(issued):
        raise _unauthorized("the claim `iat` is no time")
    return Identity(app, user, device, cast(Scope, scope), float(claims["exp"]), float(issued))


def _unauthorized(message: str) -> RequestError:
    return RequestError("unauthorized", message)
