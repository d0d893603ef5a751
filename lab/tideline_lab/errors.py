"""What the lab says when it can't go on."""

from tideline.protocol.errors import TidelineError


class LabError(TidelineError):
    """The lab can't do what it was asked to."""
