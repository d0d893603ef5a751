"""The reference is complete: what can be typed, set, measured, and what can go wrong is in it."""

import re
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from cyclopts import App

from tideline.cli.main import app
from tideline.config import _RANGES, Settings
from tideline.observe.metrics import Metrics
from tideline.protocol.errors import ERRORS, NO_RECONNECT, Close

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
HELP = {"--help", "-h", "--version"}


def page(name: str) -> str:
    return (REFERENCE / f"{name}.md").read_text()


def rows(text: str) -> dict[str, list[str]]:
    """Return the cells of all rows of tables whose first cell is code."""
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if cells and (name := re.fullmatch(r"`(\S+)`", cells[0])):
            found[name[1]] = cells[1:]
    return found


def commands(of: App, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], App]]:
    for name in of:
        if name not in HELP:
            command = of[name]
            inner = list(commands(command, (*above, name)))
            yield from inner or [((*above, name), command)]


def test_every_command_and_every_option_is_documented() -> None:
    text = page("cli")
    common = text.split("\n## ")[0]
    settings = {f"--{field.name.replace('_', '-')}" for field in fields(Settings)}
    names = [name for name, _ in commands(app)]
    assert ("chat",) in names
    assert ("lab", "run") in names
    for name, command in commands(app):
        section = re.search(rf"^### {name[0]}$(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
        assert section is not None, name
        assert f"`tideline {' '.join(name)}" in section[1], name
        for argument in command.assemble_argument_collection():
            options = [each for each in argument.names if each.startswith("--")]
            for option in options:
                # The app takes no --empty-…, and --no-… goes without saying.
                if option.startswith(("--no-", "--empty-")):
                    continue
                known = section[1] + (common if len(name) == 1 else "")
                if name == ("serve",) and option in settings:
                    continue
                assert re.search(rf"`{option}\b", known), f"{' '.join(name)} {option}"


def test_every_setting_is_documented_with_its_default_and_its_least_value() -> None:
    found = rows(page("settings"))
    for field in fields(Settings):
        cells = found.pop(field.name)
        assert cells[0] == shown(field), field.name
        least = _RANGES.get(field.name, (None, None))[0]
        if least is not None:
            assert cells[1] == f"{least}", field.name
    assert found == {}


def shown(field: "Field[Any]") -> str:
    """Return a default as the page writes it."""
    value = field.default
    if value is MISSING or value in (None, ()):
        return "none"
    return f"`{str(value).lower()}`" if isinstance(value, bool) else f"`{value}`"


def test_every_metric_is_documented_with_its_kind_and_labels() -> None:
    found = rows(page("metrics"))
    for metric in Metrics().registry.collect():
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        cells = found.pop(name)
        assert cells[0] == metric.type
    assert found == {}
    for collector in vars(Metrics()).values():
        for label in getattr(collector, "_labelnames", ()):
            name = collector._name + ("_total" if collector._type == "counter" else "")
            assert f"`{label}`" in rows(page("metrics"))[name][1], name


def test_every_error_code_is_documented_with_what_follows_from_it() -> None:
    found = rows(page("errors"))
    for code, trait in ERRORS.items():
        assert found[code][:2] == [str(trait.status), "yes" if trait.retry else "no"], code
    known = {name for name, cells in found.items() if cells[0].isdigit()}
    assert known == set(ERRORS)


def test_every_close_code_is_documented_with_whether_to_come_again() -> None:
    table = re.findall(r"^\| (\d{4}) \| `(\w+)` \| (yes|no) \|", page("errors"), re.MULTILINE)
    assert table == [(str(code.value), code.name, "no" if code in NO_RECONNECT else "yes") for code in Close]
