"""``tideline token``."""

from typing import Annotated, Literal

from cyclopts import Parameter, validators

from tideline import secret as secrets
from tideline.config import Settings
from tideline.gateway.auth import MAIN, Key, make_token
from tideline.protocol.errors import TidelineError
from tideline.protocol.names import is_name

from .configuration import AppName, Config, Data, load


def token(
    user: str,
    /,
    *,
    device: Annotated[str | None, Parameter(help="Bind the token to one device of the user.")] = None,
    scope: Annotated[
        Literal["user", "server"], Parameter(help="'server': the app's own back end, which may act as any user.")
    ] = "user",
    days: Annotated[float, Parameter(help="Days until it expires.", validator=validators.Number(gt=0))] = 30,
    app: AppName = MAIN,
    data: Data = Settings.data,
    config: Config = None,
) -> int:
    """Print a token: what a device shows to prove whose it is.

    It is signed with TIDELINE_SECRET, or else with the secret in the data folder, which the server's first start
    made there. The key of another app than 'main' comes from TIDELINE_APPS_<name> or the file of --config.

    Parameters
    ----------
    user
        Whose token it is.
    """
    for name in (user, *([device] if device is not None else [])):
        if not is_name(name):
            raise TidelineError(f'{name!r} is no name: 1 to 64 printable ASCII characters, none of : ~ / ? # % "')
    print(make_token(key(load(data, config), app), user, app=app, device=device, scope=scope, days=days))
    return 0


def key(settings: Settings, app: str = MAIN) -> Key:
    """Return what signs an app's tokens.

    Raises:
        TidelineError: if it is not known here.
    """
    if app == MAIN:
        return Key(settings.secret or secrets.load(settings.data), settings.algorithm)
    if app not in settings.apps:
        raise TidelineError(f"no key of the app {app!r}: set TIDELINE_APPS_{app.upper()}, or apps.{app} in --config")
    return Key(settings.apps[app])
