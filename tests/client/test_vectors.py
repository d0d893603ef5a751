"""The machine does what the shared scenarios say, step by step; other languages run the same files."""

import json

import pytest

from tideline.client import table

from .scenarios import VECTORS, Json, plain, run

SCENARIOS = [
    pytest.param(scenario, id=f"{path.stem}: {scenario['name']}")
    for path in sorted(VECTORS.glob("*.json"))
    if path.stem != "table"
    for scenario in json.loads(path.read_text())
]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_machine_does_what_the_scenario_says(scenario: Json) -> None:
    for expected, actual in zip(scenario["steps"], run(scenario), strict=True):
        assert actual["outputs"] == plain(expected["outputs"]), f"at {expected['now']}"
        assert actual["after"] == expected["after"], f"at {expected['now']}"


def test_the_table_that_others_port_is_the_one_in_use() -> None:
    shared = json.loads((VECTORS / "table.json").read_text())
    assert shared["states"] == list(table.STATES)
    assert shared["actions"] == table.TABLE
    assert shared["next"] == {
        action: {state: sorted(to) for state, to in states.items()} for action, states in table.NEXT.items()
    }


def test_every_scenario_has_a_name_of_its_own() -> None:
    names = [param.id for param in SCENARIOS]
    assert len(names) == len(set(names))
