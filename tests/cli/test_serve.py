"""``tideline serve`` before and around serving: where settings come from, what is refused, what is said."""

import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import aiohttp
import pytest
from cyclopts import CycloptsError

from tests.harness.command import environment, tideline
from tideline.cli.configuration import load
from tideline.config import SettingsError

KEY = "k" * 32


@contextmanager
def serving(*arguments: object, **variables: str) -> Iterator[str]:
    """Start a server; give what it says until it is ready."""
    with subprocess.Popen(
        [sys.executable, "-m", "tideline", "serve", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment(**variables),
    ) as process:
        try:
            assert process.stdout is not None
            said = ""
            while "chat bob" not in said:
                line = process.stdout.readline()
                assert line, said
                said += line
            yield said
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0


def address(said: str) -> str:
    found = re.search(r"http://\S+", said)
    assert found is not None
    return found[0]


@contextmanager
def taken_port() -> Iterator[int]:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


async def test_the_command_line_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "tideline.toml"
    file.write_text("port = 0\nlimit_page = 111\nlimit_title = 111\nlimit_body = 111\n")
    arguments = ("--config", file, "--data", tmp_path / "data", "--limit-body", "333")
    variables = {"TIDELINE_LIMIT_BODY": "222", "TIDELINE_LIMIT_TITLE": "222"}
    with serving(*arguments, **variables) as said:
        async with aiohttp.ClientSession() as session, session.get(f"{address(said)}/v1/info") as answer:
            limits = (await answer.json())["limits"]
    assert (limits["page"], limits["title"], limits["body"]) == (111, 222, 333)


def test_a_file_can_be_named_in_the_environment_and_give_every_kind_of_setting(tmp_path: Path) -> None:
    file = tmp_path / "tideline.toml"
    file.write_text(
        f'port = 0\ndata = "{tmp_path / "data"}"\nheartbeat = 7.5\nlog_format = "json"\n'
        f'origins = ["https://a.example", "https://b.example"]\n[apps]\nshop = "{KEY}"\n'
    )
    with serving(TIDELINE_CONFIG=str(file)) as said:
        assert str(tmp_path / "data") in said


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("prot = 1", "there is no setting 'prot'; did you mean 'port'?"),
        ("config = 'x'", "there is no setting 'config'"),
        ("port = 'abc'", 'unable to convert "abc" into int'),
        ("port = 65536", "--port is 65536: it must be 0 to 65535"),
        ("heartbeat = 0", "--heartbeat is 0: it must be 0.05 to 3600"),
        ("heartbeat = nan", "--heartbeat is nan: it must be"),
        ("limit_page = 0", "--limit-page is 0: it must be 1 to"),
        ("algorithm = 'none'", "--algorithm is 'none': it must be HS256, HS384, HS512"),
        ("log_level = 'loud'", "loud"),
        ("secret = 'short'", "--secret is 5 bytes long: HS256 takes at least 32"),
        ("[apps]\nshop = 'short'", "--apps.shop is 5 bytes long"),
        (f"[apps]\n'a/b' = '{KEY}'", "'a/b' can't name an app"),
        ("port = ", "is not TOML"),
    ],
)
def test_a_file_that_is_wrong_is_refused_in_one_line_that_says_where(tmp_path: Path, content: str, why: str) -> None:
    file = tmp_path / "tideline.toml"
    file.write_text(content)
    with pytest.raises((CycloptsError, SettingsError)) as caught:
        load(tmp_path, file)
    if isinstance(caught.value, CycloptsError):
        caught.value.verbose = False
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_usage_that_is_wrong_is_refused_in_one_line(tmp_path: Path) -> None:
    for arguments, why in (
        (("serve", "--heartbet", "3"), "Did you mean --heartbeat?"),
        (("serve", "--config", tmp_path / "none.toml"), "none.toml: No such file or directory"),
        (("serve", "--port", "65536", "--data", tmp_path / "data"), "--port is 65536: it must be 0 to 65535"),
        (("sreve",), 'Unknown command "sreve"'),
        (("serve", "--store", "mysql://x"), "--store takes a URL that begins with postgresql://"),
    ):
        done = tideline(*arguments, TIDELINE_SECRET=KEY)
        assert done.status == 2
        assert why in done.error
    done = tideline("serve", TIDELINE_PORT="many")
    assert "TIDELINE_PORT" in done.error
    assert list(tmp_path.iterdir()) == []


def test_a_second_server_on_the_same_folder_or_port_is_refused_in_one_line(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving("--data", data, "--port", 0):
        done = tideline("serve", "--data", data, "--port", 0)
        assert done.status == 1
        assert done.error == f"tideline: {data / 'store'} is in use by another process"
    with taken_port() as port:
        done = tideline("serve", "--data", data, "--port", port)
        assert done.status == 1
        assert done.error == f"tideline: 127.0.0.1:{port} is in use by another program; choose another port with --port"
    done = tideline("serve", "--data", data, "--host", "no.such.host.invalid")
    assert done.status == 1
    assert "there is no such host" in done.error


def test_the_secret_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving("--data", data, "--port", 0):
        pass
    secret = data / "secret"
    made = secret.read_text()
    assert len(made) > 40
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    with serving("--data", data, "--port", 0) as said:
        assert made.strip() not in said
    assert secret.read_text() == made
    with serving("--data", tmp_path / "other", "--port", 0, TIDELINE_SECRET=KEY):
        assert not (tmp_path / "other" / "secret").exists()


def test_the_start_says_where_everything_is_and_what_to_type_to_chat(tmp_path: Path) -> None:
    data = tmp_path / "my data"
    with serving("--data", data, "--port", 0) as said:
        url = address(said)
        assert f"listens on {url}\n" in said
        assert f"Its data is in {data}\n" in said
        for user, peer in (("alice", "bob"), ("bob", "alice")):
            assert f"{sys.executable} -m tideline chat {user} --to {peer} --url {url} --data '{data}'\n" in said
    with serving("--data", data, "--port", 0, TIDELINE_SECRET=KEY) as said:
        assert "with the TIDELINE_SECRET that this server has" in said
        assert "--data" not in said


def test_what_to_type_is_short_when_nothing_was_chosen(tmp_path: Path) -> None:
    script = Path(sys.executable).parent / "tideline"
    link = tmp_path / "bin" / "tideline"
    link.parent.mkdir()
    link.write_text(f"#!{sys.executable}\nfrom tideline.cli import main\nmain()\n")
    link.chmod(0o755)
    assert script.parent.exists()
    with subprocess.Popen(
        ["bin/tideline", "serve", "--port", "0"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment(PYTHONPATH=os.pathsep.join(filter(None, sys.path))),
    ) as process:
        assert process.stdout is not None
        said = "".join(process.stdout.readline() for _ in range(8))
        process.send_signal(signal.SIGINT)
    assert re.search(r"^  bin/tideline chat alice --to bob --url http://127\.0\.0\.1:\d+$", said, re.MULTILINE), said
