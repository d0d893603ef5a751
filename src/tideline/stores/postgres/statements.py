"""The statements of ``statements.sql``, by name."""

import re
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources

_BEGIN = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def _load() -> dict[str, str]:
    _, *parts = _BEGIN.split(resources.files(__package__).joinpath("statements.sql").read_text())
    return {name: text.strip() for name, text in zip(parts[::2], parts[1::2], strict=True)}


STATEMENTS = _load()
"""Statement by name; parameters are ``$1`` …"""

_PARAMETER = re.compile(r"\$(\d+)")


@lru_cache(256)
def combined(names: Sequence[str]) -> str:
    """Join statements that write into one, with the parameters of all in order: one round trip instead of many.

    They see the same snapshot, so none may build on what another writes.
    """
    parts, before = [], 0
    for name in names:
        text = STATEMENTS[name]
        shift = before
        parts.append(_PARAMETER.sub(lambda found, shift=shift: f"${int(found[1]) + shift}", text))  # type: ignore[misc]
        before += max(int(number) for number in _PARAMETER.findall(text))
    *others, last = parts
    return "WITH " + ", ".join(f"{name} AS ({text})" for name, text in zip(names, others)) + "\n" + last  # noqa: B905
