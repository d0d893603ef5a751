"""The scenarios: what is varied, and what question it answers."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from .results import Parameters


class Scenario(NamedTuple):
    """A parameter that is varied, all else fixed."""

    name: str
    question: str
    axis: str
    """The field of :class:`Parameters` that is varied."""
    values: tuple[float, ...]
    base: Parameters

    def points(self, *, quick: bool) -> Iterator[tuple[float, Parameters]]:
        """Return every value with the parameters of its run; ``quick``: the extremes, and a fifth of the messages."""
        whole = isinstance(getattr(self.base, self.axis), int)
        for value in sorted({self.values[0], self.values[-1]}) if quick else self.values:
            changes: dict[str, float] = {self.axis: int(value) if whole else value}
            if quick:
                changes["messages"] = max(10, self.base.messages // 5)
            yield value, msgspec.structs.replace(self.base, **changes)


SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario("devices", "What does a further device cost?", "devices", (1, 2, 3, 5, 10), Parameters()),
        Scenario("online", "What does a device cost that is not there?", "online", (0, 0.25, 0.5, 0.75, 1),
                 Parameters(devices=4, messages=600, rate=600)),
        Scenario("group", "What does a further member cost?", "group", (2, 10, 50, 200, 500),
                 Parameters(groups=1, messages=30, rate=10)),
        Scenario("rate", "What do many messages at a time change?", "rate", (20, 100, 500, 1000, 2000),
                 Parameters(rtt=100, groups=5, messages=300)),
        Scenario("rtt", "What does the further round trip cost?", "rtt", (0, 20, 50, 100, 200),
                 Parameters(rate=50, messages=100)),
        Scenario("loss", "What happens when pushes are lost?", "loss", (0, 0.05, 0.1, 0.2, 0.5),
                 Parameters(rtt=20, rate=200, messages=400, groups=5, heartbeat=1000)),
        Scenario("new", "What does a new device see?", "new_at", (0.25, 0.5, 0.75, 1), Parameters(messages=300)),
        Scenario("chat", "And with real chat?", "rtt", (50,),
                 Parameters(chat=True, online=0.7, loss=0.01, messages=300, rate=60, heartbeat=1000)),
    )
}
