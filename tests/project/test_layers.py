"""Imports point down, cores do no I/O, and every file is one idea of a size that fits."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "tideline"
MODULES = sorted(SOURCE.rglob("*.py"))
LINES = 400
"""A file has fewer."""

BELOW: dict[str, set[str]] = {
    "protocol": set(),
    "bus": set(),
    "observe": set(),
    "collector": set(),
    "client": {"protocol"},
    "timeline": {"protocol"},
    "secret": {"protocol"},
    "conformance": {"protocol"},
    "demo": {"client", "protocol"},
    "stores": {"timeline", "protocol"},
    "check": {"timeline", "protocol"},
    "delivery": {"bus", "observe", "timeline", "protocol"},
    "transfer": {"delivery", "timeline", "protocol"},
    "gateway": {"delivery", "observe", "timeline", "protocol"},
    "config": {"observe", "protocol"},
    "data": {"config", "delivery", "observe", "stores", "timeline", "protocol"},
}
"""What each package may import of ours; those that are not here, the ones that wire, may import everything below."""

WIRING = ["app", "cli", "__main__", "__init__"]
"""From the lowest up: each may import what is before it, and all of the above."""

CORES = [
    *sorted((SOURCE / "protocol").rglob("*.py")),
    *(
        SOURCE / "delivery" / f"{name}.py"
        for name in ("outbox", "plan", "sending", "groups", "states", "commands", "feed")
    ),
    *(SOURCE / "timeline" / f"{name}.py" for name in ("refs", "records", "changes", "bounded")),
    SOURCE / "gateway" / "frames.py",
    SOURCE / "gateway" / "deliver.py",
    SOURCE / "gateway" / "bucket.py",
    *(SOURCE / "client" / f"{name}.py" for name in ("core", "sync", "position", "outbox", "calls", "table", "ranges")),
]
IO = {"asyncio", "socket", "time", "datetime", "random", "secrets", "uvloop", "aiohttp", "rocksdict", "asyncpg"}


def layer_of(module: Path) -> str:
    """Return the package, or the file directly in the root, that a file is of."""
    return module.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(module: Path) -> Iterator[str]:
    """Return the full names of all that a file imports, also inside of functions and under TYPE_CHECKING."""
    package = ["tideline", *module.relative_to(SOURCE).parts[:-1]]
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            begin = ".".join(package[: len(package) - node.level + 1]) + "." if node.level else ""
            base = begin + (node.module or "")
            if base.rstrip(".") == "tideline":
                yield from (f"tideline.{alias.name}" for alias in node.names)
            else:
                yield base


def ours(module: Path) -> set[str]:
    """Return the layers of ours that a file imports, its own left out."""
    found = {name.split(".")[1] for name in imports(module) if name.startswith("tideline.") and name != "tideline."}
    return {name for name in found if (SOURCE / name).is_dir() or (SOURCE / f"{name}.py").exists()} - {layer_of(module)}


def name_of(module: Path) -> str:
    return str(module.relative_to(SOURCE))


def test_every_package_has_its_place() -> None:
    assert {layer_of(module) for module in MODULES} == set(BELOW) | set(WIRING)


def test_the_table_itself_points_down() -> None:
    placed: set[str] = set()
    waiting = dict(BELOW)
    while waiting:
        lowest = {name for name, below in waiting.items() if below <= placed}
        assert lowest, f"a circle: {sorted(waiting)}"
        placed |= lowest
        waiting = {name: below for name, below in waiting.items() if name not in lowest}


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_imports_point_down(module: Path) -> None:
    layer = layer_of(module)
    allowed = BELOW[layer] if layer in BELOW else {*BELOW, *WIRING[: WIRING.index(layer)]}
    assert ours(module) <= allowed


@pytest.mark.parametrize("folder", ["stores", "client/stores"])
def test_backends_know_nothing_of_each_other(folder: str) -> None:
    backends = {path.stem for path in (SOURCE / folder).iterdir() if not path.stem.startswith("_")}
    for module in (SOURCE / folder).rglob("*.py"):
        own = module.relative_to(SOURCE / folder).parts[0].removesuffix(".py")
        prefix = "tideline." + folder.replace("/", ".") + "."
        others = {name.removeprefix(prefix).split(".")[0] for name in imports(module) if name.startswith(prefix)}
        assert own.startswith("_") or others & (backends - {"contract"}) <= {own}, module


@pytest.mark.parametrize("module", CORES, ids=name_of)
def test_cores_do_no_io_and_read_no_clock(module: Path) -> None:
    assert not {name.split(".")[0] for name in imports(module)} & IO


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_a_file_is_one_idea_of_a_size_that_fits(module: Path) -> None:
    text = module.read_text()
    assert text.count("\n") < LINES
    assert ast.get_docstring(ast.parse(text)), "says what it is"
    words = {*module.relative_to(SOURCE).parts[:-1], module.stem}
    assert not words & {"util", "utils", "helpers", "common", "misc", "tools", "base"}


@pytest.mark.parametrize("module", [each for each in MODULES if each.name == "__init__.py"], ids=name_of)
def test_an_init_file_holds_no_logic(module: Path) -> None:
    """It only gathers names, some of them when they are asked for."""
    for node in ast.parse(module.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            assert node.name in ("__getattr__", "__dir__")
        elif isinstance(node, ast.If):
            assert ast.unparse(node.test) in ("TYPE_CHECKING", "not TYPE_CHECKING")
        else:
            assert isinstance(node, ast.Import | ast.ImportFrom | ast.Assign | ast.AnnAssign | ast.Expr)
