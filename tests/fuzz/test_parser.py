"""Nothing that comes in can do more than be refused: any bytes, and any JSON near to what is expected."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tideline.protocol import codec, ijson
from tideline.protocol.errors import RequestError
from tideline.protocol.requests import Request, Signal
from tideline.protocol.table import REQUESTS

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["d:a~b", "d:b~a", "g:x", "c:x", "a", "", "\ud800", "\x00", "typing", "text"])
)
FIELDS = sorted({field for spec in REQUESTS.values() for field in spec.request.__struct_fields__})
VALUES = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(st.sampled_from(FIELDS), SCALARS, max_size=2)
FRAMES = st.builds(
    lambda head, rest: {**rest, **head},
    st.fixed_dictionaries(
        {"type": st.sampled_from([*REQUESTS, "signal"]) | SCALARS, "id": st.integers(-1, 9) | SCALARS}
    ),
    st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=4),
)


def spelled(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def check(error: RequestError) -> None:
    assert error.code == "bad_request"
    assert error.message
    assert error.id is None or 1 <= error.id <= 2**53 - 1


TEXTS = (
    st.binary(max_size=200)
    | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))
    | FRAMES.map(spelled)
    | st.lists(FRAMES, max_size=4).map(spelled)
    | st.integers(1, 5_000).map(lambda depth: b"[" * depth + b"]" * depth)
    | st.tuples(FRAMES.map(spelled), st.integers(0, 300)).map(lambda pair: pair[0][: pair[1]])
)


@settings(max_examples=500, deadline=None)
@given(payload=TEXTS)
def test_any_text_of_a_device_is_a_request_or_a_bad_request(payload: bytes) -> None:
    try:
        texts = codec.split(payload)
    except (ijson.NotJSON, ijson.NotIJSON):
        return
    for text in texts:
        try:
            request = codec.decode_request(text)
        except ijson.NotJSON:
            continue
        except RequestError as error:
            check(error)
        else:
            assert isinstance(request, Request | Signal | codec.PlainSend)
            if isinstance(request, Request):
                assert 1 <= request.id <= 2**53 - 1


@settings(max_examples=200, deadline=None)
@given(kind=st.sampled_from([kind for kind, spec in REQUESTS.items() if spec.http]), payload=TEXTS)
def test_any_body_of_a_request_over_http_is_a_request_or_a_bad_request(kind: str, payload: bytes) -> None:
    try:
        request, fields = codec.decode_body(kind, payload)
    except RequestError as error:
        check(error)
    else:
        assert isinstance(request, REQUESTS[kind].request)
        assert isinstance(fields, dict)


@settings(max_examples=200, deadline=None)
@given(payload=TEXTS)
def test_any_text_of_a_server_is_frames_or_one_error(payload: bytes) -> None:
    try:
        frames = codec.decode_frames(payload)
    except (ijson.NotJSON, ijson.NotIJSON):
        return
    assert isinstance(frames, list)
