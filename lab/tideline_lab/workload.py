"""Who says what to whom, and when: synthetic, by parameters, or real chat."""

import random
from collections.abc import Iterator
from typing import NamedTuple

from .chat import Chat
from .frames import Message
from .parameters import Parameters

_LETTERS = "etaoin shrdlu cmfwyp "


class Workload(NamedTuple):
    """What is sent in a run."""

    members: dict[str, list[str]]
    """Users by conversation."""
    schedule: list[tuple[float, Message]]
    """Messages, and when to send each, in seconds from the start."""

    @property
    def users(self) -> list[str]:
        """All users."""
        return list(dict.fromkeys(user for members in self.members.values() for user in members))


def synthetic(parameters: Parameters) -> Workload:
    """Make conversations of equal size in which random members speak at an even rate."""
    chance = random.Random(parameters.seed)
    members = {
        f"g:{group}": [f"user-{group}-{place}" for place in range(parameters.group)]
        for group in range(parameters.groups)
    }

    def messages() -> Iterator[tuple[float, Message]]:
        for id_ in range(parameters.messages):
            conversation = f"g:{chance.randrange(parameters.groups)}"
            sender = chance.choice(members[conversation])
            body = "".join(chance.choices(_LETTERS, k=parameters.body))
            yield _due(id_, parameters), Message(id_, conversation, sender, body)

    return Workload(members, list(messages()))


def from_chat(parameters: Parameters, chat: Chat) -> Workload:
    """Replay a piece of a channel: what is addressed to somebody who is there goes to them directly, the rest to all.

    The logs know the minute only, so the messages of the piece keep their order and get an even rate.
    """
    lines = chat.lines[: parameters.messages]
    there = list(dict.fromkeys(line.nick for line in lines))
    members = {"g:ubuntu": there}
    schedule = []
    for id_, line in enumerate(lines):
        conversation = "g:ubuntu"
        if line.addressed in there and line.addressed != line.nick:
            pair = sorted((line.nick, line.addressed))
            conversation = "d:" + "~".join(pair)
            members[conversation] = pair
        schedule.append((_due(id_, parameters), Message(id_, conversation, line.nick, line.text)))
    return Workload(members, schedule)


def _due(place: int, parameters: Parameters) -> float:
    return place / parameters.rate if parameters.rate else 0.0
