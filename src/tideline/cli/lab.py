"""``tideline lab``: the models of synchronisation side by side; the lab is a package of its own, loaded when used."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from tideline.protocol.errors import TidelineError

lab = App(name="lab", help="Run models of message synchronisation side by side, and measure what each costs.")

RESULTS = Path("lab-results.json")
PAGE = Path("lab-report.html")


@lab.command
def run(
    *,
    scenario: Annotated[
        tuple[str, ...],
        Parameter(
            help="Scenario to run, can be repeated; default: all. See 'scenarios'.", negative="", show_default=False
        ),
    ] = (),
    model: Annotated[
        tuple[str, ...],
        Parameter(help="Model to run, can be repeated; default: all.", negative="", show_default=False),
    ] = (),
    set_: Annotated[
        tuple[str, ...],
        Parameter(
            name="--set",
            help="Change a parameter: devices=4, loss=0.1 … can be repeated.",
            negative="",
            show_default=False,
        ),
    ] = (),
    quick: Annotated[bool, Parameter(help="Two values of each scenario, and few messages.", negative="")] = False,
    out: Annotated[Path, Parameter(help="File for the results.")] = RESULTS,
    chat: Annotated[
        Path, Parameter(help="Folder with the Ubuntu IRC logs; without them a bundled excerpt is used.")
    ] = Path("../shared/data/ubuntu-irc"),
    folder: Annotated[
        Path | None, Parameter(help="Folder whose disk the stores are on; default: the one for temporary files.")
    ] = None,
) -> int:
    """Run the models, and keep what was measured as JSON."""
    with _present():
        from tideline_lab import commands
    return commands.run(scenario, model, set_, quick=quick, out=out, chat_folder=chat, folder=folder)


@lab.command
def report(
    results: Path = RESULTS,
    /,
    *,
    out: Annotated[Path, Parameter(help="File for the page.")] = PAGE,
    plots: Annotated[Path | None, Parameter(help="Folder for the charts as SVG files.")] = None,
) -> int:
    """Make one HTML page of results, and the charts as files."""
    with _present():
        from tideline_lab import commands
    return commands.report(results, out, plots)


@lab.command
def scenarios() -> int:
    """List the scenarios."""
    with _present():
        from tideline_lab import commands
    return commands.scenarios()


@contextmanager
def _present() -> Iterator[None]:
    """Say clearly when the lab is not there."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "tideline_lab":
            raise
        raise TidelineError("the lab is not installed: this build of Tideline has no package tideline_lab") from error
