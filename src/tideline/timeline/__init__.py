"""Timelines by themselves: records, references, the store contract, and a timeline one can use directly."""
