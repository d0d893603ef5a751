"""All promises that can be seen from outside, in the order of the protocol's sections."""

from typing import Final

from . import connecting, delivering, storing
from .kit import Promise

PROMISES: Final[tuple[Promise, ...]] = (*connecting.PROMISES, *storing.PROMISES, *delivering.PROMISES)
