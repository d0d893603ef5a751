"""How Python's cyclic garbage collector is set in a process that commits messages.

What a message allocates is freed by counting references; the collector only has cycles to look for, which are rare,
and with its defaults would look through all that is cached, again and again.
"""

import gc


def settle() -> None:
    """Leave what is loaded by now out of all collections, and collect seldom."""
    gc.freeze()
    gc.set_threshold(200_000, 50, 100)
