"""The specification and the tests know of each other: no number without a test, no test of the kit without a number."""

import ast
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "spec" / "sync.md"
KIT = ("model", "simulation", "faults", "fuzz", "conformance")
NUMBER = re.compile(r"^\| \*\*([A-Z]\d+(?:\.\d+)?)\*\* \|(.*)$", re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py)::([\w*]+)`")


def named_in(path: Path) -> set[str]:
    """Return the names of tests, and of classes of tests, in a file."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            found.add(node.name)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found |= {node.targets[0].id} if node.targets[0].id.startswith("Test") else set()
    return found


def numbers() -> dict[str, list[tuple[str, str]]]:
    return {number: TEST.findall(row) for number, row in NUMBER.findall(PAGE.read_text())}


def test_every_number_names_a_test() -> None:
    found = numbers()
    assert len(found) > 30
    assert [number for number, tests in found.items() if not tests and not number.startswith("G")] == []


def test_a_number_is_used_once() -> None:
    used = [number for number, _ in NUMBER.findall(PAGE.read_text())]
    assert len(used) == len(set(used))


def test_every_test_that_is_named_is_there() -> None:
    missing = []
    for tests in numbers().values():
        for path, name in tests:
            if not (ROOT / path).exists() or (name != "*" and name not in named_in(ROOT / path)):
                missing.append(f"{path}::{name}")
    assert missing == []


def test_every_test_of_the_kit_is_named_by_a_number() -> None:
    named = {test for tests in numbers().values() for test in tests}
    there = {
        (str(path.relative_to(ROOT)), name)
        for part in KIT
        for path in (ROOT / "tests" / part).glob("test_*.py")
        for name in named_in(path)
    }
    assert sorted(there - named) == []


def test_the_machines_are_drawn_as_their_tables_are() -> None:
    drawn = subprocess.run([sys.executable, ROOT / "scripts" / "draw-machines", "--check"], check=False)
    assert drawn.returncode == 0, "run scripts/draw-machines"
