"""The requests of the protocol as one table: type → (request, response), and what else follows from the type."""

from typing import NamedTuple

from msgspec import Struct

from . import requests, responses


class RequestSpec(NamedTuple):
    """One row: the structs of a request and of its answer, and where it may be used (protocol, section 2)."""

    request: type[requests.Request]
    response: type[Struct]
    http: bool = True
    later: bool = False
    """Not served yet: answered by ``bad_request``."""


REQUESTS: dict[str, RequestSpec] = {
    "hello": RequestSpec(requests.Hello, responses.Welcome, http=False),
    "renew": RequestSpec(requests.Renew, responses.Ok, http=False),
    "pull": RequestSpec(requests.Pull, responses.Page),
    "snapshot": RequestSpec(requests.Snapshot, responses.SnapshotPage),
    "send": RequestSpec(requests.Send, responses.Sent),
    "history": RequestSpec(requests.History, responses.Messages),
    "read": RequestSpec(requests.Read, responses.Ok),
    "edit": RequestSpec(requests.Edit, responses.Ok, later=True),
    "recall": RequestSpec(requests.Recall, responses.Ok, later=True),
    "react": RequestSpec(requests.React, responses.Ok, later=True),
    "create": RequestSpec(requests.Create, responses.Conversation),
    "add": RequestSpec(requests.Add, responses.Ok),
    "remove": RequestSpec(requests.Remove, responses.Ok),
    "role": RequestSpec(requests.Role, responses.Ok),
    "update": RequestSpec(requests.Update, responses.Ok),
    "members": RequestSpec(requests.Members, responses.MembersPage),
    "devices": RequestSpec(requests.Devices, responses.DevicesList),
    "forget": RequestSpec(requests.Forget, responses.Ok),
    "ping": RequestSpec(requests.Ping, responses.Pong),
}
