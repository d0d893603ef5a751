"""The device machine as data: input, state → action, and where each action may lead (protocol, section 6).

Laws:

1. The table is total: every input is handled in every state.
2. ``NEXT`` is exact: an action leads nowhere else, and everywhere it says by some history.
3. Everything that changes the state is an action of this table; what an action does is in
   :mod:`tideline.client.core` under its name.

States::

    stopped     closed, and not to be opened by itself
    waiting     not connected; the time of the next attempt is set
    connecting  a connection is being opened
    greeting    ``hello`` is in flight
    snapshot    a reset: states are being staged, only heads are remembered (rule 8)
    behind      entries are missing, or a pull failed; the next pull waits for its time, or for the consumer
    pulling     a pull is in flight
    live        nothing is known to be missing: pushes are applied as they come

The last four are *online*. In all of them sends and other requests go out; they are no part of the position.
"""

from typing import Final

STATES: Final = ("stopped", "waiting", "connecting", "greeting", "snapshot", "behind", "pulling", "live")
ONLINE: Final = frozenset({"snapshot", "behind", "pulling", "live"})
CONNECTED: Final = ONLINE | {"greeting"}

_ROWS: Final = """
input        stopped  waiting    connecting  greeting  snapshot  behind   pulling  live

start        open     open       -           -         -         -        -        -
stop         -        halt       halt        halt      halt      halt     halt     halt
connected    -        -          greet       -         -         -        -        -
disconnected -        -          lost        lost      lost      lost     lost     lost
tick         -        reopen     impatient   timers    timers    timers   timers   timers
pause        pause    pause      pause       pause     pause     pause    pause    pause
resume       resume   resume     resume      resume    resume    resume   resume   resume
submit       queue    queue      queue       queue     dispatch  dispatch dispatch dispatch
found        found    found      found       found     found     found    found    found
call         refuse   hold       hold        hold      ask       ask      ask      ask
cancel       cancel   cancel     cancel      cancel    cancel    cancel   cancel   cancel
tell         -        -          -           -         tell      tell     tell     tell
renewed      -        -          -           -         renewed   renewed  renewed  renewed

welcome      -        -          -           welcome   -         -        -        -
page         -        -          -           -         -         page     page     page
snapshot     -        -          -           -         stage     -        -        -
sent         -        -          -           -         confirm   sent     sent     sent
push         -        -          -           -         remember  push     push     push
notify       -        -          -           -         head      head     head     head
pong         -        -          -           -         pong      pong     pong     pong
error        -        -          -           refused   error     error    error    error
bye          -        -          -           bye       bye       bye      bye      bye
answer       -        -          -           -         answer    answer   answer   answer
signal       -        -          -           -         deliver   deliver  deliver  deliver
unknown      -        -          -           -         -         -        -        -
"""

_NEXT: Final = """
action     from        to

-          *           =
open       *           connecting
halt       *           stopped
greet      *           greeting
lost       *           waiting stopped
reopen     *           = connecting
impatient  *           = waiting
timers     greeting    = waiting
timers     snapshot    = waiting
timers     behind      = waiting pulling
timers     pulling     = waiting behind
timers     live        = waiting
pause      *           =
resume     behind      = pulling live
resume     *           =
queue      *           =
dispatch   *           =
found      *           =
refuse     *           =
hold       *           =
ask        *           =
cancel     *           =
tell       *           =
renewed    *           =
welcome    *           stopped snapshot behind pulling live
page       behind      = snapshot pulling live
page       pulling     = snapshot behind live
page       live        = snapshot behind pulling
stage      *           = behind pulling
confirm    *           =
sent       live        = behind pulling
sent       *           =
remember   *           =
push       live        = behind pulling
push       *           =
head       live        = behind pulling
head       *           =
pong       live        = behind pulling
pong       *           =
refused    *           = waiting stopped
error      snapshot    = waiting stopped
error      behind      = snapshot waiting stopped
error      pulling     = snapshot waiting stopped behind
error      live        = snapshot waiting stopped
bye        *           waiting stopped
answer     *           =
deliver    *           =
"""


def _words(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line][1:]


TABLE: Final[dict[str, dict[str, str]]] = {
    kind: dict(zip(STATES, actions, strict=True)) for kind, *actions in _words(_ROWS)
}
"""input → state → action; ``-`` does nothing."""


def _next() -> dict[str, dict[str, frozenset[str]]]:
    listed: dict[tuple[str, str], list[str]] = {(action, state): to for action, state, *to in _words(_NEXT)}
    found: dict[str, dict[str, frozenset[str]]] = {}
    for row in TABLE.values():
        for state, action in row.items():
            to = listed.get((action, state)) or listed[action, "*"]
            found.setdefault(action, {})[state] = frozenset(state if name == "=" else name for name in to)
    return found


NEXT: Final = _next()
"""action → state → the states that it may lead to."""
