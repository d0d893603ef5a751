"""Fixtures for all tests: real servers, and names nobody else uses."""

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
import pytest_asyncio

from tests.harness.nats import NatsServer, nats_server
from tests.harness.postgres import PostgresServer, postgres_server
from tests.harness.server import ServerProcess, server_process

_numbers = itertools.count(1)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServerProcess]:
    """A server that all tests share: use fresh names."""
    async with server_process(tmp_path_factory.mktemp("shared") / "data") as running:
        yield running
        assert "defect" not in running.log(), running.log()[-4000:]


@pytest.fixture
def start_server(tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[ServerProcess]]:
    """Start a server of one's own: ``async with start_server(heartbeat=1) as server``."""

    def start(name: str = "data", **options: object) -> AbstractAsyncContextManager[ServerProcess]:
        return server_process(tmp_path / name, **options)

    return start


@pytest.fixture
def fresh() -> Callable[[str], str]:
    """Make names that no other test uses: ``alice = fresh("alice")``."""
    return lambda name: f"{name}-{next(_numbers)}"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres() -> AsyncIterator[PostgresServer]:
    """A PostgreSQL server that all tests share: make a database of your own in it."""
    async with postgres_server() as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def nats() -> AsyncIterator[NatsServer]:
    """A NATS server that all tests share."""
    async with nats_server() as running:
        yield running
