"""Figures of the server, each next to a floor measured in the same call.

The floor (`bench.floor`) is the least program that does the same I/O, so a figure says how much of what the
machine gives the product keeps, and not only how fast the machine is. `bench/README.md` says how to read it.
"""
