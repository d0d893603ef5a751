"""The scenarios: what is varied, and what question it answers."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from .parameters import Parameters

_QUICK_WAIT = 250
"""ms between polls, and the heartbeat where pushes are lost, when there is little time."""
_LONGEST = 4
"""Seconds of sending, at most, however low the rate."""


class Scenario(NamedTuple):
    """A parameter that is varied, all else fixed."""

    name: str
    question: str
    axis: str
    """The field of :class:`Parameters` that is varied."""
    values: tuple[float, ...]
    quick: tuple[float, ...]
    """What is run of them when there is little time."""
    base: Parameters

    def points(self, *, quick: bool) -> Iterator[tuple[float, Parameters]]:
        """Return the values with the parameters of their runs; ``quick``: fewer messages, shorter waits."""
        whole = isinstance(getattr(self.base, self.axis), int)
        for value in self.quick if quick else self.values:
            changes: dict[str, float] = {self.axis: int(value) if whole else value}
            messages = self.base.messages // 5 if quick else self.base.messages
            if self.axis == "rate":
                messages = min(messages, int(value * _LONGEST))
            changes["messages"] = max(10, messages)
            if quick:
                changes["poll"] = _QUICK_WAIT
                changes["heartbeat"] = _QUICK_WAIT if self.base.loss or self.axis == "loss" else self.base.heartbeat
            yield value, msgspec.structs.replace(self.base, **changes)


SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            name="devices",
            question="What does a further device cost?",
            axis="devices",
            values=(1, 2, 3, 5, 10),
            quick=(1, 5),
            base=Parameters(),
        ),
        Scenario(
            name="rtt",
            question="What does the further round trip cost?",
            axis="rtt",
            values=(0, 20, 50, 100, 200),
            quick=(0, 100),
            base=Parameters(rate=40, messages=60),
        ),
        Scenario(
            name="loss",
            question="When do numbered pushes save a round trip, and what happens when pushes are lost?",
            axis="loss",
            values=(0, 0.05, 0.1, 0.2, 0.5),
            quick=(0, 0.2),
            base=Parameters(rtt=20, rate=100, messages=200, heartbeat=1000),
        ),
        Scenario(
            name="rate",
            question="What do many messages at a time change?",
            axis="rate",
            values=(20, 100, 500, 1000, 2000),
            quick=(20, 1000),
            base=Parameters(rtt=100, groups=5, messages=300),
        ),
        Scenario(
            name="new",
            question="What does a new device see?",
            axis="new_at",
            values=(0.25, 0.5, 0.75, 1),
            quick=(0.5, 1),
            base=Parameters(),
        ),
        Scenario(
            name="online",
            question="What does a device cost that is not there?",
            axis="online",
            values=(0, 0.25, 0.5, 0.75, 1),
            quick=(0, 1),
            base=Parameters(devices=4, messages=600, rate=600),
        ),
        Scenario(
            name="group",
            question="What does a further member cost?",
            axis="group",
            values=(2, 10, 50, 200, 500),
            quick=(2, 50),
            base=Parameters(groups=1, messages=20, rate=10),
        ),
        Scenario(
            name="chat",
            question="And with real chat?",
            axis="rtt",
            values=(50,),
            quick=(50,),
            base=Parameters(chat=True, online=0.7, loss=0.01, messages=200, rate=60, heartbeat=1000),
        ),
    )
}
