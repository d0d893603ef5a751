"""Texts to requests and back (protocol, sections 2 and 4): every frame from outside comes in through here."""

import json
from typing import Any, cast

import msgspec

from . import ijson
from .errors import RequestError
from .requests import Edit, Request, Send, Signal
from .responses import ServerFrame
from .table import REQUESTS

encode = msgspec.json.Encoder().encode

_split = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decoders = {kind: msgspec.json.Decoder(spec.request).decode for kind, spec in REQUESTS.items()}
_server_frame = msgspec.json.Decoder(ServerFrame).decode
_decoders["signal"] = msgspec.json.Decoder(Signal).decode  # type: ignore[assignment]
_SPACE = b" \t\r\n"


class PlainSend(Send, tag="send", forbid_unknown_fields=True, kw_only=True):
    """A send as clients usually write it, for the fast path of :func:`decode_request`."""

    body: dict[str, str | bool | None]  # type: ignore[assignment]


_decode_plain = msgspec.json.Decoder(PlainSend).decode
_PLAIN = b'{"type":"send",'


class UnknownFrame(msgspec.Struct, frozen=True, tag="unknown", tag_field="type"):
    """A frame of a later version, or one that can't be read: a device ignores it (section 6, rule 9)."""

    kind: str
    """Its ``type``, or what is wrong with it."""


def split(payload: bytes) -> list[bytes]:
    """Return the texts of the frames in one WebSocket message: one, or those of an array, in order.

    Raises:
        NotJSON: if it is an array that can't be taken apart.
        NotIJSON: if it is nested so deep that taking it apart isn't worth the work.
    """
    if payload.lstrip(_SPACE)[:1] != b"[":
        return [payload]
    try:
        return [bytes(raw) for raw in _split(payload)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ijson.elements(payload)


def decode_request(text: bytes) -> Request | Signal:
    """Decode one frame from a device.

    Raises:
        NotJSON: if it is no JSON.
        RequestError: ``bad_request`` that names what is wrong; its ``id`` is the frame's when it can be read.
    """
    if text.startswith(_PLAIN):
        # What is equal to the encoding of what it decodes to has no duplicate key and no malformed string; what has
        # only known fields and a flat body has no number out of range and isn't deep. This is most of all traffic,
        # and saves two thirds of the work.
        try:
            send = _decode_plain(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return _judge(text)
        if encode(send) == text:
            send.body = msgspec.Raw(encode(send.body))  # type: ignore[assignment]
            return send
    return _judge(text)


def _judge(text: bytes) -> Request | Signal:
    """Decode a frame of which nothing is known."""
    try:
        value = ijson.decode(text)
    except ijson.NotIJSON as error:
        raise RequestError("bad_request", f"not I-JSON: {error}", id=_find_id(text)) from None
    if type(value) is not dict:
        raise RequestError("bad_request", "a frame is a JSON object")
    kind = value.get("type")
    decoder = _decoders.get(kind) if type(kind) is str else None
    if decoder is None:
        what = "missing field 'type'" if kind is None else f"unknown type {str(kind)[:64]!r}"
        raise RequestError("bad_request", what, id=_valid_id(value.get("id")))
    try:
        request = decoder(text)
        _check_body(request)
    except msgspec.DecodeError as error:
        raise RequestError("bad_request", _named(error), id=_valid_id(value.get("id"))) from None
    return request


def decode_body(kind: str, text: bytes) -> tuple[Request, dict[str, Any]]:
    """Decode the JSON body of ``POST /v1/<kind>``: the request, and all of its fields.

    Raises:
        RequestError: ``bad_request`` that names what is wrong.
    """
    try:
        value = ijson.decode(text)
    except (ijson.NotJSON, ijson.NotIJSON) as error:
        raise RequestError("bad_request", f"not I-JSON: {error}") from None
    if type(value) is not dict:
        raise RequestError("bad_request", "the body is a JSON object")
    # Spliced from the parts as they came: the limit of a message's body counts bytes as received.
    parts = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    fields = [b"%b:%b" % (encode(name), bytes(raw)) for name, raw in parts.items() if name not in ("type", "id")]
    framed = b"{%b}" % b",".join([b'"type":%b' % encode(kind), b'"id":1', *fields])
    try:
        request = _decoders[kind](framed)
        _check_body(request)
        return request, value
    except msgspec.DecodeError as error:
        raise RequestError("bad_request", _named(error)) from None


def decode_frames(payload: bytes) -> list[ServerFrame | UnknownFrame]:
    """Decode one WebSocket message of a server: its frames in order. A bad one fails alone.

    Raises:
        NotJSON: if the message can't be taken apart into frames.
        NotIJSON: if it is nested too deep to be.
    """
    return [_decode_frame(text) for text in split(payload)]


def _decode_frame(text: bytes) -> ServerFrame | UnknownFrame:
    try:
        return cast(ServerFrame, _server_frame(text))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return UnknownFrame(_named(error)[:200])


def _check_body(request: Request | Signal) -> None:
    """Refuse a body that is no object: as it is kept as it came, its type was not looked at."""
    if isinstance(request, Send | Edit) and bytes(request.body)[:1] != b"{":
        raise msgspec.ValidationError("Expected `object` - at `$.body`")


def _named(error: Exception) -> str:
    """Turn msgspec's words into ours: the path of the field without the root."""
    return str(error).replace(" - at `$.", " - at `").replace("`$.", "`")


def _valid_id(value: Any) -> int | None:
    return value if type(value) is int and 1 <= value <= 2**53 - 1 else None


def _find_id(text: bytes) -> int | None:
    """Read the id of a frame that is not I-JSON, where that is possible."""
    try:
        value = json.loads(text.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        return None
    return _valid_id(value.get("id")) if type(value) is dict else None
