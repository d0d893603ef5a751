"""What the parts of a device share: the moment, what is to be done, requests in flight, chance."""

from collections.abc import Callable

import msgspec

from tideline.protocol import requests

from .flights import Flights, Kind
from .outputs import AnyOutput, Transmit
from .policy import Policy, delay


class Line:
    """The connection as the parts of a device see it. Times in ms by the device's clock."""

    def __init__(self, policy: Policy, random: Callable[[], float]) -> None:
        self.policy = policy
        self.flights = Flights(policy.late)
        self.now = 0
        self.clock = 0
        """The server's clock minus ours."""
        self.said = 0
        """When we last sent something."""
        self.heard = 0
        """When something last came."""
        self.out: list[AnyOutput] = []
        self._random = random

    def put(self, output: AnyOutput) -> None:
        """Have something done, after what was put before."""
        self.out.append(output)

    def ask(self, kind: Kind, frame: requests.Request, about: int | str | None = None) -> int:
        """Send a request and return the id that it was given."""
        request = self.flights.begin(kind, about, self.now)
        self.say(msgspec.structs.replace(frame, id=request))
        return request

    def say(self, frame: requests.Request | requests.Signal) -> None:
        """Send a frame."""
        self.said = self.now
        self.put(Transmit(frame=frame))

    def later(self, failures: int, retry_after: float | None = None) -> int:
        """Return when to try again after so many failures in a row; ``retry_after`` (s): not before."""
        return self.now + round((retry_after or 0) * 1000) + delay(self.policy, failures, self._random())

    @property
    def server_now(self) -> int:
        """The time by the server's clock."""
        return self.now + self.clock
