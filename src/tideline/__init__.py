"""Durable multi-device message synchronisation over numbered timelines."""

__version__ = "0.1.0"
