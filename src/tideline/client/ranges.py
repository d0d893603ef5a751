"""Which message numbers of a conversation a device holds: ranges, so that a hole is known as one (section 6).

Ranges are pairs ``(low, high)``, both included, ascending, and never touch each other.
"""

Ranges = tuple[tuple[int, int], ...]


def add(ranges: Ranges, low: int, high: int) -> Ranges:
    """Return the ranges together with ``low`` to ``high``."""
    before = tuple(held for held in ranges if held[1] < low - 1)
    after = tuple(held for held in ranges if held[0] > high + 1)
    touching = ranges[len(before) : len(ranges) - len(after)]
    low = min([low, *(held[0] for held in touching)])
    high = max([high, *(held[1] for held in touching)])
    return (*before, (low, high), *after)


def around(ranges: Ranges, number: int) -> tuple[int, int] | None:
    """Return the range that holds ``number``; None: it is in a hole."""
    for low, high in ranges:
        if low <= number <= high:
            return low, high
    return None


def runs(numbers: list[int]) -> Ranges:
    """Return the ranges that ascending numbers make."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return tuple(found)
