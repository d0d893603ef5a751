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
