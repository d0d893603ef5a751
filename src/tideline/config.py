"""All settings of a server, in one place.

Each can be given on the command line (``--batch-records 4096``), in the environment (``TIDELINE_BATCH_RECORDS``)
and in a TOML file (``batch_records = 4096``); the first of these that has it wins. All are documented in
``docs/reference/settings.md``.
"""

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tideline.observe.logs import LogFormat, LogLevel
from tideline.protocol.errors import TidelineError
from tideline.protocol.limits import Limits
from tideline.protocol.names import is_name

_LIMITS = Limits()
_LOOPBACK_NAME = "localhost"
MEBIBYTE = 2**20


class SettingsError(TidelineError):
    """Settings that a server refuses."""


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == _LOOPBACK_NAME


_RANGES: dict[str, tuple[float, float]] = {
    "port": (0, 65_535),
    "store_connections": (1, 1000),
    "store_timeout": (0.1, 3600),
    "heartbeat": (0.05, 3600),
    "hello_timeout": (0.05, 3600),
    "drain_timeout": (0.05, 3600),
    "high_water": (1, 2**31),
    "max_in_flight": (1, 2**20),
    "batch_records": (1, 2**20),
    "retry_after": (0, 3600),
    "drain": (0, 3600),
    "block_cache": (MEBIBYTE, 2**40),
    "write_buffer": (MEBIBYTE, 2**34),
    "wal_limit": (MEBIBYTE, 2**40),
    "cached_heads": (1, 2**40),
    "cached_members": (1, 2**40),
    "limit_frame": (1024, 2**28),
    "limit_page_bytes": (1024, 2**28),
    "limit_body": (1, 2**28),
    "limit_page": (1, 2**20),
    "limit_history": (1, 2**20),
    "limit_snapshot": (1, 2**20),
    "limit_group_members": (1, 2**20),
    "limit_mentions": (0, 2**20),
    "limit_title": (0, 2**20),
    "limit_reactions": (0, 2**20),
    "limit_devices": (1, 2**20),
    "limit_client_id_ttl": (1, 2**31),
    "limit_sends_per_second": (0, 2**31),
}
"""The lowest and the highest value of every number."""
_HS256 = "HS256"
_ALGORITHMS = {"HS256": 32, "HS384": 48, "HS512": 64}
"""How long a key has to be, in bytes."""


def _help(text: str) -> Parameter:
    return Parameter(help=text)


