"""The table is total and exact, and the machine keeps its laws whatever it is told."""

import json
from collections import defaultdict
from collections.abc import Iterator
from random import Random

import pytest

from tideline.client import core, inputs, outputs
from tideline.client.core import Device
from tideline.client.table import NEXT, STATES, TABLE
from tideline.protocol import requests

from .scenarios import VECTORS, read_input
from .walk import POLICY, any_input, make_device

WALKS = 2000
STEPS = 150
LIKELY = {
    "start": 2,
    "connected": 4,
    "welcome": 4,
    "tick": 4,
    "push": 2,
    "page": 3,
    "snapshot": 3,
    "resume": 2,
}
RARE = {"stop", "bye", "disconnected"}


def steps(seed: int) -> Iterator[tuple[Device, str, str, list[outputs.AnyOutput]]]:
    """Walk; yield the device, the state before, the kind of input, and what came out."""
    random = Random(seed)
    device = make_device(random)
    kinds = [kind for kind in TABLE for _ in range(LIKELY.get(kind, 1) * 4)]
    now, silence = 1_000_000, 0
    for _ in range(STEPS):
        silence = 6 if random.random() < 0.04 else silence - 1
        kind = "tick" if silence > 0 else random.choice(kinds)
        if kind in RARE and random.random() < 0.7:
            continue
        due = device.wake()
        now += random.choice((0, 1, 50, 900))
        if kind == "tick" and due is not None and random.random() < 0.8:
            now = max(now, due)
        before = device.state
        given = any_input(kind, random, device)
        yield device, before, kind, device.handle(now, given)


def test_the_table_answers_every_input_in_every_state() -> None:
    assert set(TABLE) == set(inputs.NAMES.values())
    assert all(tuple(row) == STATES for row in TABLE.values())


def test_every_action_of_the_table_exists() -> None:
    actions = {action for row in TABLE.values() for action in row.values()} - {"-"}
    assert actions == set(core._ACTIONS)


@pytest.fixture(scope="module")
def observed() -> dict[tuple[str, str], set[str]]:
    seen: dict[tuple[str, str], set[str]] = defaultdict(set)
    for seed in range(WALKS):
        for device, before, kind, _ in steps(seed):
            seen[TABLE[kind][before], before].add(device.state)
    for path in VECTORS.glob("*.json"):
        for scenario in json.loads(path.read_text()) if path.stem != "table" else []:
            before = "stopped"
            for step in scenario["steps"]:
                kind = inputs.NAMES[type(read_input(step["input"]))]
                seen[TABLE[kind][before], before].add(step["after"]["state"])
                before = step["after"]["state"]
    return seen


@pytest.mark.parametrize(("kind", "state"), [(kind, state) for kind in TABLE for state in STATES])
def test_a_cell_leads_exactly_where_the_table_says(
    kind: str, state: str, observed: dict[tuple[str, str], set[str]]
) -> None:
    action = TABLE[kind][state]
    assert observed[action, state] == NEXT[action][state]


@pytest.mark.parametrize("seed", range(100))
def test_the_cursor_moves_only_over_what_is_applied_in_order(seed: int) -> None:
    cursor = None
    for device, _, _, out in steps(seed):
        for output in out:
            if isinstance(output, outputs.Replace):
                cursor = output.cursor
            elif isinstance(output, outputs.Apply):
                assert cursor is None or output.entries[0].seq == cursor + 1
                seqs = [entry.seq for entry in output.entries]
                assert seqs == list(range(seqs[0], output.cursor + 1))
                cursor = output.cursor
        assert cursor is None or device.sync.position.cursor == cursor


@pytest.mark.parametrize("seed", range(100))
def test_what_is_kept_is_bounded_and_ahead_of_the_cursor(seed: int) -> None:
    for device, _, _, _ in steps(seed):
        position = device.sync.position
        assert len(position.stash) <= POLICY.stash
        if position.cursor is not None:
            ahead = position.cursor if device.sync.paused else position.cursor + 1
            assert all(seq > ahead for seq in position.stash)
            assert all(seq <= position.known_head for seq in position.stash)
        assert len(device.calls._waiting) <= POLICY.calls
        assert len(device._line.flights._late) <= POLICY.late


@pytest.mark.parametrize("seed", range(100))
def test_at_most_one_request_of_synchronisation_is_in_flight(seed: int) -> None:
    for device, before, _, out in steps(seed):
        asked = [
            output.frame
            for output in out
            if isinstance(output, outputs.Transmit)
            and isinstance(output.frame, requests.Hello | requests.Pull | requests.Snapshot)
        ]
        assert len(asked) <= 1
        if device.state == "pulling":
            assert device.sync.flight in device._line.flights._waiting
        elif device.state != "snapshot":
            assert device.sync.flight is None
        elif device.sync.flight is None:
            assert device.sync.wake() is not None
        if asked and before == device.state == "pulling":
            assert device.sync.flight == getattr(asked[0], "id", None)


@pytest.mark.parametrize("seed", range(100))
def test_sends_in_flight_are_the_first_of_the_outbox(seed: int) -> None:
    for device, _, _, _ in steps(seed):
        flying = [item.request is not None for item in device.outbox.items.values()]
        assert flying == sorted(flying, reverse=True)
        assert sum(flying) <= POLICY.window
        orders = [item.message.order for item in device.outbox.items.values()]
        assert orders == sorted(orders)


@pytest.mark.parametrize("seed", range(100))
def test_a_tick_at_its_time_leaves_nothing_due(seed: int) -> None:
    """Otherwise whoever runs the machine would spin."""
    for device, _, _, _ in steps(seed):
        due = device.wake()
        if due is None:
            assert device.state == "stopped"
            continue
        now = max(due, device._line.now)
        device.handle(now, inputs.Tick())
        again = device.wake()
        assert again is None or again > now
