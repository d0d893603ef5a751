"""The floor: the least program that does the I/O of a durable multi-device message server.

picows on uvloop; decode a frame; gather what one turn of the event loop brought; one write batch of a
content record and a reference per member, with fsync; answer and forward with one WebSocket message per
connection and commit. It checks no token, no membership, no duplicate and no limit, keeps nothing for a
restart, and has no outbox: it exists to be measured (`python -m bench.floor PORT FOLDER`).
"""

import asyncio
import base64
import logging
import signal
import sys
import time
from pathlib import Path

import msgspec
import uvloop
from picows import (
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)
from rocksdict import WriteBatch

from bench.floor_store import FloorStore, conversation_key, timeline_key


class Hello(msgspec.Struct, tag="hello"):
    id: int
    token: str


class Send(msgspec.Struct, tag="send"):
    id: int
    conversation: str
    client_id: str
    body: msgspec.Raw


class Pull(msgspec.Struct, tag="pull"):
    id: int
    after: int
    limit: int


class Create(msgspec.Struct, tag="create"):
    id: int
    conversation: str
    members: list[str]


class Ping(msgspec.Struct, tag="ping"):
    id: int


_decoder = msgspec.json.Decoder(Hello | Send | Pull | Create | Ping)


class Timeline:
    """A user's head and connections."""

    __slots__ = ("connections", "head", "key")

    def __init__(self, user: str) -> None:
        self.key = timeline_key(user)
        self.head = 0
        self.connections: list[Connection] = []


class Conversation:
    """A conversation's head and members."""

    __slots__ = ("head", "key", "members")

    def __init__(self, name: str, members: list[Timeline]) -> None:
        self.key = conversation_key(name)
        self.head = 0
        self.members = members


