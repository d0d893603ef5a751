"""``tideline tail``: a user's sync timeline as it grows."""

import asyncio
import sys
from typing import Annotated, Any

from cyclopts import Parameter, validators

from tideline.protocol.errors import RequestError, TidelineError

from .access import Access, Json, User, conversation
from .asking import Asker, Unreachable, ask
from .printing import flush, print_json, print_message
from .words import one_line

_WAIT = 30
_PAUSE = 1.0
_ACCESS = Access()


def tail(
    user: User,
    /,
    *,
    only: Annotated[
        str | None, Parameter(help="Print only what is about this user's or that conversation (bob, g:team).")
    ] = None,
    after: Annotated[
        int | None,
        Parameter(
            help="Begin after this number of the timeline, 0 for all of it; default: what is new from now on.",
            validator=validators.Number(gte=0),
        ),
    ] = None,
    count: Annotated[
        int | None, Parameter(help="End after so many entries.", validator=validators.Number(gte=1))
    ] = None,
    json_: Json = False,
    access: Annotated[Access, Parameter(name="*")] = _ACCESS,
) -> int:
    """Print every entry of your sync timeline when it comes: messages and all that happens to your conversations.

    With --json an entry is {"seq":45,"event":{…}}: a program that remembers seq goes on by --after where it was. When
    the server is away, this waits until it is back.
    """
    where = None if only is None else conversation(user, only)

    async def work(asker: Asker) -> int:
        left = count
        async for entry in _entries(asker, after):
            if where is not None and _conversation_of(entry["event"]) != where:
                continue
            if json_:
                print_json(entry)
            else:
                _print(entry)
            flush()
            if left is not None:
                left -= 1
                if not left:
                    break
        return 0

    return ask(access, user, work)


async def _entries(asker: Asker, after: int | None) -> Any:
    """Yield entries from a position on, for ever; over the server's absences."""
    epoch: str | None = None
    if after is None:
        after = (await asker.ask("ping"))["head"]
    loop = asyncio.get_running_loop()
    away = False
    while True:
        asked = loop.time()
        try:
            page = await asker.ask("pull", after=after, epoch=epoch, wait=_WAIT)
        except Unreachable as error:
            if epoch is None:
                raise
            if not away:
                print(f"tideline: {error}; waiting for it", file=sys.stderr)
            away = True
            await asyncio.sleep(_PAUSE)
            continue
        except RequestError as error:
            if error.code in ("epoch_changed", "cursor_ahead", "cursor_too_old"):
                raise TidelineError(
                    f"there is nothing to go on after {after} ({error.code}): begin anew, without --after"
                ) from None
            raise
        away = False
        epoch = page["epoch"]
        for entry in page["entries"]:
            after = entry["seq"]
            yield entry
        if not page["entries"] and loop.time() - asked < _PAUSE:
            # Another tail of the same user ended our wait: let it have its turn.
            await asyncio.sleep(_PAUSE)


def _conversation_of(event: dict[str, Any]) -> str | None:
    inner = event.get("message") or event.get("state") or {}
    found: str | None = event.get("conversation") or inner.get("conversation")
    return found


def _print(entry: dict[str, Any]) -> None:
    event = entry["event"]
    where = _conversation_of(event) or ""
    match event["type"]:
        case "message":
            print_message(event["message"], f"{where} {event['message']['message_seq']} ")
        case "edited":
            print(f"{where} {event['message_seq']} was edited by {event['by']}:")
            print_message(event["message"])
        case "recalled":
            print(f"{where} {event['message_seq']} was recalled by {event['by']}")
        case "reaction":
            verb = "reacts to" if event["on"] else "takes back from"
            print(f"{event['by']} {verb} {where} {event['message_seq']}: {one_line(event['reaction'])}")
        case "read":
            print(f"{event['user']} has read {where} up to {event['message_seq']}")
        case "member":
            for verb, users in (("added", event["added"]), ("removed", event["removed"])):
                if users:
                    print(f"{event['by']} {verb} {', '.join(users)}: {where}")
        case "conversation":
            title = event["state"].get("title")
            print(f"{where}{': ' + one_line(title) if title else ''} ({event['state']['members']} members)")
        case kind:
            print(f"{kind} {where}".rstrip())
