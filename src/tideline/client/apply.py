"""Carry out a device's outputs on its local store, inside one transaction (protocol, section 6).

Law: everything that a run of outputs says is in the store, or nothing of it. So a cursor is never ahead of what is
applied, whenever the process dies (invariant C1).
"""

from collections.abc import Sequence

import msgspec
from msgspec import Struct, structs

from tideline.protocol import events, responses

from . import outputs, ranges
from .state import Conversation, changed, conversation_of, later, local, place, reduce
from .stores.contract import Transaction


class Resynced(Struct, frozen=True):
    """All conversations were replaced by a snapshot, for ``reason`` (protocol, section 4, ``welcome``)."""

    reason: str


Happened = events.AnyEvent | Resynced
"""What an application hears of."""


class Result(Struct):
    """What came of a run of outputs: what happened, in order, and own messages that were seen in the timeline."""

    happened: list[Happened]
    found: list[tuple[str, responses.Message]]


def carry_out(tx: Transaction, todo: Sequence[outputs.StoreOutput], me: str) -> Result:
    """Carry out outputs of the store in order, for the user ``me``."""
    result = Result([], [])
    sheet = _Sheet(tx, me)
    for output in todo:
        match output:
            case outputs.Apply():
                for entry in output.entries:
                    event = _decode(entry)
                    sheet.apply(event)
                    result.happened.append(event)
                    found = _own(tx, event, me)
                    if found is not None:
                        result.found.append(found)
                _stand(tx, output.cursor, output.epoch)
            case outputs.Stage():
                if output.start:
                    tx.take_staged()
                tx.stage(output.conversations)
            case outputs.Replace():
                sheet.flush()
                _replace(tx, output)
                tx.set("user", me)
                result.happened.append(Resynced(output.reason))
            case outputs.Attempt():
                _note(tx, output.client_id, tried=output.tried)
            case outputs.Confirmed():
                tx.drop_pending(output.client_id)
            case outputs.Failed():
                _note(tx, output.client_id, state="failed", code=output.code, message=output.message)
            case outputs.Unconfirmed():
                _note(tx, output.client_id, state="unconfirmed")
    sheet.flush()
    return result


def keep_history(tx: Transaction, given: responses.Messages) -> None:
    """Store what ``history`` brought: the messages, in their later form, and that they are held."""
    conversation = given.conversation
    for message in given.messages:
        tx.put_message(later(tx.message(conversation, message.message_seq), message))
    held = tx.held(conversation)
    for low, high in ranges.runs([message.message_seq for message in given.messages]):
        held = ranges.add(held, low, high)
    tx.put_held(conversation, held)
    state = tx.conversation(conversation)
    if state is not None and given.first > state.first:
        tx.put_conversation(structs.replace(state, first=given.first))


class _Sheet:
    """States and ranges that a transaction is changing: each is read once and written once."""

    def __init__(self, tx: Transaction, me: str) -> None:
        self._tx = tx
        self._me = me
        self._states: dict[str, Conversation | None] = {}
        self._held: dict[str, ranges.Ranges] = {}

    def apply(self, event: events.AnyEvent) -> None:
        """Apply one event."""
        conversation = conversation_of(event)
        if conversation is None:
            return
        if conversation not in self._states:
            self._states[conversation] = self._tx.conversation(conversation)
        before = self._states[conversation]
        after = self._states[conversation] = reduce(before, event, self._me)
        if after is None and before is not None:
            self._tx.drop_conversation(conversation)
            self._held.pop(conversation, None)
        elif after is not None and (where := place(event)) is not None:
            held = self._tx.message(*where)
            message = changed(held, event)
            if message is not None and message is not held:
                self._tx.put_message(message)
            if isinstance(event, events.MessageEvent):
                self._hold(*where)
        elif after is not None and isinstance(event, events.ConversationEvent):
            self._hold_last(after, event.state.last_message)

    def _hold_last(self, state: Conversation, message: responses.Message | None) -> None:
        if message is not None and message.message_seq >= state.first:
            held = self._tx.message(message.conversation, message.message_seq)
            self._tx.put_message(later(held, message))
            self._hold(message.conversation, message.message_seq)

    def _hold(self, conversation: str, number: int) -> None:
        held = self._held.get(conversation)
        if held is None:
            held = self._tx.held(conversation)
        self._held[conversation] = ranges.add(held, number, number)

    def flush(self) -> None:
        """Write what has changed."""
        for state in self._states.values():
            if state is not None:
                self._tx.put_conversation(state)
        for conversation, held in self._held.items():
            self._tx.put_held(conversation, held)
        self._states.clear()
        self._held.clear()


def _replace(tx: Transaction, output: outputs.Replace) -> None:
    discard = output.messages == "discard"
    read = {} if discard else {state.conversation: state.peer_read for state in tx.conversations()}
    tx.forget_messages(ranges_only=not discard)
    tx.drop_conversations()
    for state in tx.take_staged():
        tx.put_conversation(local(state, read.get(state.conversation, 0)))
        last = state.last_message
        if last is not None:
            tx.put_message(last)
            tx.put_held(state.conversation, ((last.message_seq, last.message_seq),))
    _stand(tx, output.cursor, output.epoch)


def _stand(tx: Transaction, cursor: int, epoch: str) -> None:
    tx.set("cursor", cursor)
    tx.set("epoch", epoch)


def _decode(entry: responses.Entry) -> events.AnyEvent:
    try:
        return events.decode_event(entry.event)
    except msgspec.DecodeError:
        # Rule 9: one that can't be understood must not stand in the way of all that follow.
        return events.UnknownEvent("malformed")


def _own(tx: Transaction, event: events.AnyEvent, me: str) -> tuple[str, responses.Message] | None:
    """Take a message out of the outbox that the timeline shows to be sent, whatever became of its answer."""
    if not isinstance(event, events.MessageEvent) or event.message.sender != me:
        return None
    if tx.find_pending(event.message.client_id) is None:
        return None
    tx.drop_pending(event.message.client_id)
    return event.message.client_id, event.message


def _note(tx: Transaction, client_id: str, **fields: object) -> None:
    pending = tx.find_pending(client_id)
    if pending is not None:
        tx.put_pending(structs.replace(pending, **fields))
