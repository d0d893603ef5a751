"""What must be true, judged from outside: at every commit, at every step of a device, and at the end.

The numbers are those of ``spec/sync.md``.
"""

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import msgspec

from tideline.client import outputs
from tideline.client.stores.contract import Transaction
from tideline.protocol import events
from tideline.protocol.names import kind_of
from tideline.stores.memory import MemoryStore
from tideline.timeline import refs
from tideline.timeline.changes import Changes
from tideline.timeline.records import first_readable

if TYPE_CHECKING:
    from .device import SimDevice
    from .world import Simulation


class Oracle:
    """Watches the store and every device."""

    def __init__(self, simulation: "Simulation", store: MemoryStore) -> None:
        self._simulation = simulation
        self._store = store
        self._apply = store.apply
        store.apply = self.commit  # type: ignore[method-assign]
        self._identities: dict[tuple[str, str, str], tuple[bytes, str]] = {}
        """Sender, conversation, client_id → place and epoch."""
        self._acknowledged: list[tuple[SimDevice, outputs.Confirmed, str]] = []
        self.lost_epochs: set[str] = set()

    def _failed(self, invariant: str, what: str) -> None:
        self._simulation.failed(invariant, what)

    # at a commit

    def commit(self, changes: Changes) -> None:
        """Check a commit, and let the store have it."""
        tables = self._store.tables
        for user, run in changes.runs.items():
            head = tables.heads.get(user, 0)
            if run.first != head + 1:
                self._failed("T1", f"{user}: after {head} comes {run.first}")
            if any(seq in tables.entries[user] for seq in range(run.first, run.last + 1)):
                self._failed("T2", f"{user}: a number of {run.first}..{run.last} is used again")
        for place, text in changes.messages:
            if place in tables.messages:
                self._failed("T2", f"{place!r} is written again")
            self._new_message(place, text)
        self._apply(changes)
        self._check_fan_out(changes)

    def _new_message(self, place: bytes, text: bytes) -> None:
        message = msgspec.json.decode(text)
        identity = (message["sender"], message["conversation"], message["client_id"])
        known = self._identities.get(identity)
        if known is not None and known[1] not in self.lost_epochs:
            self._failed("T4", f"{identity} is stored twice, at {known[0]!r} and {place!r}")
        self._identities[identity] = (place, self._store.epoch)
        self._simulation.counts["messages"] += 1

    def _check_fan_out(self, changes: Changes) -> None:
        """Every member has every message of the commit, and nobody has one that is not stored."""
        tables = self._store.tables
        references = {user: {post.ref for post in run.posts} for user, run in changes.runs.items()}
        left = defaultdict(set)
        for conversation, user, _ in changes.left:
            left[conversation].add(user)
        joined = {conversation: set() for conversation, _ in changes.joined}  # type: ignore[var-annotated]
        for conversation, user in changes.joined:
            joined[conversation].add(user)
        for place, _ in changes.messages:
            conversation = refs.read_place(place)[0].decode()
            for user in tables.members[conversation]:
                # Whoever joined or left in this very batch may have been no member when the message was placed.
                if user in joined.get(conversation, ()) and kind_of(conversation) == "group":
                    continue
                if refs.message(place) not in references.get(user, ()):
                    self._failed("T3", f"{user} is a member and lacks {place!r}")
        for user, found in references.items():
            for ref in found:
                if ref[:1] == refs.MESSAGE and ref[1:] not in tables.messages:
                    self._failed("T3", f"{user} has {ref!r} and there is no such message")

    # at a device

    def applying(self, device: "SimDevice", cursor: Any, epoch: Any, output: outputs.Apply) -> None:
        """Check entries that a device is about to apply."""
        seqs = [entry.seq for entry in output.entries]
        if cursor is None or seqs != list(range(cursor + 1, cursor + 1 + len(seqs))):
            self._failed("D3", f"{device.name} at {cursor} applies {seqs[:8]}")
        if not seqs or seqs[-1] != output.cursor or output.epoch != epoch:
            self._failed("C1", f"{device.name} applies up to {seqs[-1:]} and stores {output.cursor}")
        self._simulation.counts["entries applied"] += len(seqs)
        if epoch != self._store.epoch:
            return
        for entry in output.entries:
            ref = self._store.tables.entries[device.user].get(entry.seq)
            if entry.seq > self._store.tables.heads.get(device.user, 0):
                self._failed("D1", f"{device.name} applies {entry.seq}, which is not committed")
            elif ref is not None and not _is(ref, bytes(entry.event)):
                self._failed("T2", f"{device.name} applies {entry.seq} as {entry.event!r}, and it is {ref!r}")

    def stored(self, device: "SimDevice", tx: Transaction, cursor: Any, epoch: Any) -> None:
        """Check what a transaction has left."""
        if (tx.get("cursor"), tx.get("epoch")) != (cursor, epoch):
            self._failed("C1", f"{device.name} stores {tx.get('cursor')} where {cursor} is applied")

    def confirmed(self, device: "SimDevice", output: outputs.Confirmed) -> None:
        """Remember what was acknowledged, and check that it is stored."""
        self._acknowledged.append((device, output, self._store.epoch))
        self._simulation.counts["acknowledged"] += 1

    def check_bounds(self) -> None:
        """Check that nothing grows (D2)."""
        simulation = self._simulation
        for device in simulation.devices:
            machine, link = device.machine, device.link
            if machine is not None and len(machine.sync.position.stash) > simulation.policy.stash:
                self._failed("D2", f"{device.name} stashes {len(machine.sync.position.stash)}")
            if link is not None and link.connection._in_flight > 64 + 64:
                self._failed("D2", f"{device.name} has {link.connection._in_flight} requests in flight")
        for node in simulation.nodes:
            for link in node.links:
                if link.most_buffered > simulation.high_water + simulation.largest_commit:
                    self._failed("D2", f"{link.device.name}: {link.most_buffered} bytes wait")

    # at the end

    def complete(self) -> str | None:
        """Say what is missing somewhere; None: every device has everything."""
        heads = self._store.tables.heads
        for device in self._simulation.devices:
            machine = device.machine
            if machine is None or machine.state != "live":
                return f"{device.name} is {machine.state if machine is not None else 'dead'}"
            cursor, epoch = device.position()
            if epoch != self._store.epoch or cursor != heads.get(device.user, 0):
                return f"{device.name} is at {cursor} of {heads.get(device.user, 0)}"
            if not device.idle or any(message.state == "pending" for message in device.pending()):
                return f"{device.name} has something to send"
        return None

    def final(self) -> None:
        """Check all that is true once every device has everything."""
        self._check_timelines()
        self._check_acknowledged()
        self._check_order()
        for device in self._simulation.devices:
            self._check_states(device)

    def _check_timelines(self) -> None:
        tables = self._store.tables
        for user, head in tables.heads.items():
            first = tables.trimmed.get(user, 1)
            if sorted(tables.entries[user]) != list(range(first, head + 1)):
                self._failed("T1", f"{user} does not have {first}..{head}")

    def _check_acknowledged(self) -> None:
        tables = self._store.tables
        for device, output, epoch in self._acknowledged:
            if epoch in self.lost_epochs:
                continue
            place = refs.place(output.conversation.encode(), output.message_seq)
            text = tables.messages.get(place)
            if text is None or msgspec.json.decode(text)["client_id"] != output.client_id:
                self._failed("T2", f"{device.name}: {output.client_id} was acknowledged and is not there")
            ref = tables.entries[device.user].get(output.seq)
            if output.seq >= tables.trimmed.get(device.user, 1) and ref != refs.message(place):
                self._failed("T2", f"{device.name}: entry {output.seq} is not {output.client_id}")

    def _check_order(self) -> None:
        """Check that the messages that one device wrote to one conversation stand in the order of writing."""
        if self._simulation.refuses_sends or self.lost_epochs:
            return  # Gap G1 of the specification.
        last: dict[tuple[str, bytes], int] = {}
        for place, text in sorted(self._store.tables.messages.items()):
            body = msgspec.json.decode(text)["body"]
            key = (body["by"], place[:-8])
            if body["n"] < last.get(key, 0):
                self._failed("D4", f"{body['by']}: message {body['n']} stands after {last[key]}")
            last[key] = body["n"]

    def _check_states(self, device: "SimDevice") -> None:
        """Compare what a device made of its entries with what a fresh snapshot would say (C2)."""
        tables = self._store.tables
        held = {state.conversation: state for state in device.conversations()}
        theirs = sorted(name for name, members in tables.members.items() if device.user in members)
        if sorted(held) != theirs:
            self._failed("C2", f"{device.name} knows {sorted(held)} and is a member of {theirs}")
            return
        for name in theirs:
            room = self._store.read_room(name)
            assert room is not None
            record, member = room.conversation, room.members[device.user]
            state = held[name]
            truth: dict[str, Any] = {
                "head": record.head,
                "read": member.read,
                "unread": record.head - member.read,
                "members": record.count,
                "title": record.title,
                "role": member.role,
                "muted": member.muted,
                "joined": member.joined,
                "first": first_readable(record, member),
            }
            found = {field: getattr(state, field) for field in truth}
            if found != truth:
                wrong = {field: (found[field], truth[field]) for field in truth if found[field] != truth[field]}
                self._failed("C2", f"{device.name}, {name}: {wrong}")
            last = state.last_message
            if record.head >= truth["first"] and (last is None or last.message_seq != record.head):
                self._failed("C2", f"{device.name}, {name}: last message {last}")


def _is(ref: bytes, event: bytes) -> bool:
    """Tell whether an event is what a reference stands for."""
    kind, place, data = refs.parse(ref)
    decoded = events.decode_event(msgspec.Raw(event))
    if kind == refs.MESSAGE:
        return isinstance(decoded, events.MessageEvent) and place == refs.place(
            decoded.message.conversation.encode(), decoded.message.message_seq
        )
    if kind == refs.STATE:
        return isinstance(decoded, events.ConversationEvent)
    return data == event
