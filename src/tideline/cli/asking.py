"""Requests of a command to a server, by HTTP: they leave no device behind (protocol, section 2)."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Self

import aiohttp

from tideline.protocol.errors import RequestError, TidelineError

from .access import Access

_TRIES = 5
_BUSY = 503
Frame = dict[str, Any]


class Asker:
    """One user's way to a server."""

    def __init__(self, session: aiohttp.ClientSession, access: Access, user: str) -> None:
        self._session = session
        self._access = access
        self.user = user
        self._token = access.token_of(user)
        self._always = {"as": user} if access.speaks_for_all() else {}

    @classmethod
    @asynccontextmanager
    async def open(cls, access: Access, user: str) -> AsyncIterator[Self]:
        """Get ready to ask.

        Raises:
            TidelineError: if there is no token.
        """
        timeout = aiohttp.ClientTimeout(total=90)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            yield cls(session, access, user)

    async def ask(self, kind: str, **fields: Any) -> Frame:
        """Make a request; what may succeed later is tried some times.

        Raises:
            RequestError: what the server answers instead.
            TidelineError: if there is no server.
        """
        for attempt in range(1, _TRIES + 1):
            try:
                return await self._ask(kind, fields)
            except RequestError as error:
                if not error.retry or attempt == _TRIES:
                    raise
                await asyncio.sleep(error.retry_after or 0.2 * 2**attempt)
        raise AssertionError

    async def _ask(self, kind: str, fields: Frame) -> Frame:
        url = f"{self._access.url.rstrip('/')}/v1/{kind}"
        headers = {"Authorization": f"Bearer {self._token}"}
        try:
            async with self._session.post(url, json=fields | self._always, headers=headers) as answer:
                frame = await answer.json()
        except aiohttp.InvalidURL:
            raise TidelineError(f"{self._access.url!r} is no URL of a server: http://host:port") from None
        except (aiohttp.ContentTypeError, json.JSONDecodeError):
            raise TidelineError(f"what answers at {self._access.url} is no Tideline server") from None
        except aiohttp.ClientConnectorError as error:
            raise Unreachable(f"no server at {self._access.url}: {error.os_error.strerror or error.os_error}") from None
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unreachable(f"the connection to {self._access.url} broke: {error or type(error).__name__}") from None
        if answer.ok:
            return dict(frame)
        raise RequestError(frame["code"], frame["message"], retry=frame["retry"], retry_after=frame["retry_after"])


class Unreachable(TidelineError):
    """There is no server, or there is none any more."""


def ask(access: Access, user: str, work: Callable[[Asker], Awaitable[int]]) -> int:
    """Do some work with a server, from start to end; return its exit status."""

    async def run() -> int:
        async with Asker.open(access, user) as asker:
            return await work(asker)

    return asyncio.run(run())
