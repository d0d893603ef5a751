"""Durable multi-device message synchronisation over numbered timelines.

What an application needs is here: :class:`Client`, a device of a user; :class:`Timeline` in a store that
:func:`open_store` opens, for programs that want the idea without the server; what they return and what they raise.
Everything is loaded at its first use, so that a program pays only for its side.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .client import (
        AnyEvent,
        Client,
        Conversation,
        ConversationEvent,
        Custom,
        DeviceInfo,
        Edited,
        Happened,
        MemberEvent,
        MemberInfo,
        Message,
        MessageEvent,
        OutboxFull,
        Reaction,
        ReadEvent,
        Recalled,
        Resynced,
        Sending,
        Signalled,
        Status,
        StoreInUse,
        StoreTooNew,
        Stream,
        Unconfirmed,
        UnknownEvent,
    )
    from .client.policy import Policy
    from .client.stores.contract import LocalStore
    from .client.stores.memory import MemoryStore
    from .client.stores.sqlite import SqliteStore
    from .protocol.errors import ConnectionClosed, RequestError, TidelineError
    from .protocol.limits import Limits
    from .stores.embedded import EmbeddedOptions
    from .stores.embedded import open_embedded as open_store
    from .timeline.contract import Span, StoreError, StoreFailed, StoreLocked, StoreUnavailable
    from .timeline.timeline import Timeline, TimelineEntry

__version__ = "0.1.0"

__all__ = [
    "AnyEvent",
    "Client",
    "ConnectionClosed",
    "Conversation",
    "ConversationEvent",
    "Custom",
    "DeviceInfo",
    "Edited",
    "EmbeddedOptions",
    "Happened",
    "Limits",
    "LocalStore",
    "MemberEvent",
    "MemberInfo",
    "MemoryStore",
    "Message",
    "MessageEvent",
    "OutboxFull",
    "Policy",
    "Reaction",
    "ReadEvent",
    "Recalled",
    "RequestError",
    "Resynced",
    "Sending",
    "Signalled",
    "Span",
    "SqliteStore",
    "Status",
    "StoreError",
    "StoreFailed",
    "StoreInUse",
    "StoreLocked",
    "StoreTooNew",
    "StoreUnavailable",
    "Stream",
    "TidelineError",
    "Timeline",
    "TimelineEntry",
    "Unconfirmed",
    "UnknownEvent",
    "__version__",
    "open_store",
]

_ELSEWHERE = {
    "EmbeddedOptions": "tideline.stores.embedded",
    "Limits": "tideline.protocol.limits",
    "LocalStore": "tideline.client.stores.contract",
    "MemoryStore": "tideline.client.stores.memory",
    "Policy": "tideline.client.policy",
    "SqliteStore": "tideline.client.stores.sqlite",
    **dict.fromkeys(("ConnectionClosed", "RequestError", "TidelineError"), "tideline.protocol.errors"),
    **dict.fromkeys(
        ("Span", "StoreError", "StoreFailed", "StoreLocked", "StoreUnavailable"), "tideline.timeline.contract"
    ),
    **dict.fromkeys(("Timeline", "TimelineEntry"), "tideline.timeline.timeline"),
}
"""Where a name is, if not in ``tideline.client``."""


if not TYPE_CHECKING:  # else every name would be one, to a type checker

    def __getattr__(name: str) -> Any:
        """Load a public name at its first use."""
        if name not in __all__:
            raise AttributeError(f"module 'tideline' has no attribute {name!r}")
        if name == "open_store":
            value = import_module("tideline.stores.embedded").open_embedded
        else:
            value = getattr(import_module(_ELSEWHERE.get(name, "tideline.client")), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__})
