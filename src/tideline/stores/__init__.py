"""Backends of the store contract (:mod:`tideline.timeline.contract`)."""
