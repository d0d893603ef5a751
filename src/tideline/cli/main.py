"""``tideline``: the commands, and how errors are told."""

import os
import sys

from cyclopts import App, CycloptsError, Group, Parameter
from rich.console import Console
from rich.text import Text

import tideline
from tideline.config import SettingsError
from tideline.protocol.errors import TidelineError

from .configuration import ENVIRONMENT, FILE

app = App(
    name="tideline",
    help="Durable multi-device messaging: every user has one numbered timeline, a device is a cursor into it.",
    version=tideline.__version__,
    help_format="plaintext",
    group_parameters=Group("Options"),
    config=[FILE],
    # No --empty-… for every option that can be repeated.
    default_parameter=Parameter(negative_iterable=()),
)
_SERVER = Group("The server", sort_key=1)
_CHAT = Group("Chat", sort_key=2)
_DATA = Group("The server's data", sort_key=3)
_MORE = Group("More", sort_key=4)

# By path, so that a command imports only what it needs itself.
app.command("tideline.cli.serving:serve", group=_SERVER, config=[ENVIRONMENT, FILE])
app.command("tideline.cli.tokens:token", group=_SERVER)
app.command("tideline.cli.chat.command:chat", group=_CHAT)
app.command("tideline.cli.messages:send", group=_CHAT)
app.command("tideline.cli.messages:history", group=_CHAT)
app.command("tideline.cli.tailing:tail", group=_CHAT)
app.command("tideline.cli.listing:conversations", group=_CHAT)
app.command("tideline.cli.listing:devices", group=_CHAT)
app.command("tideline.cli.importing:import_", name="import", group=_DATA)
app.command("tideline.cli.exporting:export", group=_DATA)
app.command("tideline.cli.checking:check_", name="check", group=_DATA)
app.command("tideline.cli.database:migrate", group=_DATA)
app.command("tideline.cli.database:new_epoch", group=_DATA)
app.command("tideline.cli.conforming:conformance", group=_MORE)
app.command("tideline.cli.lab:lab", group=_MORE)


def main() -> None:
    """Run the command line: errors in one line, exit status 1, or 2 for wrong usage."""
    sys.exit(run())


def run() -> int:
    """Run the command line; return the exit status."""
    if sys.argv[1:2] in ([], ["--help"], ["-h"]):
        # What a command does is said where it is: to tell it, all have to be loaded.
        for name in app:
            app[name]
    try:
        status = app(exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        error.verbose = False
        _tell(str(error))
        return 2
    except BrokenPipeError:
        # Whoever read our output has enough; what is still buffered goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except SettingsError as error:
        _tell(str(error))
        return 2
    except TidelineError as error:
        _tell(str(error))
        return 1
    except OSError as error:
        _tell(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    return status if isinstance(status, int) else 0


def _tell(message: str) -> None:
    line = Text.assemble(("tideline: ", "red"), " ".join(message.split()))
    Console(stderr=True).print(line, soft_wrap=True, highlight=False)
