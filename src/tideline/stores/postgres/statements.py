"""The statements of ``statements.sql``, by name."""

import re
from importlib import resources

_BEGIN = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def _load() -> dict[str, str]:
    _, *parts = _BEGIN.split(resources.files(__package__).joinpath("statements.sql").read_text())
    return {name: text.strip() for name, text in zip(parts[::2], parts[1::2], strict=True)}


STATEMENTS = _load()
"""Statement by name; parameters are ``$1`` …"""
