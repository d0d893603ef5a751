"""Which conversation a command is for: ``to`` a user, a conversation's id, or a name yet to be chosen."""

import secrets

from tideline.protocol.errors import bad_request
from tideline.protocol.names import direct, group, is_name, kind_of
from tideline.protocol.requests import Create, Request, Send


def address(user: str, request: Request) -> str:
    """Return the id of the conversation that a user's command is for.

    Raises:
        RequestError: ``bad_request`` if it names none, two, or one that can't be.
    """
    conversation: str | None = request.conversation  # type: ignore[attr-defined]
    if isinstance(request, Send) and request.to is not None:
        return _direct_with(user, request)
    if conversation is None:
        if isinstance(request, Create):
            return group(secrets.token_hex(8))
        raise bad_request("missing field `conversation` (or `to`)")
    if kind_of(conversation) is None:
        raise bad_request("`conversation` is no valid id")
    return conversation


def _direct_with(user: str, request: Send) -> str:
    if request.conversation is not None:
        raise bad_request("`conversation` and `to` exclude each other")
    to = request.to or ""
    if not is_name(to):
        raise bad_request("`to` is no valid user")
    return direct(user, to)
