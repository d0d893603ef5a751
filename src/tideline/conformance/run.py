"""Checks promises one after the other: each with connections of its own, so that none spoils the next."""

from collections.abc import AsyncIterator, Sequence

import aiohttp

from tideline.protocol.errors import TidelineError

from .kit import Closed, Promise, Result, Unfit, kit, short


async def users_of(url: str, tokens: Sequence[str]) -> list[str]:
    """Return whose tokens these are, as the server says.

    Raises:
        TidelineError: if it can't be reached, or refuses them.
    """
    users = []
    async with kit(url, list(tokens)) as opened:
        for place in range(len(tokens)):
            try:
                device = await opened.hello(place)
            except (aiohttp.ClientError, OSError, Unfit, Closed) as error:
                raise TidelineError(f"no server answers at {url}: {error}") from error
            if device.welcome.get("type") != "welcome":
                raise TidelineError(f"token {place + 1} is refused: {short(device.welcome)}")
            users.append(str(device.welcome["user"]))
    return users


async def run(url: str, tokens: Sequence[str], promises: Sequence[Promise]) -> AsyncIterator[Result]:
    """Check promises of a server; those that take more users than there are tokens are left out.

    Raises:
        TidelineError: if the server can't be reached, or refuses the tokens.
    """
    users = await users_of(url, tokens)
    for promise in promises:
        if promise.users > len(set(users)):
            yield Result(promise, None, "takes the tokens of two users")
            continue
        async with kit(url, list(tokens)) as opened:
            opened.users = users
            try:
                await promise.check(opened)
            except Unfit as error:
                yield Result(promise, False, str(error))
            except Closed as error:
                yield Result(promise, False, f"the connection was {error}")
            except (KeyError, IndexError, TypeError, ValueError) as error:
                yield Result(promise, False, f"an answer lacks something: {error!r}")
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                yield Result(promise, False, f"{type(error).__name__}: {error}")
            else:
                yield Result(promise, True, "")
