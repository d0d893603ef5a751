"""The public client: one device of one user, kept in step with all the others (protocol, section 6)."""

import secrets
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from ssl import SSLContext
from typing import Any, Final

import msgspec

from tideline.protocol import requests, responses
from tideline.protocol.limits import Limits
from tideline.protocol.names import direct

from . import inputs
from .apply import Happened
from .connection import websocket_url
from .feeds import Status
from .history import read_back
from .policy import Policy
from .sending import Sending
from .session import Session
from .state import Conversation
from .stores.contract import LocalStore, Pending
from .stores.memory import MemoryStore
from .stores.sqlite import SqliteStore
from .stream import Stream
from .tokens import Token, Tokens

PAGE: Final = 200
"""Members asked for at a time."""


class Client:
    """A device of a user.

    ::

        async with Client("https://chat.example", token, store="alice.db") as me:
            await me.send("bob", "hi")
            async for event in me.events():
                ...

    ``token``: a token, or an async callable that gets one, for renewal. ``device``: its name; by default a random
    one that the store remembers. ``store``: a path for what is to outlive the process, or a
    :class:`~tideline.client.stores.contract.LocalStore`; by default memory. ``delivery``: ``hint`` has the server
    say only that there is something new. ``buffer``: how many events may wait for a consumer before the device
    stops taking more from the server. ``timeout``: how long (s) a request waits for its answer, connecting included.

    A conversation is named by its id (``g:team``), or by the user whom the direct conversation is with (``bob``).

    Requests raise :class:`~tideline.protocol.errors.RequestError` with the codes of the protocol's section 8;
    ``unavailable`` also when there was no answer in time: the request may or may not have been carried out, and may
    be repeated. When the device has stopped they raise what stopped it, as iterations over events do.
    """

    def __init__(
        self,
        url: str,
        token: Token,
        *,
        device: str | None = None,
        store: LocalStore | str | Path | None = None,
        delivery: requests.Delivery = "content",
        buffer: int = 1_000,
        timeout: float = 30.0,
        ssl_context: SSLContext | None = None,
        policy: Policy | None = None,
    ) -> None:
        self._url = websocket_url(url)
        self._tokens = Tokens(token)
        self._name = device
        self._delivery = delivery
        self._ssl = ssl_context
        self._policy = policy
        if store is None:
            store = MemoryStore()
        elif isinstance(store, str | Path):
            store = SqliteStore(store)
        self._session = Session(store, buffer, timeout)

    # Its life.

    async def __aenter__(self) -> "Client":
        """Open the store and begin to connect; nothing is waited for.

        Raises:
            StoreInUse: if another client has the store open.
            StoreTooNew: if a later version of this library has written it.
        """
        await self._session.open(
            self._url,
            self._tokens,
            device=self._name,
            delivery=self._delivery,
            ssl_context=self._ssl,
            policy=self._policy,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the client."""
        await self.close()

    async def close(self) -> None:
        """Close the connection and the store. Iterations end; what waits to be sent stays in the store."""
        await self._session.close()

    def reconnect(self) -> None:
        """Connect now: after a stop, or when the network is known to be back."""
        self._session.restart()

    # What it is.

    @property
    def user(self) -> str | None:
        """The user; None until the server has said so for the first time."""
        return self._session.driver.device.user

    @property
    def device(self) -> str:
        """The device's name."""
        return self._session.name

    @property
    def status(self) -> Status:
        """How the device stands to the server."""
        return self._session.status

    @property
    def cursor(self) -> int | None:
        """The position in the user's sync timeline; None before the first synchronisation."""
        return self._session.driver.device.sync.position.cursor

    @property
    def limits(self) -> Limits:
        """What the server allows (protocol, section 8)."""
        return self._session.driver.device.limits

    async def synced(self) -> None:
        """Wait until everything up to the head that the server named is applied.

        Raises:
            ConnectionClosed: if the device has stopped, for a close code of section 8.
            RequestError: if it has stopped, for an error.
        """
        await self._session.until(lambda driver: driver.idle and driver.device.state == "live")

    async def _conversation(self, name: str) -> str:
        """Return the id of a conversation that is named by its id or by a user."""
        return name if ":" in name else direct(await self._session.me(), name)

    # Sending.

    async def send(
        self,
        to: str,
        body: str | dict[str, Any],
        *,
        reply_to: int | None = None,
        mentions: Iterable[str] = (),
        client_id: str | None = None,
    ) -> Sending:
        """Queue a message, durably, and return at once: it goes out when there is a connection, in order, once.

        ``to``: a user or a conversation's id. ``body``: a text, or any JSON object whose ``type`` others know.
        ``client_id``: the idempotency key, by default a random one (protocol, section 4, ``send``).

        Raises:
            OutboxFull: if too many messages wait already.
        """
        return await self._session.send(
            Pending(
                order=0,
                client_id=client_id or secrets.token_urlsafe(16),
                body=_body(body),
                conversation=to if ":" in to else None,
                to=None if ":" in to else to,
                reply_to=reply_to,
                mentions=list(mentions) or None,
                created=self._session.driver.now(),
            )
        )

    def outbox(self) -> list[Sending]:
        """Return the messages that are not sent: on their way, failed, or unconfirmed; also those of before."""
        return list(self._session.sendings.values())

    # Hearing.

    def events(self) -> Stream[Happened]:
        """Return an iterator over what happens from now on: every event that is applied, once, in order.

        Events are those of the protocol's section 7, and :class:`~tideline.client.apply.Resynced` when all
        conversations were replaced by a snapshot. When ``buffer`` events wait for any consumer, the device applies
        nothing more until they are taken: nothing is lost, and nothing grows. What was applied before an iterator
        was made is in the local store only. It ends with the client, or by the error that stopped the device.
        """
        return self._session.feeds.events()

    def signals(self) -> Stream[responses.Signalled]:
        """Return an iterator over signals of others, such as typing; untaken, the oldest are dropped."""
        return self._session.feeds.signals()

    def statuses(self) -> Stream[Status]:
        """Return an iterator over the changes of ``status`` from now on."""
        return self._session.feeds.statuses()

    # Conversations, as the device knows them.

    async def conversations(self) -> list[Conversation]:
        """Return all conversations as this device knows them, those with the latest messages first."""
        states = await self._session.store.run(lambda tx: tx.conversations())
        return sorted(states, key=_activity, reverse=True)

    async def conversation(self, name: str) -> Conversation | None:
        """Return one conversation as this device knows it, or None."""
        found = await self._conversation(name)
        return await self._session.store.run(lambda tx: tx.conversation(found))

    async def history(
        self, conversation: str, before: int | None = None, limit: int | None = None
    ) -> AsyncIterator[responses.Message]:
        """Iterate over messages from the newest to the oldest: below ``before`` (exclusive), or from the end.

        Reads the local store, and fills what is missing there from the server. The end of the iteration, unless it
        is ``limit`` messages long, is the beginning of what the user may read. Those that the server no longer holds
        are there with ``gone`` set.

        Raises:
            RequestError: ``unavailable`` if something is missing and the server can't be asked; ``forbidden`` for
                who is not a member.
        """
        found = await self._conversation(conversation)

        async def ask(request: requests.History) -> responses.Messages:
            return await self._session.call(request, responses.Messages)

        async for message in read_back(self._session.store, ask, found, before, limit):
            yield message

    # Requests to the server.

    async def read(self, conversation: str, message_seq: int | None = None) -> None:
        """Move the user's read position forward, by default to the last message that this device knows."""
        found = await self._conversation(conversation)
        if message_seq is None:
            state = await self._session.store.run(lambda tx: tx.conversation(found))
            if state is None or state.head == 0:
                return
            message_seq = state.head
        await self._session.call(requests.Read(id=1, conversation=found, message_seq=message_seq), responses.Ok)

    async def create(
        self,
        name: str | None = None,
        *,
        title: str | None = None,
        members: Iterable[str] = (),
        history: requests.HistoryMode = "joined",
    ) -> Conversation:
        """Create a group, by default with a random name, and return its state; ``name`` with or without ``g:``."""
        found = None if name is None else name if ":" in name else f"g:{name}"
        request = requests.Create(id=1, conversation=found, title=title, members=list(members), history=history)
        answer = await self._session.call(request, responses.Conversation)
        return msgspec.convert(msgspec.to_builtins(answer.state), Conversation)

    async def add(self, conversation: str, *members: str) -> None:
        """Add members to a group; for its admins."""
        request = requests.Add(id=1, conversation=conversation, members=list(members))
        await self._session.call(request, responses.Ok)

    async def remove(self, conversation: str, *members: str) -> None:
        """Remove members from a group; for its admins."""
        request = requests.Remove(id=1, conversation=conversation, members=list(members))
        await self._session.call(request, responses.Ok)

    async def leave(self, conversation: str) -> None:
        """Leave a group."""
        await self.remove(conversation, await self._session.me())

    async def role(self, conversation: str, user: str, role: requests.MemberRole) -> None:
        """Make a member of a group an admin, or an admin a member; for its admins."""
        request = requests.Role(id=1, conversation=conversation, user=user, role=role)
        await self._session.call(request, responses.Ok)

    async def update(
        self,
        conversation: str,
        *,
        title: str | None = None,
        muted: bool | None = None,
        pinned: bool | None = None,
    ) -> None:
        """Change a group's title, for its admins, or one's own settings; what is None stays as it is."""
        found = await self._conversation(conversation)
        request = requests.Update(id=1, conversation=found, title=title, muted=muted, pinned=pinned)
        await self._session.call(request, responses.Ok)

    async def members(self, conversation: str) -> list[responses.MemberInfo]:
        """Return the members of a conversation, the longest-standing first."""
        found = await self._conversation(conversation)
        members: list[responses.MemberInfo] = []
        following: str | None = None
        while True:
            request = requests.Members(id=1, conversation=found, limit=PAGE, next=following)
            page = await self._session.call(request, responses.MembersPage)
            members += page.members
            following = page.next
            if following is None:
                return members

    async def edit(self, conversation: str, message_seq: int, body: str | dict[str, Any]) -> None:
        """Replace the body of one's own message."""
        found = await self._conversation(conversation)
        request = requests.Edit(id=1, conversation=found, message_seq=message_seq, body=_body(body))
        await self._session.call(request, responses.Ok)

    async def recall(self, conversation: str, message_seq: int) -> None:
        """Remove a message's content; one's own, or in a group any, for its admins."""
        found = await self._conversation(conversation)
        await self._session.call(requests.Recall(id=1, conversation=found, message_seq=message_seq), responses.Ok)

    async def react(self, conversation: str, message_seq: int, reaction: str, *, on: bool = True) -> None:
        """Set or clear one's reaction to a message."""
        found = await self._conversation(conversation)
        request = requests.React(id=1, conversation=found, message_seq=message_seq, reaction=reaction, on=on)
        await self._session.call(request, responses.Ok)

    async def devices(self) -> list[responses.DeviceInfo]:
        """Return the user's devices as the server knows them."""
        return (await self._session.call(requests.Devices(id=1), responses.DevicesList)).devices

    async def forget(self, device: str) -> None:
        """Drop one of the user's devices, and refuse the tokens that it was given before."""
        await self._session.call(requests.Forget(id=1, device=device), responses.Ok)

    async def signal(self, conversation: str, signal: str) -> None:
        """Tell the online devices of the other members something that is never stored; it may be lost."""
        found = await self._conversation(conversation)
        self._session.driver.tell(inputs.Tell(frame=requests.Signal(conversation=found, signal=signal)))


def _activity(state: Conversation) -> int:
    return state.last_message.time if state.last_message is not None else 0


def _body(body: str | dict[str, Any]) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode({"type": "text", "text": body} if isinstance(body, str) else body))