def _check_key(name: str, key: str, algorithm: str) -> None:
    size, least = len(key.encode()), _ALGORITHMS[algorithm]
    if size < least:
        raise SettingsError(
            f"{name} is {size} bytes long: {algorithm} takes at least {least} (openssl rand -base64 {least})"
        )


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a server can be told; sizes in bytes, times in seconds."""

    host: Annotated[str, _help("Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, _help("Port to listen on; 0 takes a free one.")] = 8420
    data: Annotated[Path, _help("Folder of the embedded store.")] = Path("data")
    store: Annotated[
        str | None,
        _help(
            "URL of a PostgreSQL database (postgresql://user@host/name) to keep everything in instead, for any number "
            "of nodes; made ready by 'tideline migrate'."
        ),
    ] = None
    bus: Annotated[
        str | None,
        _help(
            "URLs of NATS servers (nats://host:4222,nats://…) between the nodes of a store; without them, hints go "
            "by the database's LISTEN/NOTIFY."
        ),
    ] = None
    store_connections: Annotated[int, _help("Connections to the database, at most.")] = 8
    store_distributed: Annotated[
        bool, _help("The database is distributed by Citus: write to one table per statement.")
    ] = False
    store_timeout: Annotated[float, _help("Seconds after which the database counts as unavailable.")] = 5.0
    secret: Annotated[
        str | None,
        Parameter(
            help="Key that signs tokens of the app 'main'; without it one is made at the first start and kept in "
            "the data folder. Better given as TIDELINE_SECRET than on the command line.",
            show_default=False,
        ),
    ] = None
    algorithm: Annotated[str, _help("JWT algorithm of the app 'main'.")] = "HS256"
    apps: Annotated[dict[str, str], _help("Keys of further apps by name; each is a name space of its own.")] = field(
        default_factory=dict
    )
    demo: Annotated[bool, _help("Let anyone on this machine sign in by picking a name. Loopback only.")] = False
    scene: Annotated[bool, _help("Whether a demo plays a scene of simulated users.")] = True
    origins: Annotated[tuple[str, ...], _help("Origins of pages, besides the server's own, that may connect.")] = ()

    heartbeat: Annotated[float, _help("Seconds of silence after which a device pings.")] = 30.0
    hello_timeout: Annotated[float, _help("Seconds that a connection has to say hello.")] = 10.0
    drain_timeout: Annotated[float, _help("Seconds that a full outgoing buffer has to drain.")] = 30.0
    high_water: Annotated[int, _help("Bytes of outgoing buffer over which a connection turns behind.")] = 262_144
    max_in_flight: Annotated[int, _help("Requests in flight at which a connection is not read from.")] = 1024
    batch_records: Annotated[int, _help("Records at which a batch is full.")] = 8192
    retry_after: Annotated[float, _help("Seconds over which devices come back after a restart.")] = 2.0
    drain: Annotated[
        float, _help("Seconds over which a node that stops moves its devices to the other nodes of its store.")
    ] = 10.0

    block_cache: Annotated[int, _help("Memory for what was read from the store.")] = 64 * MEBIBYTE
    write_buffer: Annotated[int, _help("Memory for what was written, per large column family.")] = 16 * MEBIBYTE
    wal_limit: Annotated[int, _help("Write-ahead log to replay after a crash, at most.")] = 64 * MEBIBYTE
    cached_heads: Annotated[int, _help("Heads of timelines kept in memory, about 130 bytes each.")] = 2_000_000
    cached_members: Annotated[int, _help("Members of conversations kept in memory.")] = 131_072

    log_level: Annotated[LogLevel, _help("Least important log events to write.")] = "info"
    log_format: Annotated[LogFormat, _help("Log events for people, or one JSON object a line.")] = "text"

    limit_frame: Annotated[int, _help("Bytes of one WebSocket message from a client.")] = _LIMITS.frame
    limit_page_bytes: Annotated[int, _help("Bytes of one WebSocket message to a client.")] = _LIMITS.page_bytes
    limit_body: Annotated[int, _help("Bytes of a message's body.")] = _LIMITS.body
    limit_page: Annotated[int, _help("Entries of a page.")] = _LIMITS.page
    limit_history: Annotated[int, _help("Messages of one answer to history.")] = _LIMITS.history
    limit_snapshot: Annotated[int, _help("Conversations of one page of a snapshot.")] = _LIMITS.snapshot
    limit_group_members: Annotated[int, _help("Members of a group.")] = _LIMITS.group_members
    limit_mentions: Annotated[int, _help("Mentions of a message.")] = _LIMITS.mentions
    limit_title: Annotated[int, _help("Bytes of a title.")] = _LIMITS.title
    limit_reactions: Annotated[int, _help("Kinds of reactions to a message.")] = _LIMITS.reactions
    limit_devices: Annotated[int, _help("Devices of a user.")] = _LIMITS.devices
    limit_client_id_ttl: Annotated[int, _help("Seconds that an idempotency key is remembered, at least.")] = (
        _LIMITS.client_id_ttl
    )
    limit_sends_per_second: Annotated[int, _help("Sends a second of one connection; 0: no limit.")] = (
        _LIMITS.sends_per_second
    )

    def __post_init__(self) -> None:
        """Refuse settings that can't work, or would be dangerous.

        Raises:
            SettingsError: for the first one; the message names it.
        """
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise SettingsError(f"{_option(name)} is {value:g}: it must be {low:g} to {high:g}")
        if self.algorithm not in _ALGORITHMS:
            raise SettingsError(f"--algorithm is {self.algorithm!r}: it must be {', '.join(_ALGORITHMS)}")
        if self.secret is not None:
            _check_key("--secret", self.secret, self.algorithm)
        for app, key in self.apps.items():
            if not is_name(app):
                raise SettingsError(f"--apps: {app!r} can't name an app")
            _check_key(f"--apps.{app}", key, _HS256)
        if self.store is not None and not self.store.startswith(("postgresql://", "postgres://")):
            raise SettingsError("--store takes a URL that begins with postgresql://")
        if self.bus is not None and self.store is None:
            raise SettingsError("--bus is between the nodes of one --store")
        if self.demo and not is_loopback(self.host):
            raise SettingsError(f"--demo lets everyone be anyone: only on loopback, not on {self.host}")

    @property
    def limits(self) -> Limits:
        """The limits that clients are told."""
        return Limits(**{name: getattr(self, f"limit_{name}") for name in Limits.__struct_fields__})
