"""What the documents say is there, and what they show runs."""

import asyncio
import inspect
import os
import re
import subprocess
import sys
import urllib.parse
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

import tideline
from tests.harness.server import ServerProcess

StartServer = Callable[..., AbstractAsyncContextManager[ServerProcess]]

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
TUTORIAL = ROOT / "docs" / "tutorial.md"
REFERENCE = "".join(
    (ROOT / "docs" / "reference" / name).read_text() for name in ("python-client.md", "timeline-library.md")
)


_IGNORED = {".venv", "node_modules", ".git", "data", "dist"}
DOCUMENTS = sorted(
    path for path in ROOT.rglob("*.md") if not _IGNORED.intersection(path.relative_to(ROOT).parts) and path.is_file()
)

_PYTHON = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


def programs(document: Path) -> list[str]:
    """The Python programs that a document shows."""
    return _PYTHON.findall(document.read_text())


def links(document: Path) -> list[str]:
    """Relative links, as they are written."""
    found: list[str] = _LINK.findall(_CODE.sub("", document.read_text()))
    return [link for link in found if not urllib.parse.urlsplit(link).scheme]


def anchors(document: Path) -> set[str]:
    """The names that code hosts give to headings."""
    headings = _HEADING.findall(re.sub(r"^```.*?^```", "", document.read_text(), flags=re.DOTALL | re.MULTILINE))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    broken = []
    for link in links(document):
        path, _, anchor = link.partition("#")
        target = (document.parent / urllib.parse.unquote(path)).resolve() if path else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_program_in_a_document_compiles(document: Path) -> None:
    for place, program in enumerate(programs(document)):
        compile(program, f"{name(document)}, program {place + 1}", "exec")


@pytest.mark.parametrize("public", sorted(tideline.__all__))
def test_every_public_name_is_there_and_in_the_reference(public: str) -> None:
    assert hasattr(tideline, public)
    assert re.search(rf"\b{public}\b", REFERENCE)


@pytest.mark.parametrize("of", [tideline.Client, tideline.Sending, tideline.Timeline], ids=lambda of: of.__name__)
def test_every_public_method_is_in_the_reference(of: type) -> None:
    methods = [method for method, _ in inspect.getmembers(of) if not method.startswith("_")]
    internal = {"settle", "interrupt", "resume"}  # the session's side of a Sending
    assert [method for method in methods if method not in internal and f"`{method}" not in _calls(REFERENCE)] == []


def _calls(text: str) -> str:
    """Let ``await send(…)`` begin with the method."""
    return text.replace("`await ", "`").replace("`async for message in ", "`")


def test_a_name_that_is_not_public_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Klient'"):
        _ = tideline.Klient  # type: ignore[attr-defined]


def test_importing_the_package_loads_neither_client_nor_store() -> None:
    loaded = "import sys, tideline; print(sorted(set(sys.modules) & {'aiohttp', 'rocksdict', 'msgspec', 'asyncio'}))"
    assert subprocess.check_output([sys.executable, "-c", loaded], text=True).strip() == "[]"


async def run(program: str, folder: Path, **environment: str) -> list[str]:
    """Run a program as a reader would: in a file of its own; return what it prints."""
    file = folder / "program.py"
    file.write_text(program)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(file),
        cwd=folder,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(30):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, output.decode()
    return output.decode().splitlines()


async def test_the_client_example_of_the_readme_runs(start_server: StartServer, tmp_path: Path) -> None:
    (program,) = [each for each in programs(README) if "tideline.Client(" in each]
    async with start_server() as server:
        tokens = {"ALICE": server.token("alice"), "BOB": server.token("bob")}
        said = await run(program, tmp_path, TIDELINE_URL=server.url, **tokens)
        assert said == ["message 1 of d:alice~bob", "alice: The tide is in.", "1 unread in d:alice~bob, cursor 1"]
        said = await run(program, tmp_path, TIDELINE_URL=server.url, **tokens)
        assert said == ["message 2 of d:alice~bob", "alice: The tide is in.", "2 unread in d:alice~bob, cursor 2"]


async def test_the_library_example_of_the_readme_runs(tmp_path: Path) -> None:
    (program,) = [each for each in programs(README) if "tideline.open_store(" in each]
    assert await run(program, tmp_path) == ["1 two coffees", "2 one tea"]


async def test_the_example_of_embedding_runs(tmp_path: Path) -> None:
    (program,) = programs(ROOT / "docs" / "how-to" / "embed-the-timeline.md")
    said = await run(program, tmp_path)
    assert said == ["1 2 3", '1 {"item": "coffee"}', '2 {"item": "tea"}', '3 {"item": "cake"}']


async def test_the_bot_of_the_tutorial_answers_what_came_while_it_was_off(
    start_server: StartServer, tmp_path: Path
) -> None:
    (program,) = [each for each in programs(TUTORIAL) if "You said" in each]
    async with start_server() as server:
        (tmp_path / "echo.py").write_text(program.replace("http://127.0.0.1:8420", server.url))
        async with tideline.Client(server.url, server.token("alice"), device="phone") as alice, asyncio.timeout(30):
            await alice.synced()
            events = alice.events()
            for text in ("one", "two"):
                await (await alice.send("echo", text)).sent()
            for turn in (["one", "two"], ["three"]):
                bot = await asyncio.create_subprocess_exec(
                    sys.executable, "echo.py", cwd=tmp_path, env={**os.environ, "TOKEN": server.token("echo")}
                )
                try:
                    answers = [event.message.body["text"] async for event in _said_by("echo", events, len(turn))]
                finally:
                    bot.terminate()
                    await bot.wait()
                assert answers == [f"You said: {text}" for text in turn]
                await (await alice.send("echo", "three")).sent()


async def _said_by(
    user: str, events: tideline.Stream[tideline.Happened], count: int
) -> AsyncIterator[tideline.MessageEvent]:
    while count:
        event = await anext(events)
        if isinstance(event, tideline.MessageEvent) and event.message.sender == user:
            yield event
            count -= 1
