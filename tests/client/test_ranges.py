"""Ranges hold exactly the numbers that were added, in as few pairs as there are holes."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tideline.client.ranges import add, around, runs

PAIRS = st.tuples(st.integers(1, 30), st.integers(0, 5)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@given(st.lists(PAIRS, max_size=12))
@settings(deadline=None)
def test_ranges_are_the_set_of_what_was_added(pairs: list[tuple[int, int]]) -> None:
    ranges: tuple[tuple[int, int], ...] = ()
    numbers: set[int] = set()
    for low, high in pairs:
        ranges = add(ranges, low, high)
        numbers |= set(range(low, high + 1))
    assert ranges == runs(sorted(numbers))
    for number in range(1, 40):
        held = around(ranges, number)
        assert (held is not None) == (number in numbers)
        assert held is None or held[0] <= number <= held[1]


def test_neighbours_become_one_range() -> None:
    assert add(((1, 3), (6, 9)), 4, 5) == ((1, 9),)
    assert add(((1, 3),), 5, 5) == ((1, 3), (5, 5))