class Connection(WSListener):
    """One WebSocket: decodes what comes in, and holds what the commit in progress brings to it."""

    __slots__ = ("floor", "frames", "run", "timeline", "transport", "user")

    def __init__(self, floor: "Floor") -> None:
        self.floor = floor
        self.frames: list[bytes] = []
        self.run: list[bytes] = []
        self.user = ""
        self.timeline: Timeline | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if self.timeline is not None:
            self.timeline.connections.remove(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type != WSMsgType.TEXT:
            if frame.msg_type == WSMsgType.CLOSE:
                transport.disconnect()
            return
        request = _decoder.decode(frame.get_payload_as_bytes())
        if type(request) is Send:
            self.floor.gather(self, request)
        else:
            transport.send(WSMsgType.TEXT, self.floor.answer(self, request))

    def end_run(self) -> None:
        self.frames.append(b'{"type":"push","entries":[%b]}' % b",".join(self.run))
        self.run.clear()

    def flush(self) -> None:
        """Write everything of one commit as one WebSocket message."""
        if self.run:
            self.end_run()
        frames = self.frames
        self.transport.send(WSMsgType.TEXT, frames[0] if len(frames) == 1 else b"[%b]" % b",".join(frames))
        frames.clear()


class Floor:
    """Timelines, conversations and the group commit."""

    def __init__(self, store: FloorStore) -> None:
        self.store = store
        self.timelines: dict[str, Timeline] = {}
        self.conversations: dict[str, Conversation] = {}
        self.gathered: list[tuple[Connection, Send]] = []

    def timeline(self, user: str) -> Timeline:
        found = self.timelines.get(user)
        if found is None:
            found = self.timelines[user] = Timeline(user)
        return found

    def conversation(self, name: str) -> Conversation:
        found = self.conversations.get(name)
        if found is None:  # a group is there since its `create`
            users = dict.fromkeys(name.removeprefix("d:").split("~"))
            found = self.conversations[name] = Conversation(name, [self.timeline(user) for user in users])
        return found

    def gather(self, connection: Connection, send: Send) -> None:
        if not self.gathered:
            asyncio.get_running_loop().call_soon(self.commit)
        self.gathered.append((connection, send))

    def commit(self) -> None:
        """Number, store and deliver what was gathered."""
        gathered, self.gathered = self.gathered, []
        now = int(time.time() * 1000)
        batch = WriteBatch(raw_mode=True)
        touched: dict[Connection, None] = {}
        for sender, send in gathered:
            conversation = self.conversation(send.conversation)
            conversation.head = message_seq = conversation.head + 1
            name = send.conversation.encode()
            content = b'{"conversation":"%b","message_seq":%d,"sender":"%b","client_id":"%b","time":%d,"body":%b}' % (
                name,
                message_seq,
                sender.user.encode(),
                send.client_id.encode(),
                now,
                bytes(send.body),
            )
            key = conversation.key + message_seq.to_bytes(8, "big")
            batch.put(key, content)
            event = b',"event":{"type":"message","message":%b}}' % content
            for timeline in conversation.members:
                timeline.head = seq = timeline.head + 1
                batch.put(timeline.key + seq.to_bytes(8, "big"), key)
                for connection in timeline.connections:
                    touched[connection] = None
                    if connection is not sender:
                        connection.run.append(b'{"seq":%d%b' % (seq, event))
                        continue
                    if connection.run:
                        connection.end_run()
                    connection.frames.append(
                        b'{"type":"sent","id":%d,"conversation":"%b","message_seq":%d,"seq":%d,"time":%d,'
                        b'"duplicate":false}' % (send.id, name, message_seq, seq, now)
                    )
        self.store.commit(batch)
        for connection in touched:
            connection.flush()

    def answer(self, connection: Connection, request: Hello | Pull | Create | Ping) -> bytes:
        if isinstance(request, Hello):
            return self.hello(connection, request)
        if isinstance(request, Create):
            members = [connection.user, *request.members]
            self.conversations[request.conversation] = Conversation(
                request.conversation, [self.timeline(user) for user in members]
            )
            return b'{"type":"conversation","id":%d,"state":{}}' % request.id
        timeline = connection.timeline
        if timeline is None:
            raise RuntimeError("a request before hello")
        if isinstance(request, Ping):
            return b'{"type":"pong","id":%d,"head":%d}' % (request.id, timeline.head)
        return self.page(timeline, request)

    def hello(self, connection: Connection, hello: Hello) -> bytes:
        claims = hello.token.split(".")[1]
        user: str = msgspec.json.decode(base64.urlsafe_b64decode(claims + "=="))["sub"]
        connection.user = user
        connection.timeline = self.timeline(user)
        connection.timeline.connections.append(connection)
        return (
            b'{"type":"welcome","id":%d,"epoch":"floor","head":%d,"entries":[],"more":false,"reset":"new_device"}'
            % (hello.id, connection.timeline.head)
        )

    def page(self, timeline: Timeline, pull: Pull) -> bytes:
        head = timeline.head
        numbers = range(pull.after + 1, min(pull.after + pull.limit, head) + 1)
        contents = self.store.page(timeline.key, numbers) if numbers else []
        entries = b",".join(
            b'{"seq":%d,"event":{"type":"message","message":%b}}' % (seq, content)
            for seq, content in zip(numbers, contents, strict=True)
        )
        more = b"true" if numbers and numbers[-1] < head else b"false"
        return b'{"type":"page","id":%d,"epoch":"floor","entries":[%b],"head":%d,"more":%b}' % (
            pull.id,
            entries,
            head,
            more,
        )


async def serve(port: int, folder: Path) -> None:
    """Serve until SIGTERM."""
    store = FloorStore(folder)
    floor = Floor(store)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

    def accept(request: WSUpgradeRequest) -> Connection | WSUpgradeResponseWithListener:
        if request.path == b"/healthz":
            return WSUpgradeResponseWithListener(WSUpgradeResponse.create_ok_response(b"ok"), None)
        return Connection(floor)

    server = await ws_create_server(
        accept,
        "127.0.0.1",
        port,
        backlog=4096,
        # Measured: less memory per connection than picows' defaults (8 KiB against 27), and no slower.
        use_aiofastnet=False,
        read_buffer_init_size=2048,
        logger_name=logging.LoggerAdapter(logging.getLogger("floor")),
    )
    await stop.wait()
    server.close()
    store.close()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
