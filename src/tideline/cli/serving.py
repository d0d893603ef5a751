"""``tideline serve``."""

import asyncio
import errno
import shlex
import shutil
import socket
import sys
from pathlib import Path
from typing import Annotated

import uvloop
from cyclopts import Parameter

import tideline
from tideline import collector
from tideline.app import serve as serve_until_stopped
from tideline.config import Settings
from tideline.observe.logs import configure
from tideline.protocol.errors import TidelineError

from .configuration import Config

_DEFAULT = Settings()


def serve(*, settings: Annotated[Settings | None, Parameter(name="*")] = None, config: Config = None) -> int:
    """Run the server until it is told to stop (Ctrl-C, SIGTERM).

    Every setting can also be given in the environment, as TIDELINE_ and its name in capitals, and in the TOML file
    of --config. The first of these that has it counts.
    """
    settings = settings or Settings()
    configure(settings.log_level, settings.log_format)
    collector.settle()

    async def run() -> int:
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        ready.add_done_callback(lambda future: print(greeting(future.result(), settings), flush=True))
        return await serve_until_stopped(settings, ready)

    try:
        return uvloop.run(run())
    except OSError as error:
        raise _named(error, settings) from error


def _named(error: OSError, settings: Settings) -> Exception:
    """Say what it means that the address can't be used."""
    where = f"{settings.host}:{settings.port}"
    if error.errno == errno.EADDRINUSE:
        return TidelineError(f"{where} is in use by another program; choose another port with --port")
    if error.errno in (errno.EADDRNOTAVAIL, errno.EACCES) and not error.filename:
        return TidelineError(f"can't listen on {where}: {error.strerror}")
    if isinstance(error, socket.gaierror):
        return TidelineError(f"can't listen on {where}: there is no such host")
    return error


def greeting(address: str, settings: Settings) -> str:
    """Say where the server is, and what to type to chat on this machine."""
    options = []
    local = address.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    if local != f"http://{_DEFAULT.host}:{_DEFAULT.port}":
        options += ["--url", local]
    if settings.data != _DEFAULT.data and settings.secret is None:
        options += ["--data", str(settings.data)]
    lines = [
        f"{_program()} {shlex.join(['chat', user, '--to', peer, *options])}"
        for user, peer in (("alice", "bob"), ("bob", "alice"))
    ]
    secret = "" if settings.secret is None else " (with the TIDELINE_SECRET that this server has)"
    return f"""\
Tideline {tideline.__version__} listens on {address}
Its data is in {settings.data}

To chat, type in two other terminals{secret}:

  {lines[0]}
  {lines[1]}
"""


def _program() -> str:
    """Return what whoever started this has to type to start it again."""
    typed = Path(sys.argv[0])
    if typed.name == "__main__.py":
        return shlex.join([sys.orig_argv[0], "-m", "tideline"])
    if shutil.which(typed.name) == str(typed):
        return typed.name
    return shlex.quote(str(typed))
