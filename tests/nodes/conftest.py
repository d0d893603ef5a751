"""Clusters of two nodes, with either bus."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.harness.nats import NatsServer
from tests.harness.nodes import Cluster, cluster
from tests.harness.postgres import PostgresServer


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=["nats", "notify"])
async def two(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    postgres: PostgresServer,
    nats: NatsServer,
) -> AsyncIterator[Cluster]:
    """Two nodes that the tests of a module share: use fresh names."""
    bus = nats.url if request.param == "nats" else None
    folder = tmp_path_factory.mktemp("two")
    async with cluster(folder, await postgres.database(), bus=bus) as running:
        yield running
