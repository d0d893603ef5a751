"""The key that signs tokens when none is given: made at random, kept in the data folder, read by its owner alone."""

import os
import secrets
from pathlib import Path

from tideline.protocol.errors import TidelineError

NAME = "secret"


def load(folder: Path) -> str:
    """Return the key in a data folder.

    Raises:
        TidelineError: if no server has made one there yet.
        OSError: if the file can't be read.
    """
    try:
        return (folder / NAME).read_text().strip()
    except FileNotFoundError:
        raise TidelineError(
            f"no secret in {folder}: start the server there once, name its folder with --data, or set TIDELINE_SECRET"
        ) from None


def load_or_make(folder: Path) -> str:
    """Return the key in a data folder, made at the first call.

    Raises:
        OSError: if the folder can't be written or the file can't be read.
    """
    path = folder / NAME
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    folder.mkdir(parents=True, exist_ok=True)
    secret = secrets.token_urlsafe(48)
    # Written aside and linked, so that of two first starts one wins whole.
    draft = folder / f".{NAME}.{os.getpid()}"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secret + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        secret = path.read_text().strip()
    finally:
        draft.unlink()
    return secret
