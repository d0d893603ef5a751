"""``tideline send``, ``tideline history``: messages, for scripts."""

import json
import secrets
import sys
from collections.abc import Iterable
from typing import Annotated, Any

from cyclopts import Parameter, validators

from tideline.protocol.errors import TidelineError

from .access import Access, Json, Target, User, conversation
from .asking import Asker, ask
from .printing import flush, print_json, print_message

_PAGE = 500
_ACCESS = Access()


def send(
    user: User,
    to: Target,
    text: Annotated[str | None, Parameter(help="What to say; without it, every line of standard input.")] = None,
    /,
    *,
    body: Annotated[
        str | None, Parameter(help='Any JSON object instead of a text: {"type":"location","lat":…}.')
    ] = None,
    reply_to: Annotated[int | None, Parameter(help="Number of the message that it answers.")] = None,
    mention: Annotated[tuple[str, ...], Parameter(help="User to mention; can be repeated.", show_default=False)] = (),
    client_id: Annotated[
        str | None,
        Parameter(help="Key of this message: the same one again sends nothing twice; default: a random one."),
    ] = None,
    json_: Json = False,
    access: Annotated[Access, Parameter(name="*")] = _ACCESS,
) -> int:
    """Send a message, or one for each line of standard input.

    It is stored when this command ends well. After an error it may be sent again with the same --client-id.
    """
    if text is not None and body is not None:
        raise TidelineError("give a text or a --body, not both")
    if client_id is not None and text is None and body is None:
        raise TidelineError("one --client-id is for one message")
    bodies: Iterable[Any]
    if body is not None:
        bodies = [_object(body)]
    else:
        said = [text] if text is not None else (line.rstrip("\n") for line in sys.stdin)
        bodies = ({"type": "text", "text": each} for each in said)
    fields: dict[str, Any] = {"conversation": conversation(user, to)}
    if reply_to is not None:
        fields["reply_to"] = reply_to
    if mention:
        fields["mentions"] = list(mention)

    async def work(asker: Asker) -> int:
        for each in bodies:
            sent = await asker.ask("send", **fields, body=each, client_id=client_id or secrets.token_urlsafe(16))
            del sent["type"]
            if json_:
                print_json(sent)
            else:
                print(f"{sent['conversation']} {sent['message_seq']}{' (was sent before)' * sent['duplicate']}")
            flush()
        return 0

    return ask(access, user, work)


def history(
    user: User,
    of: Target,
    /,
    *,
    limit: Annotated[int, Parameter(help="How many messages.", validator=validators.Number(gte=1))] = 50,
    before: Annotated[int | None, Parameter(help="Only those before this number; default: the latest.")] = None,
    after: Annotated[int | None, Parameter(help="Only those after this number, from there on.")] = None,
    json_: Json = False,
    access: Annotated[Access, Parameter(name="*")] = _ACCESS,
) -> int:
    """Print the messages of a conversation, the oldest first."""
    if before is not None and after is not None:
        raise TidelineError("--before and --after exclude each other")
    where = conversation(user, of)

    async def work(asker: Asker) -> int:
        for message in await _read(asker, where, limit, before, after):
            if json_:
                print_json(message)
            else:
                print_message(message)
        return 0

    return ask(access, user, work)


async def _read(asker: Asker, where: str, limit: int, before: int | None, after: int | None) -> list[dict[str, Any]]:
    """Read messages page by page, onwards from ``after`` or back from ``before``."""
    found: list[dict[str, Any]] = []
    more = True
    while more and len(found) < limit:
        fields: dict[str, Any] = {"conversation": where, "limit": min(_PAGE, limit - len(found))}
        if after is not None:
            fields["after"] = after
        elif before is not None:
            fields["before"] = before
        page = await asker.ask("history", **fields)
        messages, more = page["messages"], page["more"]
        if not messages:
            break
        if after is not None:
            found += messages
            after = messages[-1]["message_seq"]
        else:
            found = messages + found
            before = messages[0]["message_seq"]
    return found


def _object(text: str) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except ValueError as error:
        raise TidelineError(f"--body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise TidelineError("--body is no JSON object")
    return body
