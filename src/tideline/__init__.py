"""Durable multi-device message synchronisation over numbered timelines."""
