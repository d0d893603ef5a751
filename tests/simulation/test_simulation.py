"""Whatever happens, nothing is lost, doubled, or out of order: a few hundred worlds, each from a seed."""

from collections import Counter

import pytest

from tideline.delivery.outbox import Outbox, Output

from .__main__ import command
from .world import Simulation, Violated

SEEDS = 120
PER_TEST = 8
LARGE = (7_000_001,)


def run(seed: int, *, large: bool = False) -> Counter[str]:
    simulation = Simulation(seed, large=large)
    try:
        simulation.run()
    except Exception as error:
        pytest.fail(f"{type(error).__name__}: {error}\nagain: {command(seed, large=large)}", pytrace=False)
    return simulation.counts


@pytest.mark.parametrize("first", range(0, SEEDS, PER_TEST))
def test_whatever_happens_every_device_gets_everything_once_and_in_order(first: int) -> None:
    for seed in range(first, first + PER_TEST):
        run(seed)


@pytest.mark.parametrize("seed", LARGE)
def test_hundreds_of_users_get_everything_once_and_in_order(seed: int) -> None:
    counts = run(seed, large=True)
    assert counts["messages"] > 500


def test_a_seed_is_the_same_run_every_time() -> None:
    runs = []
    for _ in range(2):
        simulation = Simulation(3)
        simulation.run()
        runs.append((simulation.digest, simulation.counts))
    assert runs[0] == runs[1]


def test_the_seeds_meet_every_kind_of_trouble() -> None:
    """A simulation in which nothing goes wrong shows nothing."""
    counts: Counter[str] = Counter()
    wanted = {
        "commits refused",
        "devices crashed",
        "links cut",
        "links silent",
        "lost between nodes",
        "nodes crashed",
        "reset cursor_too_old",
        "reset epoch_changed",
        "reset new_device",
        "restored",
        "trimmed",
    }
    for seed in range(1_000, 1_060):
        if wanted <= counts.keys():
            return
        counts.update(run(seed))
    assert wanted <= counts.keys()


def test_a_server_that_loses_entries_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oracles see what they are there for: an outbox that drops what does not fit."""

    def entries(self: Outbox, first: int, last: int, *, full: bool) -> Output:
        self.position = self.head = max(self.head, last)
        return Output.PUSH if first % 3 else Output.NOTHING

    monkeypatch.setattr(Outbox, "entries", entries)
    monkeypatch.setattr(Outbox, "page", lambda self, last, head: False)
    with pytest.raises(Violated):
        run_all(20)


def run_all(seeds: int) -> None:
    for seed in range(seeds):
        Simulation(seed).run()
