"""Where settings come from: the command line, then ``TIDELINE_…`` in the environment, then the file of ``--config``."""

import difflib
import tomllib
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, ArgumentCollection, CycloptsError, Parameter
from cyclopts.config import Dict, Env

from tideline.config import Settings

Config = Annotated[
    Path | None, Parameter(name="--config", env_var="TIDELINE_CONFIG", help="TOML file with settings of the server.")
]
Data = Annotated[Path, Parameter(name="--data", env_var="TIDELINE_DATA", help="Data folder of the server.")]
Store = Annotated[
    str | None,
    Parameter(
        name="--store",
        env_var="TIDELINE_STORE",
        help="URL of the PostgreSQL database that the data is in, if it is not in a data folder.",
    ),
]
AppName = Annotated[str, Parameter(name="--app", help="The app: a name space of users and conversations.")]


def _file(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Take settings from the file that ``--config`` names, those of them that the command has."""
    given = [argument.tokens for argument in arguments if argument.name == "--config" and argument.tokens]
    if given:
        path = given[0][0].value
        known = {argument.name.removeprefix("--").replace("-", "_").partition(".")[0] for argument in arguments}
        settings = {name: value for name, value in _read(Path(path)).items() if name in known}
        Dict(settings, source=path, use_commands_as_keys=False)(app, commands, arguments)


def _read(path: Path) -> dict[str, Any]:
    """Read a file of settings.

    Raises:
        CycloptsError: if it is not TOML, or names something that is no setting.
    """
    try:
        with path.open("rb") as file:
            found = tomllib.load(file)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CycloptsError(msg=f"{path} is not TOML: {error}") from None
    except OSError as error:
        raise CycloptsError(msg=f"{path}: {error.strerror}") from None
    names = [field.name for field in fields(Settings)]
    for name in found:
        if name not in names:
            similar = difflib.get_close_matches(name, names, 1)
            hint = f"; did you mean {similar[0]!r}?" if similar else ""
            raise CycloptsError(msg=f"{path}: there is no setting {name!r}{hint}")
    return found


FILE: Callable[[App, tuple[str, ...], ArgumentCollection], Any] = _file
ENVIRONMENT = Env("TIDELINE_", command=False)
"""Any option of a command; the other commands' own options have no place in the environment."""
_loader = App(config=[ENVIRONMENT, FILE])


@_loader.default
def _load(*, settings: Annotated[Settings | None, Parameter(name="*")] = None, config: Config = None) -> Settings:
    return settings or Settings()


def load(data: Path, config: Path | None, **given: str | None) -> Settings:
    """Return all settings for a command that has only some of them as options."""
    tokens = [f"--data={data}", *([f"--config={config}"] if config else [])]
    tokens += [f"--{name}={value}" for name, value in given.items() if value is not None]
    found = _loader(tokens, exit_on_error=False, print_error=False, result_action="return_value")
    assert isinstance(found, Settings)
    return found
