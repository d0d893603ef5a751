"""What can go wrong in a client besides what the server says.

::

    TidelineError
    ├── StoreInUse      another client has the local store open
    ├── StoreTooNew     a later version of this library has written it
    ├── OutboxFull      too many messages wait to be sent
    └── Unconfirmed     a message may or may not have been sent
"""

from tideline.protocol.errors import TidelineError


class StoreInUse(TidelineError):
    """Another client has the local store open: two would apply the same entries."""


class StoreTooNew(TidelineError):
    """A later version of this library has written the local store."""


class OutboxFull(TidelineError):
    """Too many messages wait to be sent."""


class Unconfirmed(TidelineError):
    """A message was first tried so long ago that sending it again could store it twice."""
