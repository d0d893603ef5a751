"""The OpenAPI document is valid, complete, and true of what the server answers."""

from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from openapi_spec_validator import validate

from tests.harness.server import ServerProcess
from tests.harness.wire import message
from tideline.gateway.openapi import document
from tideline.protocol.errors import ERRORS
from tideline.protocol.table import REQUESTS

Fresh = Callable[[str], str]
Frame = dict[str, Any]


def validator(schema: Frame) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": document()["components"]})


def test_the_document_is_valid_openapi() -> None:
    validate(document())


def test_it_has_every_request_type_that_works_over_http() -> None:
    served = {f"/v1/{kind}" for kind, spec in REQUESTS.items() if spec.http}
    assert served <= set(document()["paths"])


def test_every_operation_has_every_status_of_the_errors() -> None:
    statuses = {str(trait.status) for trait in ERRORS.values()} | {"200"}
    for kind, spec in REQUESTS.items():
        if spec.http:
            operation = document()["paths"][f"/v1/{kind}"]["post"]
            assert set(operation["responses"]) == statuses
            assert operation["operationId"] == kind
            assert operation["summary"]


def test_a_body_needs_neither_type_nor_id() -> None:
    for name, schema in document()["components"]["schemas"].items():
        if name in {spec.request.__name__ for spec in REQUESTS.values()}:
            assert not {"type", "id"} & set(schema["properties"])


async def test_it_is_served_as_it_is(server: ServerProcess) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{server.url}/v1/openapi.json") as response:
        assert await response.json() == document()


async def test_every_answer_is_what_the_document_says(server: ServerProcess, fresh: Fresh) -> None:
    alice, bob, team = fresh("alice"), fresh("bob"), f"g:{fresh('team')}"
    calls: list[tuple[str, Frame]] = [
        ("create", {"conversation": team, "title": "Team", "members": [bob]}),
        ("create", {"conversation": team}),
        ("add", {"conversation": team, "members": ["carol"]}),
        ("role", {"conversation": team, "user": bob, "role": "admin"}),
        ("update", {"conversation": team, "title": "New", "muted": True}),
        ("remove", {"conversation": team, "members": ["carol"]}),
        ("send", {"conversation": team, **message("hi", mentions=[bob])}),
        ("send", {"to": bob, **message("hi")}),
        ("send", {"to": bob, "client_id": "c"}),
        ("send", {"conversation": "g:none", **message("hi")}),
        ("read", {"conversation": team, "message_seq": 1}),
        ("history", {"conversation": team}),
        ("members", {"conversation": team, "limit": 1}),
        ("pull", {"after": 0, "wait": 1}),
        ("pull", {"after": 10**6}),
        ("snapshot", {"limit": 1}),
        ("snapshot", {}),
        ("ping", {"cursor": 1}),
        ("devices", {}),
        ("forget", {"device": "script"}),
        ("forget", {"device": "script"}),
    ]
    assert {kind for kind, spec in REQUESTS.items() if spec.http and not spec.later} - {"edit", "recall", "react"} == {
        kind for kind, _ in calls
    }
    headers = {"Authorization": f"Bearer {server.token(alice)}"}
    async with aiohttp.ClientSession() as session:
        for place, (kind, fields) in enumerate(calls):
            operation = document()["paths"][f"/v1/{kind}"]["post"]
            device = {} if kind == "forget" else {"Tideline-Device": "script"}
            async with session.post(f"{server.url}/v1/{kind}", json=fields, headers={**headers, **device}) as response:
                documented = operation["responses"][str(response.status)]["content"]["application/json"]["schema"]
                answer = await response.json()
            validator(documented).validate(answer)
            if response.status == 200:
                validator(operation["requestBody"]["content"]["application/json"]["schema"]).validate(fields)
            elif "client_id" in fields and "body" not in fields:
                body = validator(operation["requestBody"]["content"]["application/json"]["schema"])
                assert not body.is_valid(fields), place


@pytest.mark.parametrize("name", ["Message", "State", "Entry"])
def test_what_clients_read_is_described(name: str) -> None:
    assert name in document()["components"]["schemas"]
