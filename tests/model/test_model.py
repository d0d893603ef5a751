"""Every state that the rules allow keeps the invariants, and the search finds every mistake that it is given."""

from collections.abc import Callable

import pytest

from .rules import MISTAKES
from .scope import SCOPES
from .search import search
from .world import World


@pytest.mark.parametrize("name", SCOPES)
def test_every_reachable_state_is_sound_and_from_each_a_device_gets_everything(
    name: str, record_property: Callable[[str, object], None]
) -> None:
    found = search(World(SCOPES[name]))
    assert found.broken is None, "\n".join([str(found.broken), *found.trace])
    assert found.whole
    record_property("states", found.states)
    print(f"{name}: {found.states:,} states, {found.steps:,} steps")


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_seeded_mistake_is_found(mistake: str) -> None:
    scope, make = MISTAKES[mistake]
    found = search(World(SCOPES[scope], make()))
    assert found.broken is not None, f"missed after {found.states} states"
    assert found.trace


def test_what_is_told_of_a_mistake_leads_to_it() -> None:
    """The shortest way to a pushed entry that was never committed is a commit that fails."""
    scope, make = MISTAKES["entries are pushed before their commit"]
    found = search(World(SCOPES[scope], make()))
    assert "commit fails" in found.trace
