"""Measuring and logging: the one place for both, one function per thing worth it."""

from .observer import Observer

__all__ = ["Observer"]
