"""Whatever happens, nothing is lost, doubled, or out of order: a few hundred worlds, each from a seed."""

from collections import Counter
from collections.abc import Iterable, Mapping

import pytest

from tideline.client import state
from tideline.client.position import Position
from tideline.protocol import responses
from tideline.stores.memory import MemoryStore, MemoryUnit
from tideline.timeline.changes import Run

from .__main__ import command
from .world import Simulation, Violated

SEEDS = 100
PER_TEST = 4
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


async def _skipping(self: MemoryUnit, runs: Mapping[str, Run]) -> dict[str, int]:
    return {user: self._store.tables.heads.get(user, 0) + 1 for user in runs}


def _jumping(self: Position, entries: Iterable[responses.Entry], *, hold: bool = False) -> list[responses.Entry]:
    taken = [entry for entry in entries if self.cursor is not None and entry.seq > self.cursor]
    self.cursor = taken[-1].seq if taken else self.cursor
    return taken


@pytest.mark.parametrize(
    ("invariant", "owner", "name", "wrong"),
    [
        ("T1", MemoryUnit, "heads", _skipping),
        ("T4", MemoryStore, "read_placement", lambda self, key: None),
        ("D3", Position, "take", _jumping),
        ("C2", state, "_read", lambda held, event, me: held),
    ],
)
def test_what_breaks_an_invariant_is_found_out(
    invariant: str, owner: object, name: str, wrong: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, wrong)
    with pytest.raises(Violated, match=f": {invariant}: "):
        run_all(40)


def run_all(seeds: int) -> None:
    for seed in range(seeds):
        Simulation(seed).run()
