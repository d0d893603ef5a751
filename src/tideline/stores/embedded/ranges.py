"""Reading RocksDB by many keys and by ranges; rocksdict has two traps, and here is where they are known."""

from collections.abc import Iterator
from typing import Any, cast

from rocksdict import Rdict, RdictIter, ReadOptions

from tideline.timeline.contract import StoreUnavailable


def many(family: Rdict, keys: list[bytes]) -> list[bytes | None]:
    """Look up many records at once."""
    return cast(list[bytes | None], family.get(cast(list[Any], keys)))


def pairs(family: Rdict, low: bytes, high: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Iterate over the records with low ≤ key < high."""
    # The iterator reads its bounds from the options' memory: they must live as long as it does.
    options = ReadOptions()
    options.set_iterate_upper_bound(high)
    found = family.iter(options)
    found.seek(low)
    while found.valid():
        yield found.key(), found.value()
        found.next()
    _check(found)
    del options


def pairs_back(family: Rdict, high: bytes, low: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Iterate over the records with low ≤ key ≤ high, from the highest down."""
    # rocksdict 0.3.29 takes a lower bound for an upper one, so the end is found here.
    found = family.iter(ReadOptions())
    found.seek_for_prev(high)
    while found.valid():
        key = found.key()
        if key < low:
            return
        yield key, found.value()
        found.prev()
    _check(found)


def _check(found: RdictIter) -> None:
    """Tell an unreadable record from the end: an iterator ends at either."""
    try:
        found.status()
    except Exception as error:
        raise StoreUnavailable(f"the store can't be read: {error}") from error
