"""The bus contract: what nodes say to each other goes by topics. Obligations, and what is none:

1. *It may lose everything*, delay it, repeat it, put it out of order. Whoever listens must notice by themselves.
2. *Nobody waits for it.* ``publish`` returns at once, bounded in memory: over the bound it drops.
3. *Interest.* A process receives what is published to topics that it watches, and may receive other topics too.
4. *It comes back.* A connection that was lost is made again, for ever; ``resumed`` is called each time, because
   everything since may be missing.
5. *Topics* are letters and digits, whatever they stand for.
"""

from collections.abc import Callable
from typing import Protocol

Receive = Callable[[str, bytes], None]
"""Takes the topic and what was published to it."""


class Bus(Protocol):
    """What carries messages between nodes."""

    carries: int
    """Bytes of the largest message that it carries; 0 when it is too slow for more than hints."""

    @property
    def connected(self) -> bool:
        """Whether messages go out and come in at present, as far as is known."""
        ...

    async def open(self, receive: Receive, resumed: Callable[[], None]) -> None:
        """Connect, now or later: not being able to is no error."""
        ...

    async def watch(self, topic: str) -> None:
        """Receive a topic from now on: what is published after this returned, unless it is lost."""
        ...

    def unwatch(self, topic: str) -> None:
        """Receive a topic no more."""
        ...

    def publish(self, topic: str, message: bytes) -> None:
        """Send a message to whoever watches a topic, but not to this process."""
        ...

    async def close(self) -> None:
        """Send what is waiting, within a second, and disconnect."""
        ...
