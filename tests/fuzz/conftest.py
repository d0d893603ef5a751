"""A server that programs of random requests run against."""

import pytest

from tests.harness.server import ServerProcess

from . import test_server


@pytest.fixture(autouse=True, scope="module")
def shared_server(server: ServerProcess) -> None:
    """Let the state machine, which takes no fixtures, know the server."""
    test_server.Programs.server = server
