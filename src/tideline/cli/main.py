"""``tideline``: the commands, and how errors are told."""

import sys
from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import App, Parameter
from rich.console import Console

import tideline
from tideline.config import Settings
from tideline.protocol.errors import TidelineError

from .lab import lab

app = App(
    name="tideline",
    help="Durable multi-device messaging: every user has one numbered timeline, a device is a cursor into it.",
    version=tideline.__version__,
    config=[cyclopts.config.Env("TIDELINE_", command=False)],
)
app.command(lab)


@app.command
def serve(
    *,
    settings: Annotated[Settings | None, Parameter(name="*")] = None,
    config: Annotated[Path | None, Parameter(help="TOML file with settings.")] = None,
) -> int:
    """Run the server."""
    from .serving import serve as run

    return run(settings or Settings(), config)


@app.command
def migrate(*, store: Annotated[str, Parameter(help="URL of the PostgreSQL database.")]) -> int:
    """Make or bring up to date the schema of a PostgreSQL database."""
    from .database import migrate as run

    return run(store)


@app.command
def new_epoch(
    *,
    store: Annotated[str, Parameter(help="URL of the PostgreSQL database.")],
    apps: Annotated[tuple[str, ...], Parameter(name="app", help="App to do it for; default: all.")] = (),
) -> int:
    """Give restored data a new epoch, so that every device takes a snapshot. Stop all nodes before."""
    from .database import new_epoch as run

    return run(store, apps)


def main() -> None:
    """Run the command line: errors in one line, exit status 1, or 2 for wrong usage."""
    try:
        status = app()
    except TidelineError as error:
        Console(stderr=True).print(f"[red]tideline:[/] {error}", highlight=False)
        sys.exit(1)
    except OSError as error:
        Console(stderr=True).print(f"[red]tideline:[/] {error}", highlight=False)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)
