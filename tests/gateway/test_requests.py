"""Every row of section 8 of the protocol over a connection, each limit exactly at it and one over."""

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from tests.harness.raw import frame, raw
from tests.harness.server import ServerProcess
from tests.harness.wire import device, message

Fresh = Callable[[str], str]
Start = Callable[..., AbstractAsyncContextManager[ServerProcess]]


def padded(size: int) -> str:
    """Return the JSON of a body of exactly this many bytes."""
    return '{"text":"' + "x" * (size - 11) + '"}'


@pytest.mark.parametrize(
    ("kind", "fields", "code"),
    [
        ("send", {"conversation": "d:z~a", **message("x")}, "bad_request"),
        ("send", {"conversation": "c:news", **message("x")}, "bad_request"),
        ("send", {"conversation": "nowhere", **message("x")}, "bad_request"),
        ("send", {"to": "a b", **message("x")}, "bad_request"),
        ("send", {"to": "a\n", **message("x")}, "bad_request"),
        ("send", {**message("x")}, "bad_request"),
        ("send", {"to": "bob", "conversation": "d:a~bob", **message("x")}, "bad_request"),
        ("send", {"to": "bob", **message("x", body=[1])}, "bad_request"),
        ("send", {"to": "bob", **message("x", body=None)}, "bad_request"),
        ("send", {"to": "bob", **message("x", body="text")}, "bad_request"),
        ("send", {"to": "bob", **message("x", client_id="")}, "bad_request"),
        ("send", {"to": "bob", **message("x", client_id="c" * 65)}, "bad_request"),
        ("send", {"to": "bob", **message("x", reply_to=1)}, "bad_request"),
        ("send", {"to": "bob", **message("x", mentions=["m"] * 51)}, "too_large"),
        ("send", {"conversation": "d:bob~carol", **message("x")}, "forbidden"),
        ("send", {"conversation": "g:nowhere", **message("x")}, "forbidden"),
        ("history", {"conversation": "d:bob~carol"}, "forbidden"),
        ("history", {"conversation": "g:nowhere"}, "forbidden"),
        ("history", {"conversation": "d:z~a"}, "bad_request"),
        ("history", {"conversation": "c:news"}, "bad_request"),
        ("history", {"conversation": "g:nowhere", "limit": 0}, "bad_request"),
        ("read", {"conversation": "d:bob~carol", "message_seq": 1}, "forbidden"),
        ("members", {"conversation": "g:nowhere"}, "forbidden"),
        ("update", {"conversation": "g:nowhere", "muted": True}, "forbidden"),
        ("create", {"conversation": "d:a~b"}, "bad_request"),
        ("create", {"conversation": "c:news"}, "bad_request"),
        ("create", {"conversation": "g:" + "x" * 65}, "bad_request"),
        ("create", {"conversation": "g:bad", "members": ["a b"]}, "bad_request"),
        ("create", {"conversation": "g:bad", "title": "x" * 257}, "too_large"),
        ("create", {"conversation": "g:bad", "members": [f"u{n}" for n in range(1000)]}, "too_large"),
        ("add", {"conversation": "g:nowhere", "members": ["bob"]}, "forbidden"),
        ("remove", {"conversation": "g:nowhere", "members": ["bob"]}, "forbidden"),
        ("role", {"conversation": "g:nowhere", "user": "bob", "role": "admin"}, "forbidden"),
        ("forget", {"device": "nothing"}, "not_found"),
        ("pull", {"after": 99}, "cursor_ahead"),
        ("pull", {"after": 2**53 - 1}, "cursor_ahead"),
        ("pull", {"after": 0, "epoch": "another"}, "epoch_changed"),
        ("pull", {"after": 0, "limit": 0}, "bad_request"),
        ("snapshot", {"limit": 0}, "bad_request"),
        ("snapshot", {"next": "nonsense"}, "bad_request"),
        ("members", {"conversation": "g:nowhere", "limit": 0}, "bad_request"),
        ("dance", {}, "bad_request"),
    ],
)
async def test_a_refused_request_is_answered_by_its_code_and_stores_nothing(
    server: ServerProcess, fresh: Fresh, kind: str, fields: dict[str, Any], code: str
) -> None:
    alice = fresh("alice")
    async with device(server.url, server.token(alice)) as phone:
        error = await phone.ask(kind, **fields)
        assert (error["type"], error["code"], error["retry"], error["retry_after"]) == ("error", code, False, None)
        assert error["message"]
        assert (await phone.ask("ping"))["head"] == 0
        assert (await phone.ask("snapshot"))["conversations"] == []
        await phone.silence(0.02)


async def test_a_body_may_have_as_many_bytes_as_the_limit_says_and_not_one_more(
    server: ServerProcess, fresh: Fresh
) -> None:
    alice = fresh("alice")
    async with device(server.url, server.token(alice)) as phone:

        def send(id_: int, body: str) -> str:
            return f'{{"type":"send","id":{id_},"to":"{alice}","client_id":"{id_}","body":{body}}}'

        await phone.raw(send(11, padded(32_768)))
        assert (await phone.answer(11))["type"] == "sent"
        await phone.raw(send(12, padded(32_769)))
        error = await phone.answer(12)
        assert (error["code"], error["message"]) == ("too_large", "body is 32769 bytes, the limit is 32768")
        spaced = padded(32_000)
        spaced = "{" + " " * (32_768 - len(spaced)) + spaced[1:]
        await phone.raw(send(13, spaced))  # bytes are counted as received
        assert (await phone.answer(13))["type"] == "sent"
        await phone.raw(send(14, "{ " + spaced[1:]))
        assert (await phone.answer(14))["code"] == "too_large"
        escaped = '{"text":"' + "\\u0041" * 5459 + '"}'
        await phone.raw(send(15, escaped))
        assert (await phone.answer(15))["type"] == "sent"
        await phone.raw(send(16, '{"text":"' + "\\u0041" * 5460 + '"}'))
        assert (await phone.answer(16))["code"] == "too_large"
        page = await phone.ask("pull", after=0)
        texts = [entry["event"]["message"]["body"]["text"] for entry in page["entries"]]
        assert texts == ["x" * (32_768 - 11), "x" * (32_000 - 11), "A" * 5459]


