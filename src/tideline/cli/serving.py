"""``tideline serve``."""

import asyncio
import gc
from pathlib import Path

import uvloop

from tideline.app import serve as serve_until_stopped
from tideline.config import Settings
from tideline.observe.logs import configure


def serve(settings: Settings, config: Path | None) -> int:
    """Run the server until it is told to stop."""
    configure(settings.log_level, settings.log_format)
    # What a message allocates is freed by counting; the collector only has cycles to look for, which are rare.
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)

    async def run() -> int:
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        ready.add_done_callback(lambda future: _announce(future.result(), settings))
        return await serve_until_stopped(settings, ready)

    return uvloop.run(run())


def _announce(address: str, settings: Settings) -> None:
    print(address)
