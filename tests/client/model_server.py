"""A server in memory, small enough to be seen to be right (protocol, sections 4 and 5), for one user."""

from typing import Any

import msgspec

from tideline.protocol import requests, responses
from tideline.protocol.limits import Limits

SNAPSHOT_PAGE = 2


class ModelServer:
    """One user's timeline, and at most one connection to it."""

    def __init__(self) -> None:
        self.epoch = "e1"
        self.entries: list[dict[str, Any]] = []
        self.trimmed = 0
        self.sent: dict[str, responses.Sent] = {}
        self.connection: Connection | None = None
        self.failing = False

    @property
    def head(self) -> int:
        return len(self.entries)

    def commit(self, sender: str, client_id: str, *, own: bool = False) -> int:
        """Append a message; tell the connection, but for one that it sent itself."""
        self.entries.append({"sender": sender, "client_id": client_id})
        if self.connection is not None and not own:
            self.connection.committed()
        return self.head

    def page(self, after: int, limit: int) -> list[responses.Entry]:
        """Read a run of entries."""
        return [self.entry(seq) for seq in range(after + 1, min(self.head, after + limit) + 1)]

    def entry(self, seq: int) -> responses.Entry:
        message = {"conversation": "d:alice~bob", "message_seq": seq, "time": 1, "body": {"n": seq}}
        event = {"type": "message", "message": {**message, **self.entries[seq - 1]}}
        return responses.Entry(seq, msgspec.Raw(msgspec.json.encode(event)))

    def renew_epoch(self, keep: int) -> None:
        """Come back from a backup that holds the first ``keep`` entries."""
        self.epoch = f"e{int(self.epoch[1:]) + 1}"
        del self.entries[keep:]
        self.sent = {key: sent for key, sent in self.sent.items() if sent.seq <= keep}
        self.trimmed = min(self.trimmed, keep)


class Connection:
    """The outbox of a connection: unpositioned, behind or live."""

    def __init__(self, server: ModelServer) -> None:
        self.server = server
        self.out: list[responses.ServerFrame] = []
        self.state = "unpositioned"
        self.position = 0
        self.armed = False
        self.greeted = False
        server.connection = self

    def committed(self) -> None:
        server = self.server
        if self.state == "live":
            self.out.append(responses.Push(entries=server.page(self.position, server.head)))
            self.position = server.head
        elif self.state == "behind" and self.armed:
            self.out.append(responses.Notify(head=server.head))
            self.armed = False

    def receive(self, frame: requests.Request | requests.Signal) -> None:
        server = self.server
        match frame:
            case requests.Hello():
                self.hello(frame)
            case requests.Ping():
                self.out.append(responses.Pong(id=frame.id, head=server.head))
            case _ if server.failing and isinstance(frame, requests.Request):
                self.error(frame.id, "unavailable")
            case requests.Pull():
                self.pull(frame)
            case requests.Snapshot():
                self.snapshot(frame)
            case requests.Send():
                self.send(frame)

    def error(self, request: int, code: str) -> None:
        retry = code == "unavailable"
        self.out.append(responses.Error(id=request, code=code, message="", retry=retry))

    def reset(self, cursor: int | None, epoch: str | None) -> str | None:
        if cursor is None:
            return "new_device"
        if epoch != self.server.epoch:
            return "epoch_changed"
        if cursor > self.server.head:
            return "cursor_ahead"
        return "cursor_too_old" if cursor < self.server.trimmed else None

    def hello(self, frame: requests.Hello) -> None:
        server = self.server
        reset = self.reset(frame.cursor, frame.epoch)
        entries: list[responses.Entry] = []
        if reset is None and frame.cursor is not None:
            self.position, self.armed = frame.cursor, True
            entries = server.page(frame.cursor, frame.limit)
            self.enter(entries)
        self.out.append(
            responses.Welcome(
                id=frame.id,
                user="alice",
                device=frame.device,
                session="s",
                epoch=server.epoch,
                head=server.head,
                entries=entries,
                more=reset is None and self.position < server.head,
                reset=reset,
                heartbeat=30,
                time=0,
                limits=Limits(),
            )
        )
        self.greeted = True

    def enter(self, entries: list[responses.Entry]) -> None:
        """Put a page into the outgoing buffer: live exactly when it ends at the head."""
        if entries:
            self.position = entries[-1].seq
        self.state = "live" if self.position == self.server.head else "behind"

    def pull(self, frame: requests.Pull) -> None:
        server = self.server
        reset = self.reset(frame.after, frame.epoch)
        if reset is not None:
            self.state = "unpositioned"
            self.error(frame.id, reset)
            return
        self.position, self.armed = frame.after, True
        entries = server.page(frame.after, frame.limit)
        self.enter(entries)
        more = self.position < server.head
        self.out.append(responses.Page(id=frame.id, epoch=server.epoch, entries=entries, head=server.head, more=more))

    def snapshot(self, frame: requests.Snapshot) -> None:
        """Answer with nothing but places: what matters here is the cursor."""
        server = self.server
        page, cursor, epoch = 0, server.head, server.epoch
        if frame.next is not None:
            number, stated, epoch = frame.next.split()
            page, cursor = int(number), int(stated)
            if epoch != server.epoch:
                self.error(frame.id, "bad_request")
                return
        if self.state == "unpositioned":
            self.state, self.position, self.armed = "behind", cursor, True
        last = page + 1 == SNAPSHOT_PAGE
        self.out.append(
            responses.SnapshotPage(
                id=frame.id,
                cursor=cursor,
                epoch=epoch,
                conversations=[],
                next=None if last else f"{page + 1} {cursor} {epoch}",
            )
        )

    def send(self, frame: requests.Send) -> None:
        server = self.server
        stored = server.sent.get(frame.client_id)
        if stored is not None:
            self.out.append(msgspec.structs.replace(stored, id=frame.id, duplicate=True, message_seq=stored.seq))
            return
        seq = server.commit("alice", frame.client_id, own=True)
        answer = responses.Sent(
            id=frame.id, conversation="d:alice~bob", message_seq=seq, seq=seq, time=1, duplicate=False
        )
        server.sent[frame.client_id] = answer
        if self.state == "live" and self.position == seq - 1:
            self.position = seq
        elif self.state == "live":
            self.state = "behind"
        if self.state == "behind" and self.armed:
            self.out.append(responses.Notify(head=server.head))
            self.armed = False
        self.out.append(answer)
