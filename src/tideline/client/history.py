"""Reading a conversation back: what is held locally, and what is not from the server (protocol, section 6)."""

from collections.abc import AsyncIterator, Awaitable, Callable

from tideline.protocol.requests import History
from tideline.protocol.responses import Message, Messages

from . import ranges
from .apply import keep_history
from .stores.contract import LocalStore, Transaction

Ask = Callable[[History], Awaitable[Messages]]

CHUNK = 100
"""Messages read or asked for at a time."""


async def read_back(
    store: LocalStore, ask: Ask, conversation: str, before: int | None, limit: int | None
) -> AsyncIterator[Message]:
    """Yield messages from the newest to the oldest: below ``before``, or from the end; at most ``limit``.

    What is held is read from the store; a hole is filled from the server first, so that it never looks like the
    beginning. It ends at the first message that the user may read.

    Raises:
        RequestError: ``unavailable`` if there is a hole and no answer in time; ``forbidden`` for who is no member.
    """
    place = before - 1 if before is not None else None
    left = limit
    while left is None or left > 0:
        want = CHUNK if left is None else min(left, CHUNK)
        found = await store.run(_reader(conversation, place, want))
        if found is None:
            answer = await ask(
                History(id=1, conversation=conversation, before=None if place is None else place + 1, limit=CHUNK)
            )
            await store.run(lambda tx, answer=answer: keep_history(tx, answer))  # type: ignore[misc]
            if not answer.messages:
                return
            place = answer.messages[-1].message_seq
            found = await store.run(_reader(conversation, place, want)) or answer.messages[-want:]
        if not found:
            return
        for message in reversed(found):
            yield message
        place = found[0].message_seq - 1
        left = None if left is None else left - len(found)


def _reader(conversation: str, place: int | None, want: int) -> Callable[[Transaction], list[Message] | None]:
    """Return work that reads messages up to ``place``, ascending: [] at the beginning, None in a hole."""

    def read(tx: Transaction) -> list[Message] | None:
        state = tx.conversation(conversation)
        first = state.first if state is not None else 1
        high = place
        if high is None:
            if state is None:
                return None
            high = state.head
        if high < first:
            return []
        held = ranges.around(tx.held(conversation), high)
        if held is None:
            return None
        return tx.messages(conversation, max(held[0], first, high - want + 1), high)

    return read
