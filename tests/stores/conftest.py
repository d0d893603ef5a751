"""The backends that the conformance suite runs over: a new one is a line here."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.harness.postgres import PostgresServer
from tests.stores.places import EmbeddedPlace, MemoryPlace, Place, PostgresPlace


@pytest.fixture(params=["embedded", "memory", "postgres", "postgres distributed"])
async def place(request: pytest.FixtureRequest, tmp_path: Path, postgres: PostgresServer) -> AsyncIterator[Place]:
    made: Place
    if request.param == "embedded":
        made = EmbeddedPlace(tmp_path)
    elif request.param == "memory":
        made = MemoryPlace()
    else:
        made = PostgresPlace(await postgres.database(), distributed=request.param != "postgres")
    yield made
    await made.close()


@pytest.fixture
async def shared(postgres: PostgresServer) -> AsyncIterator[PostgresPlace]:
    """A database that several processes have open."""
    made = PostgresPlace(await postgres.database())
    yield made
    await made.close()
