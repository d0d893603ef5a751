"""The HTTP side against its own description: whatever the description allows is answered as it says, and so is more."""

import copy
from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.harness.server import ServerProcess
from tideline.gateway import openapi

description = copy.deepcopy(openapi.document())
# A pull that waits takes its time, which is tested elsewhere.
del description["components"]["schemas"]["Pull"]["properties"]["wait"]
schema = schemathesis.openapi.from_dict(description)
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@schema.parametrize()
@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_any_body_is_answered_as_the_description_says(case: schemathesis.Case[Any], server: ServerProcess) -> None:
    headers = {"Authorization": f"Bearer {server.token('schema')}"}
    case.call_and_validate(base_url=server.url, headers=headers, checks=CHECKS)
