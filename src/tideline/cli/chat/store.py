"""Where a chat keeps what it knows between two starts: one file per server, app, user and device."""

import os
from pathlib import Path
from urllib.parse import quote, urlsplit

from tideline.gateway.auth import MAIN
from tideline.protocol.errors import TidelineError


def path(url: str, app: str, user: str, device: str) -> Path:
    """Return the file, whose folder is made for its user alone.

    Raises:
        TidelineError: if the URL names no server.
        OSError: if the folder can't be made.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise TidelineError(f"{url!r} is no URL of a server: http://host:port")
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    server = quote(parts.netloc, safe="") + ("" if app == MAIN else f"+{quote(app, safe='')}")
    folder = Path(state) / "tideline" / server
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / f"{quote(user, safe='')}+{quote(device, safe='')}.db"
