"""The embedded store: RocksDB in the server's own process, one folder on disk."""

from .backend import EmbeddedBackend, open_embedded
from .options import EmbeddedOptions
from .survey import EmbeddedSurveys

__all__ = ["EmbeddedBackend", "EmbeddedOptions", "EmbeddedSurveys", "open_embedded"]
