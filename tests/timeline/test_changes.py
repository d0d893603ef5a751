"""What a resent message is compared with: the body that is stored."""

import msgspec

from tideline.protocol import splice
from tideline.timeline.changes import body_of, read_send_key, send_key


def test_the_body_of_a_stored_message_is_read_as_it_was_written() -> None:
    body = b'{"type":"text","n":1.50}'
    text = splice.message("g:a", 3, "bob", "c", 17, msgspec.Raw(body), 2, ["eve"])
    assert bytes(body_of(text)) == body


def test_no_body_is_equal_to_that_of_a_message_that_is_not_there() -> None:
    assert msgspec.json.decode(body_of(None)) is None, "a body is an object"


def test_an_idempotency_key_is_taken_apart_into_what_it_was_made_of() -> None:
    for client_id in ("c", "with a\0zero", "ä€😀"):
        assert read_send_key(send_key("alice", "g:team", client_id)) == ("alice", "g:team", client_id)
