"""The embedded store: RocksDB in the server's own process, one folder on disk."""

from .database import EmbeddedBackend, EmbeddedOptions, open_embedded

__all__ = ["EmbeddedBackend", "EmbeddedOptions", "open_embedded"]
