"""Several server processes on one database: a cluster."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from .server import ServerProcess


class Cluster:
    """Nodes that share a database and a key; a token is good for all of them."""

    def __init__(self, folder: Path, store: str, bus: str | None, options: dict[str, object]) -> None:
        self.folder = folder
        self.options: dict[str, object] = {"store": store, **({"bus": bus} if bus else {}), **options}
        self.secret = secrets.token_urlsafe(32)
        self.nodes: list[ServerProcess] = []

    async def add(self, **options: object) -> ServerProcess:
        """Start one more node; ``options`` win over the cluster's."""
        node = ServerProcess(self.folder / f"node{len(self.nodes)}", {**self.options, **options})
        node.secret = self.secret
        self.nodes.append(node)
        await node.start()
        return node

    def token(self, user: str, device: str | None = None) -> str:
        return self.nodes[0].token(user, device)


@asynccontextmanager
async def cluster(
    folder: Path, store: str, *, nodes: int = 2, bus: str | None = None, **options: object
) -> AsyncIterator[Cluster]:
    """Run nodes on a database."""
    made = Cluster(folder, store, bus, options)
    try:
        for _ in range(nodes):
            await made.add()
        yield made
        for node in made.nodes:
            assert "defect" not in node.log(), node.log()[-4000:]
    finally:
        for node in made.nodes:
            if node.process is not None and node.process.returncode is None:
                await node.kill()
