"""The search: every state that can be reached, each once; and from each, whether a device gets everything.

Breadth first, so that what is found is told by as few steps as possible.
"""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from .state import Broken, State
from .world import World, canonical


class Found(NamedTuple):
    """What a search came to."""

    states: int
    steps: int
    broken: Broken | None
    trace: list[str]
    """What led there."""
    whole: bool
    """Whether every reachable state was visited."""


def search(world: World, *, limit: int = 0, progress: Callable[[int, int], None] | None = None) -> Found:
    """Visit every state, at most ``limit`` of them (0: all), until something is broken."""
    start = canonical(world.initial())
    came_from: dict[State, tuple[State, str] | None] = {start: None}
    ends: set[State] = set()
    waiting = deque([start])
    steps = 0
    while waiting:
        state = waiting.popleft()
        try:
            world.check(state)
            path = _ends(world, state, ends)
        except Broken as broken:
            return Found(len(came_from), steps, broken, _trace(came_from, state), False)
        if path is not None:
            stuck = Broken("D3", "a device that goes on does not get everything")
            return Found(len(came_from), steps, stuck, [*_trace(came_from, state), "and then, calmly:", *path], False)
        try:
            for label, next_ in world.successors(state):
                steps += 1
                after = canonical(next_)
                if after not in came_from:
                    came_from[after] = (state, label)
                    waiting.append(after)
        except Broken as broken:
            return Found(len(came_from), steps, broken, [*_trace(came_from, state), str(broken)], False)
        if progress is not None and len(came_from) % 256 == 0:
            progress(len(came_from), len(waiting))
        if limit and len(came_from) >= limit:
            return Found(len(came_from), steps, None, [], False)
    return Found(len(came_from), steps, None, [], True)


def _ends(world: World, state: State, ends: set[State]) -> list[str] | None:
    """Follow a state calmly to its end; None when that is complete, else the steps that led nowhere."""
    path: list[str] = []
    seen: dict[State, None] = {}
    while state not in ends:
        if state in seen:
            return [*path, "and so on for ever"]
        seen[state] = None
        step = world.calm(state)
        if step is None:
            if not world.complete(state):
                return path
            break
        path.append(step[0])
        state = canonical(step[1])
    ends.update(seen)
    return None


def _trace(came_from: dict[State, tuple[State, str] | None], state: State) -> list[str]:
    labels: list[str] = []
    while (origin := came_from[state]) is not None:
        state, label = origin
        labels.append(label)
    return labels[::-1]
