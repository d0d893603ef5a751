"""How settings reach the stores."""

from tideline.config import Settings
from tideline.data import embedded_options, postgres_options


def test_an_idempotency_key_outlives_what_devices_are_told() -> None:
    settings = Settings(limit_client_id_ttl=100)
    assert settings.limits.client_id_ttl == 100
    assert embedded_options(settings).client_id_ttl >= 160
    assert postgres_options(settings).client_id_ttl >= 160
