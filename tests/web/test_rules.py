"""What holds of the browser's side without a browser."""

import re
from pathlib import Path

import pytest

from tideline.config import Settings, SettingsError


def test_no_file_of_the_pages_names_another_place() -> None:
    root = Path(__file__).parents[2] / "web"
    parts = ("chat", "client/src", "inspect", "shared")
    files = [path for part in parts for path in (root / part).rglob("*") if path.is_file()]
    assert len(files) > 30
    for path in files:
        text = path.read_text()
        found = re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"']*", text)
        assert [url for url in found if not _harmless(url)] == [], path
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text), path


def _harmless(url: str) -> bool:
    """The name space of SVG is a name; addresses in comments are examples."""
    return "www.w3.org/2000/svg" in url or "chat.example" in url


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "chat.example", "::"])
def test_a_demo_is_refused_where_others_could_reach_it(host: str) -> None:
    with pytest.raises(SettingsError, match="loopback"):
        Settings(host=host, demo=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_a_demo_runs_on_loopback(host: str) -> None:
    assert Settings(host=host, demo=True).demo
