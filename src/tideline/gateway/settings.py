"""What a gateway is told about how to treat connections; times in seconds, sizes in bytes."""

from msgspec import Struct


class GatewaySettings(Struct, frozen=True, kw_only=True):
    """Settings of the WebSocket and HTTP side."""

    heartbeat: float = 30.0
    hello_timeout: float = 10.0
    high_water: int = 262_144
    drain_timeout: float = 30.0
    max_in_flight: int = 1024
    allowed_origins: tuple[str, ...] = ()
