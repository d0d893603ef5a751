"""Who a command speaks for, and to which server: the options that all commands of a user share."""

from dataclasses import dataclass
from typing import Annotated, Any

import jwt
from cyclopts import Parameter

from tideline.config import Settings
from tideline.gateway.auth import MAIN, make_token
from tideline.protocol.errors import TidelineError
from tideline.protocol.names import direct, is_name, kind_of

from .configuration import AppName, Config, Data, load
from .tokens import key

DEFAULT_URL = f"http://{Settings.host}:{Settings.port}"
User = Annotated[str, Parameter(help="Who you are.")]
Target = Annotated[str, Parameter(help="A user (bob), or a conversation (g:team, d:alice~bob).")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON object a line.")]


@dataclass(frozen=True, kw_only=True)
class Access:
    """How to reach a server, and what to show it."""

    url: Annotated[str, Parameter(env_var="TIDELINE_URL", help="The server.")] = DEFAULT_URL
    token: Annotated[
        str | None,
        Parameter(
            env_var="TIDELINE_TOKEN",
            show_default=False,
            help="Your token, better given as TIDELINE_TOKEN. Without it one is signed here, with TIDELINE_SECRET or "
            "the secret in --data.",
        ),
    ] = None
    data: Data = Settings.data
    app: AppName = MAIN
    config: Config = None

    def token_of(self, user: str) -> str:
        """Return a token of a user.

        Raises:
            TidelineError: if there is none, or it is another user's.
        """
        if not is_name(user):
            raise TidelineError(f'{user!r} is no name: 1 to 64 printable ASCII characters, none of : ~ / ? # % "')
        if self.token is None:
            return make_token(key(load(self.data, self.config), self.app), user, app=self.app, days=1)
        claims = _claims(self.token)
        if claims.get("scope", "user") == "user" and claims.get("sub") != user:
            raise TidelineError(f"the token is {claims.get('sub')}'s, not {user}'s")
        return self.token

    def speaks_for_all(self) -> bool:
        """Tell whether the token is one of the app's own back end, which says with each request for whom it is."""
        return self.token is not None and _claims(self.token).get("scope") == "server"


def _claims(token: str) -> dict[str, Any]:
    """Return what a token says, which only the server can verify.

    Raises:
        TidelineError: if it is none.
    """
    try:
        claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        raise TidelineError("what was given as a token is none") from None
    return claims


def conversation(user: str, target: str) -> str:
    """Return the id of the conversation that a user means.

    Raises:
        TidelineError: if there can't be one of that name.
    """
    if is_name(target):
        return direct(user, target)
    if kind_of(target) is None:
        raise TidelineError(f"{target!r} is neither a user nor a conversation: bob, g:team, d:alice~bob")
    return target
