"""The limits that a server states in ``welcome.limits`` and ``/v1/info`` (protocol, section 8)."""

from msgspec import Struct


class Limits(Struct, frozen=True, kw_only=True):
    """What a client may ask for; sizes in bytes, times in seconds, all configurable."""

    frame: int = 262_144
    page_bytes: int = 786_432
    body: int = 32_768
    page: int = 1000
    history: int = 500
    snapshot: int = 500
    group_members: int = 1000
    mentions: int = 50
    title: int = 256
    reactions: int = 32
    devices: int = 100
    client_id_ttl: int = 86_400
    sends_per_second: int = 0


DEFAULT_PAGE = 200
DEFAULT_HISTORY = 50
DEFAULT_SNAPSHOT = 200
DEFAULT_MEMBERS = 200
HELLO_BYTES = 8 * 1024
NESTING = 32
SAFE_INTEGER = 2**53 - 1
