"""Conversations in and out of a data folder as files: import and export."""