async def test_other_limits_are_taken_at_them_and_not_one_over(server: ServerProcess, fresh: Fresh) -> None:
    alice, team = fresh("alice"), f"g:{fresh('team')}"
    async with device(server.url, server.token(alice)) as phone:
        answer = await phone.say(alice, "x", mentions=[f"u{n}" for n in range(50)])
        assert answer["type"] == "sent"
        assert (await phone.say(alice, "x", client_id="c" * 64))["type"] == "sent"
        assert (await phone.say(alice, "x", client_id="é" * 64))["type"] == "sent"
        created = await phone.ask("create", conversation=team, title="é" * 128, members=[f"u{n}" for n in range(999)])
        assert created["state"]["members"] == 1000
        assert (await phone.ask("add", conversation=team, members=["one-more"]))["code"] == "too_large"
        assert (await phone.ask("update", conversation=team, title="é" * 128 + "x"))["code"] == "too_large"
        assert (await phone.ask("pull", after=0, limit=2**53 - 1))["type"] == "page"
        assert (await phone.ask("snapshot", limit=2**53 - 1))["type"] == "snapshot"
        assert (await phone.ask("history", conversation=team, limit=2**53 - 1))["type"] == "messages"


async def test_a_client_id_used_again_is_the_first_message_or_a_conflict(server: ServerProcess, fresh: Fresh) -> None:
    alice = fresh("alice")
    async with device(server.url, server.token(alice)) as phone, device(server.url, server.token(alice), "tv") as tv:
        first = await phone.say(alice, "x", client_id="c", body={"a": 1, "b": [True, None]})
        again = await tv.say(alice, "x", client_id="c", body={"b": [True, None], "a": 1.0})
        assert {**again, "id": 0} == {**first, "id": 0, "duplicate": True}
        error = await tv.say(alice, "x", client_id="c", body={"a": 1, "b": [1, None]})
        assert (error["code"], error["retry"]) == ("conflict", False)
        assert (await phone.ask("ping"))["head"] == 1
        (push,) = tv.unasked
        assert push["entries"][0]["event"]["message"]["client_id"] == "c"


async def test_more_sends_than_a_second_allows_are_told_when_to_come_again(start_server: Start) -> None:
    async with start_server(limit_sends_per_second=5) as server, device(server.url, server.token("alice")) as phone:
        assert phone.welcome["limits"]["sends_per_second"] == 5
        await phone.send(*[{"type": "send", "id": 10 + n, "to": "bob", **message(str(n))} for n in range(12)])
        answers = [await phone.next() for _ in range(12)]
        limited = [answer for answer in answers if answer["type"] == "error"]
        assert len(limited) == 7
        for error in limited:
            assert (error["code"], error["retry"]) == ("rate_limited", True)
            assert 0 < error["retry_after"] <= 1
        assert [answer["message_seq"] for answer in answers if answer["type"] == "sent"] == [1, 2, 3, 4, 5]
        assert (await phone.ask("ping"))["type"] == "pong"


async def test_signals_reach_the_other_members_who_are_online_and_are_never_stored(
    server: ServerProcess, fresh: Fresh
) -> None:
    alice, bob, eve = fresh("alice"), fresh("bob"), fresh("eve")
    direct = "d:" + "~".join(sorted([alice, bob]))
    async with (
        device(server.url, server.token(alice), "phone") as phone,
        device(server.url, server.token(alice), "tv") as tv,
        device(server.url, server.token(bob)) as other,
        device(server.url, server.token(eve)) as stranger,
    ):
        await phone.send({"type": "signal", "conversation": direct, "signal": "typing"})
        got = await other.expect("signal")
        assert got == {"type": "signal", "conversation": direct, "sender": alice, "signal": "typing"}
        await stranger.send({"type": "signal", "conversation": direct, "signal": "typing"})
        await phone.send({"type": "signal", "conversation": "g:nowhere", "signal": "typing"})
        await phone.send({"type": "signal", "conversation": "nonsense", "signal": "typing"})
        for each in (phone, tv, other, stranger):
            assert (await each.ask("ping"))["head"] == 0
            assert each.unasked == []


async def test_requests_that_are_not_served_yet_say_so(server: ServerProcess, fresh: Fresh) -> None:
    from tideline.protocol.table import REQUESTS

    alice = fresh("alice")
    fields: dict[str, Any] = {
        "edit": {"message_seq": 1, "body": {}},
        "recall": {"message_seq": 1},
        "react": {"message_seq": 1, "reaction": "x", "on": True},
    }
    async with device(server.url, server.token(alice)) as phone:
        await phone.say(alice, "hi")
        for kind, spec in REQUESTS.items():
            if spec.later:
                error = await phone.ask(kind, conversation=f"d:{alice}~{alice}", **fields[kind])
                assert (error["type"], error["code"]) == ("error", "bad_request")


async def test_ids_are_the_client_s_business_and_come_back_as_they_were(server: ServerProcess, fresh: Fresh) -> None:
    async with raw(server.url) as phone:
        await phone.hello(server.token(fresh("alice")))
        for id_ in (1, 2**53 - 1, 7, 7):
            await phone.write(frame(json.dumps({"type": "ping", "id": id_}).encode()))
            assert (await phone.next())["id"] == id_
