"""The OpenAPI description of the HTTP side, made from the table of requests."""

from functools import cache
from typing import Any

import msgspec

import tideline
from tideline.protocol.errors import ERRORS
from tideline.protocol.responses import Error
from tideline.protocol.table import REQUESTS, RequestSpec

_REFS = "#/components/schemas/{name}"


@cache
def document() -> dict[str, Any]:
    """Return the description as OpenAPI 3.1."""
    specs = {kind: spec for kind, spec in REQUESTS.items() if spec.http}
    types: list[Any] = [Error]
    for spec in specs.values():
        types += [spec.request, spec.response]
    schemas, components = msgspec.json.schema_components(types, schema_hook=_raw, ref_template=_REFS)
    references = dict(zip(types, schemas, strict=True))
    for spec in specs.values():
        _without_envelope(components[spec.request.__name__])
        components[spec.response.__name__]["properties"].pop("id", None)
    components["Pull"]["properties"]["wait"] = {
        "type": "number",
        "minimum": 0,
        "maximum": 60,
        "description": "Seconds to wait for an entry when there is none.",
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tideline", "version": tideline.__version__, "license": {"name": "Apache-2.0"}},
        "paths": {f"/v1/{kind}": {"post": _operation(kind, spec, references)} for kind, spec in specs.items()},
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
        "security": [{"token": []}],
    }


def _operation(kind: str, spec: RequestSpec, references: dict[Any, Any]) -> dict[str, Any]:
    errors: dict[str, list[str]] = {}
    for code, trait in ERRORS.items():
        errors.setdefault(str(trait.status), []).append(code)
    return {
        "operationId": kind,
        "summary": (spec.request.__doc__ or "").strip().splitlines()[0],
        "parameters": [
            {
                "name": "Tideline-Device",
                "in": "header",
                "required": False,
                "schema": {"type": "string", "minLength": 1, "maxLength": 64},
                "description": "The device that asks; without it no cursor is recorded.",
            }
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": references[spec.request]}},
        },
        "responses": {
            "200": {
                "description": "The response frame, without `id`.",
                "content": {"application/json": {"schema": references[spec.response]}},
            },
            **{
                status: {
                    "description": " or ".join(f"`{code}`" for code in codes),
                    "content": {"application/json": {"schema": references[Error]}},
                }
                for status, codes in errors.items()
            },
        },
    }


def _without_envelope(schema: dict[str, Any]) -> None:
    """Take out what only frames have: ``type`` and ``id``."""
    for name in ("type", "id"):
        schema["properties"].pop(name, None)
        if name in schema.get("required", ()):
            schema["required"].remove(name)


def _raw(kind: type) -> dict[str, Any]:
    if kind is msgspec.Raw:
        return {"type": "object"}
    raise NotImplementedError
