"""What is kept in memory is bounded, and it is what was used last."""

from typing import Any

from tideline.timeline.bounded import Bounded


def kept(cache: Bounded[int, Any], numbers: range) -> list[int]:
    """Look without using: a copy is asked."""
    every = {**cache._earlier, **cache.items}
    return [number for number in numbers if number in every]


def test_no_more_is_kept_than_the_bound() -> None:
    cache: Bounded[int, str] = Bounded(100)
    for number in range(1000):
        cache.put(number, str(number))
        assert len(kept(cache, range(1000))) <= 101
    assert kept(cache, range(1000))[-50:] == list(range(950, 1000))


def test_what_is_used_again_and_again_stays() -> None:
    cache: Bounded[int, str] = Bounded(100)
    cache.put(-1, "often")
    for number in range(1000):
        cache.put(number, str(number))
        if number % 20 == 0:
            assert cache.get(-1) == "often"


def test_values_count_by_weight_also_when_they_grow() -> None:
    cache: Bounded[int, list[int]] = Bounded(100, len)
    for number in range(20):
        cache.put(number, [0] * 10)
    assert cache.get(0) is None
    assert cache.get(19) is not None
    cache.clear()
    for number in range(3):
        cache.put(number, [0])
        cache.grow(60)
    assert kept(cache, range(3)) == [2]


def test_the_latest_value_counts() -> None:
    cache: Bounded[int, str] = Bounded(4)
    for number in range(3):
        cache.put(number, "old")
    cache.put(0, "new")
    assert cache.get(0) == "new"


def test_nothing_is_forgotten_while_it_is_held() -> None:
    cache: Bounded[int, str] = Bounded(4)
    cache.held = True
    for number in range(100):
        cache.put(number, str(number))
    assert [cache.get(number) for number in range(100)] == [str(number) for number in range(100)]
    cache.release()
    for number in range(100, 110):
        cache.put(number, str(number))
    assert len(kept(cache, range(110))) <= 5


def test_what_is_dropped_is_gone() -> None:
    cache: Bounded[int, str] = Bounded(4)
    for number in range(4):
        cache.put(number, str(number))
    for number in range(4):
        cache.drop(number)
        cache.drop(number)
        assert cache.get(number) is None
