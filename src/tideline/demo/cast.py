"""Who is in the scene, what their devices are like, and what they say."""

from typing import Literal, NamedTuple


class Role(NamedTuple):
    """A device of the scene; times in seconds.

    It is online for ``up`` and then offline for ``down`` (0: never). ``pace`` is how long it takes over an event: a
    slow one is seen to catch up.
    """

    user: str
    device: str
    up: float = 0.0
    down: float = 0.0
    pace: float = 0.0
    page: int = 200
    delivery: Literal["content", "hint"] = "content"


CAST = (
    Role("alice", "phone"),
    Role("bob", "phone"),
    Role("bob", "laptop", delivery="hint", page=20),
    Role("bob", "tablet", up=14, down=12, pace=0.12, page=4),
    Role("carol", "phone", up=25, down=6),
    Role("carol", "desktop"),
    Role("dave", "phone", up=9, down=5),
    Role("erin", "laptop"),
)

GROUPS = {
    "g:harbour": ("Harbour", ("alice", "bob", "carol", "dave", "erin")),
    "g:night-watch": ("Night watch", ("bob", "carol", "erin")),
}

DIRECT = (("alice", "bob"), ("bob", "carol"), ("alice", "erin"), ("bob", "dave"))

LINES = (
    "High water is at ten past six.",
    "The gauge at the pier reads 3.4 m.",
    "Wind is backing to the south-west.",
    "Who has the key to the boat shed?",
    "I left it on the hook.",
    "Found it, thank you.",
    "The ferry is twenty minutes late.",
    "Fog on the sound again.",
    "Can you see the outer light?",
    "Yes, just.",
    "Low water tomorrow is lower than the tables say.",
    "Then we keep off the bar until nine.",
    "Agreed.",
    "Two seals on the slip this morning.",
    "Same two as yesterday?",
    "I think so. One has a notch in its tail.",
    "The new mooring holds well.",
    "Good. I will check the chain on Friday.",
    "Spring tide on Thursday.",
    "Noted. I will move the dinghy up.",
    "Is anyone at the office?",
    "On my way.",
    "The pump is running again.",
    "Swell is down to half a metre.",
    "Perfect. We leave with the ebb.",
    "Lamp three is out.",
    "I have a spare one in the van.",
    "Done. It is bright again.",
    "The tide turns in an hour.",
    "See you on the quay.",
)
