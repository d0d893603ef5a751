"""How settings reach the stores."""

from tideline.config import Settings
from tideline.data import embedded_options, postgres_options
from tideline.stores.embedded import EmbeddedOptions


def test_an_idempotency_key_outlives_what_devices_are_told() -> None:
    settings = Settings(limit_client_id_ttl=100)
    assert settings.limits.client_id_ttl == 100
    assert embedded_options(settings).client_id_ttl >= 160
    assert postgres_options(settings).client_id_ttl >= 160


def test_the_embedded_store_by_itself_is_set_as_the_server_sets_it() -> None:
    settings = Settings()
    served = embedded_options(settings)
    assert served == EmbeddedOptions(client_id_ttl=served.client_id_ttl)
