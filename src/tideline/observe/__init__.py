"""Measuring and logging: the one place for both, one function per thing worth it."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .observer import Observer

__all__ = ["Observer"]


def __getattr__(name: str) -> Any:
    """Load the observer, and what it needs, at its first use: most commands of the command line have none."""
    if name != "Observer":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .observer import Observer

    return Observer
