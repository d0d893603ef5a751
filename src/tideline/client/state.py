"""How an event changes what a device knows of a conversation (protocol, sections 4, 6 and 7).

Laws:

1. All functions are pure: they return what is new, and leave what they were given as it was.
2. Applying an event twice changes nothing the second time.
3. Events that a state already contains lead back to it: so a snapshot may be newer than its cursor, and the
   snapshot with the entries after it is the same as all entries from 1 (promise C2).

Numbers only grow (``head``, ``read``, ``first``); of two forms of a message the later one stays; everything else
is as the last event says. Of a conversation that the user was removed from, nothing is left: a fresh device would
not learn of it either. ``unread`` is ``head`` - ``read``, never below 0: a read position may come before its message.
"""

from msgspec import structs

from tideline.protocol import events
from tideline.protocol.names import kind_of, parties, peer
from tideline.protocol.responses import Message, State


class Conversation(State, kw_only=True):
    """A conversation as this device knows it; ``peer_read``: how far the peer of a direct one has read."""

    peer_read: int = 0


def local(state: State, peer_read: int = 0) -> Conversation:
    """Make the device's own form of a state that the server sent."""
    fields = {name: getattr(state, name) for name in State.__struct_fields__}
    return _counted(Conversation(**fields, peer_read=peer_read))


def reduce(state: Conversation | None, event: events.AnyEvent, me: str) -> Conversation | None:
    """Return the state of the event's conversation after it; None: not a conversation of this user (any more)."""
    match event:
        case events.MessageEvent():
            return _message(state or _implied(event.message.conversation, me), event.message, me)
        case events.Edited() if state is not None:
            return _last(state, changed(_last_at(state, event.message_seq), event))
        case events.Recalled() | events.Reaction() if state is not None:
            return _last(state, changed(_last_at(state, event.message_seq), event))
        case events.ReadEvent():
            return _read(state, event, me)
        case events.ConversationEvent():
            return _merged(state, local(event.state))
        case events.MemberEvent() if state is not None:
            return None if me in event.removed else structs.replace(state, members=event.members)
    return state


def changed(message: Message | None, event: events.AnyEvent) -> Message | None:
    """Return a message after an event about it; ``message``: the form that is held, None: none.

    Something can be known of a message that isn't held: how it was edited, that it was recalled. It is kept, so that
    an answer of ``history`` that was made before the event doesn't bring back what is gone.
    """
    match event:
        case events.MessageEvent():
            return later(message, event.message)
        case events.Edited():
            return later(message, event.message)
        case events.Recalled():
            held = message or Message(conversation=event.conversation, message_seq=event.message_seq)
            return structs.replace(held, body={}, recalled=True)
        case events.Reaction() if message is not None:
            return _reacted(message, event)
    return message


def later(held: Message | None, given: Message) -> Message:
    """Return the later of two forms of a message: what is gone stays gone, what is recalled recalled."""
    if held is None or given.gone:
        return given
    if held.gone:
        return held
    if held.recalled and not given.recalled:
        # Held may be no more than the news that it was recalled.
        return held if held.sender else structs.replace(given, body={}, recalled=True)
    return given if (given.edited or 0) >= (held.edited or 0) else held


def place(event: events.AnyEvent) -> tuple[str, int] | None:
    """Return the conversation and the ``message_seq`` of the message that an event is about; None: of none."""
    match event:
        case events.MessageEvent():
            return event.message.conversation, event.message.message_seq
        case events.Edited() | events.Recalled() | events.Reaction():
            return event.conversation, event.message_seq
    return None


def conversation_of(event: events.AnyEvent) -> str | None:
    """Return the conversation that an event is about; None: of none."""
    match event:
        case events.MessageEvent():
            return event.message.conversation
        case events.ConversationEvent():
            return event.state.conversation
        case events.Custom() | events.UnknownEvent():
            return None
    return event.conversation


def _implied(conversation: str, me: str) -> Conversation:
    """Return the state that the first message of a conversation implies."""
    if kind_of(conversation) != "direct":
        return Conversation(conversation=conversation, kind="group")
    members = len(parties(conversation))
    return Conversation(conversation=conversation, kind="direct", peer=peer(conversation, me), members=members)


def _message(state: Conversation, message: Message, me: str) -> Conversation:
    number = message.message_seq
    read = max(state.read, number) if message.sender == me else state.read
    if number >= state.head:
        known = _last_at(state, number)
        last = None if message.gone else later(known, message)
        state = structs.replace(state, head=number, last_message=last)
    return _counted(structs.replace(state, read=read))


def _read(state: Conversation | None, event: events.ReadEvent, me: str) -> Conversation | None:
    if state is None:
        if kind_of(event.conversation) != "direct":
            return None
        state = _implied(event.conversation, me)
    if event.user == me:
        return _counted(structs.replace(state, read=max(state.read, event.message_seq)))
    return structs.replace(state, peer_read=max(state.peer_read, event.message_seq))


def _merged(held: Conversation | None, given: Conversation) -> Conversation:
    """Return a stated state on top of the held one, which may be newer."""
    if held is None or given.joined > held.joined:
        return given
    if given.joined < held.joined:
        return held  # It speaks of an earlier membership.
    last = given.last_message
    if held.last_message is not None:
        if last is None or held.last_message.message_seq > last.message_seq:
            last = held.last_message
        elif held.last_message.message_seq == last.message_seq:
            last = later(held.last_message, last)
    return _counted(
        structs.replace(
            given,
            head=max(held.head, given.head),
            read=max(held.read, given.read),
            first=max(held.first, given.first),
            last_message=last,
            peer_read=held.peer_read,
        )
    )


def _last_at(state: Conversation, number: int) -> Message | None:
    last = state.last_message
    return last if last is not None and last.message_seq == number else None


def _last(state: Conversation, message: Message | None) -> Conversation:
    """Return a state whose last message has changed, if it is that message."""
    if message is None or _last_at(state, message.message_seq) is None:
        return state
    return structs.replace(state, last_message=message)


def _counted(state: Conversation) -> Conversation:
    return structs.replace(state, unread=max(0, state.head - state.read))


def _reacted(message: Message, event: events.Reaction) -> Message:
    users = list(message.reactions.get(event.reaction, ()))
    if event.on and event.by not in users:
        users.append(event.by)
    elif not event.on and event.by in users:
        users.remove(event.by)
    reactions = {**message.reactions, event.reaction: users}
    return structs.replace(message, reactions={reaction: by for reaction, by in reactions.items() if by})
