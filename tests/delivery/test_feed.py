"""The feed puts runs of several nodes in order, whatever order they arrive in (tideline.delivery.feed)."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from tideline.delivery.feed import Feed, Gap
from tideline.timeline.changes import Post, Run


def run(first: int, last: int, name: str = "") -> Run:
    return Run(first, [Post(b"", b"%d" % seq, origin=name or None) for seq in range(first, last + 1)])


def numbers(taken: Run | None) -> list[int]:
    if taken is None:
        return []
    found = [int(post.event) for post in taken.posts]
    assert found == list(range(taken.first, taken.last + 1)), "a run whose numbers are not its posts'"
    return found


def started(head: int = 0, bound: int = 4096) -> Feed:
    feed = Feed(bound)
    feed.start(head)
    return feed


def test_the_next_run_goes_on_at_once() -> None:
    feed = started(3)
    first = run(4, 5)
    assert feed.take(first, own=False) is first
    assert feed.take(run(6, 6), own=True) is not None
    assert feed.gap is None


def test_a_run_beyond_the_next_number_waits_for_what_is_between() -> None:
    feed = started()
    assert feed.take(run(3, 4), own=True) is None
    assert feed.take(run(6, 6), own=False) is None
    assert feed.gap == Gap(0, 2)
    assert numbers(feed.take(run(1, 2), own=False)) == [1, 2, 3, 4]
    assert feed.gap == Gap(4, 5)
    assert numbers(feed.take(run(5, 5), own=False)) == [5, 6]
    assert feed.gap is None


def test_what_was_heard_of_before_is_cut_off() -> None:
    feed = started(5)
    assert feed.take(run(3, 5), own=False) is None
    assert numbers(feed.take(run(4, 7), own=False)) == [6, 7]
    assert feed.take(run(6, 7), own=False) is None


def test_a_late_run_of_ones_own_goes_on_because_connections_wait_for_its_answers() -> None:
    feed = started(5)
    late = run(4, 5)
    assert feed.take(late, own=True) is late
    assert feed.position == 5


def test_what_the_store_says_of_ones_own_entries_does_not_stand_in_for_their_answers() -> None:
    """The store was read when one's own commit was visible there; its run comes first, but has to wait."""
    feed = started()
    feed.hear(4)
    own = run(3, 3, "own")
    assert feed.take(own, own=True) is None
    taken = feed.take(run(1, 4), own=False)
    assert numbers(taken) == [1, 2, 3]
    assert taken is not None
    assert taken.posts[2].origin == "own"
    assert feed.gap == Gap(3, 4)


def test_a_head_without_its_entries_is_a_gap() -> None:
    feed = started(5)
    feed.hear(4)
    assert feed.gap is None
    feed.hear(9)
    assert feed.gap == Gap(5, 9)
    assert numbers(feed.take(run(6, 7), own=False)) == [6, 7]
    assert feed.gap == Gap(7, 9)


def test_before_the_store_was_asked_only_ones_own_runs_go_on() -> None:
    feed = Feed()
    assert feed.take(run(1, 2), own=False) is None
    own = run(3, 3)
    assert feed.take(own, own=True) is own
    assert feed.gap is None
    feed.start(3)
    assert feed.gap is None
    assert numbers(feed.take(run(4, 4), own=False)) == [4]


def test_over_the_bound_it_gives_up_on_what_is_missing() -> None:
    feed = started(0, bound=4)
    assert feed.take(run(3, 4), own=False) is None
    assert feed.take(run(6, 7), own=False) is None
    assert numbers(feed.take(run(9, 9), own=False)) == [3, 4]
    assert feed.gap == Gap(4, 5)
    assert numbers(feed.give_up()) == [6, 7]
    assert numbers(feed.give_up()) == [9]
    assert feed.give_up() is None
    feed.hear(20)
    assert feed.give_up() is None
    assert feed.gap is None


LENGTHS = st.lists(st.integers(1, 4), min_size=1, max_size=12)


def runs_of(lengths: Iterable[int]) -> list[Run]:
    runs, first = [], 1
    for length in lengths:
        runs.append(run(first, first + length - 1))
        first += length
    return runs


@given(lengths=LENGTHS, data=st.data())
def test_whatever_is_lost_repeated_or_late_everything_goes_on_once_in_order(
    lengths: list[int], data: st.DataObject
) -> None:
    runs = runs_of(lengths)
    head = runs[-1].last
    own = data.draw(st.sets(st.sampled_from(range(len(runs)))), "own")
    lost = data.draw(st.sets(st.sampled_from(range(len(runs)))), "lost") - own
    repeated = data.draw(st.lists(st.sampled_from(range(len(runs))), max_size=5), "repeated")
    order = data.draw(st.permutations([*range(len(runs)), *repeated]), "order")
    feed = started()
    seen: list[int] = []
    answered: list[int] = []

    def gone_on(taken: Run | None) -> None:
        seen.extend(numbers(taken))
        if taken is not None:
            answered.extend(seq for seq, post in enumerate(taken.posts, taken.first) if post.origin)

    done: set[int] = set()
    for index in order:
        if index in lost:
            continue
        mine = index in own and index not in done
        done.add(index)
        fresh = run(runs[index].first, runs[index].last, "own" if mine else "")
        gone_on(feed.take(fresh, own=mine))
        assert seen == list(range(1, len(seen) + 1))
    feed.hear(head)
    while (gap := feed.gap) is not None:
        # The store is read from the position on, as much as one likes.
        last = data.draw(st.integers(gap.after + 1, head), "read up to")
        gone_on(feed.take(run(gap.after + 1, last), own=False))
    assert seen == list(range(1, head + 1))
    assert sorted(answered) == sorted(seq for index in own for seq in range(runs[index].first, runs[index].last + 1))
