"""What a device may send, byte by byte: what fails alone, what ends the connection (protocol, section 2)."""

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from tests.harness.raw import BINARY, CLOSE, CONTINUATION, PING, PONG, Raw, frame, raw
from tests.harness.server import ServerProcess
from tests.harness.wire import Wire, device, message, wire

Fresh = Callable[[str], str]
Start = Callable[..., AbstractAsyncContextManager[ServerProcess]]

DEVICES = b'{"type":"devices","id":7}'
FRAME = 262_144

FAILS_ALONE: dict[str, tuple[bytes, int | None]] = {
    "duplicate key": (b'{"type":"devices","id":7,"id":7}', 7),
    "duplicate key deep inside": (b'{"type":"devices","id":7,"x":[{"a":1,"a":1}]}', 7),
    "lone surrogate": (b'{"type":"devices","id":7,"x":"\\ud800"}', 7),
    "lone surrogate in a key": (b'{"type":"devices","id":7,"\\udfff":1}', 7),
    "huge integer": (b'{"type":"devices","id":7,"x":1' + b"0" * 400 + b"}", 7),
    "integer just too large": (b'{"type":"devices","id":7,"x":9007199254740992}', 7),
    "huge number": (b'{"type":"devices","id":7,"x":1e999}', 7),
    "huge id": (b'{"type":"devices","id":9007199254740992}', None),
    "deep": (b'{"type":"devices","id":7,"x":' + b"[" * 40 + b"]" * 40 + b"}", 7),
    "very deep": (b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", None),
    "a deep array": (b"[" * 100_000 + b"]" * 100_000, None),
    "malformed UTF-8": (b'{"type":"devices","id":7,"x":"\xff"}', 7),
    "a surrogate in UTF-8": (b'{"type":"devices","id":7,"x":"\xed\xa0\x80"}', 7),
    "unknown type": (b'{"type":"dance","id":7}', 7),
    "a type of the server": (b'{"type":"push","id":7,"entries":[]}', 7),
    "no type": (b'{"id":7}', 7),
    "a type that is none": (b'{"type":[],"id":7}', 7),
    "no id": (b'{"type":"devices"}', None),
    "id 0": (b'{"type":"devices","id":0}', None),
    "id as text": (b'{"type":"devices","id":"7"}', None),
    "missing field": (b'{"type":"pull","id":7}', 7),
    "field of another type": (b'{"type":"pull","id":7,"after":"1"}', 7),
    "a number": (b"17", None),
    "a text": (b'"devices"', None),
    "null": (b"null", None),
    "an empty object": (b"{}", None),
    "a nested array": (b'[[{"type":"devices","id":7}]]', None),
    "a number in an array": (b"[17]", None),
    "a malformed signal": (b'{"type":"signal","conversation":5}', None),
}


async def alive(phone: Wire) -> bool:
    return bool((await phone.ask("ping"))["type"] == "pong")


@pytest.mark.parametrize("text", FAILS_ALONE)
async def test_a_bad_frame_gets_an_error_and_the_connection_lives_on(
    server: ServerProcess, fresh: Fresh, text: str
) -> None:
    payload, id_ = FAILS_ALONE[text]
    async with raw(server.url) as phone:
        await phone.hello(server.token(fresh("alice")))
        await phone.write(frame(payload) + frame(DEVICES))
        error = await phone.next()
        assert (error["type"], error["code"], error["id"]) == ("error", "bad_request", id_)
        assert (error["retry"], error["retry_after"]) == (False, None)
        assert (await phone.next())["type"] == "devices"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b" ",
        b"hello",
        b"{",
        b'{"type":"devices","id":7',
        b"{}{}",
        b"[",
        b"[}",
        b"NaN",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b'{"type":"devices","id":7,"x":NaN}',
        b"[{}",
        b'[{"a":1,]',
        b"[,]",
        b'{"type":"devices",}',
        b"[{}]x",
    ],
)
async def test_what_is_no_json_closes_the_connection_with_4400(
    server: ServerProcess, fresh: Fresh, payload: bytes
) -> None:
    async with raw(server.url) as phone:
        await phone.hello(server.token(fresh("alice")))
        await phone.write(frame(payload))
        bye = await phone.next()
        assert (bye["type"], bye["code"], bye["by"]) == ("bye", 4400, None)
        assert await phone.closed() == 4400


@pytest.mark.parametrize(
    "sent",
    [
        frame(b"\x00\x01", BINARY),
        frame(b"{", fin=False) + frame(b"{}"),
        frame(b"{}", CONTINUATION),
        frame(b"{", fin=False) + frame(b"}", BINARY),
    ],
    ids=["binary", "a message within a message", "a continuation of nothing", "binary within a message"],
)
async def test_anything_but_whole_text_messages_closes_with_4400(
    server: ServerProcess, fresh: Fresh, sent: bytes
) -> None:
    async with raw(server.url) as phone:
        await phone.hello(server.token(fresh("alice")))
        await phone.write(sent)
        assert await phone.closed() == 4400


@pytest.mark.parametrize(
    "sent",
    [b"\xc1\x80\0\0\0\0", frame(b"{}", masked=False), frame(b"{}", 3), frame(b"x" * 200, PING), b"\x88\x81\0\0\0\0x"],
    ids=["reserved bit", "unmasked", "unknown opcode", "a long ping", "a close of one byte"],
)
async def test_what_is_no_websocket_frame_ends_the_connection_and_nobody_else_s(
    server: ServerProcess, fresh: Fresh, sent: bytes
) -> None:
    async with device(server.url, server.token(fresh("bob"))) as other, raw(server.url) as phone:
        await phone.hello(server.token(fresh("alice")))
        await phone.write(sent)
        assert await phone.closed() in (1002, 1007, 4400)
        assert await alive(other)


async def test_a_message_may_come_in_fragments_with_pings_between(server: ServerProcess, fresh: Fresh) -> None:
    alice = fresh("alice")
    text = json.dumps({"type": "send", "id": 7, "to": alice, **message("é" * 1000)}, ensure_ascii=False).encode()
    async with raw(server.url) as phone:
        await phone.hello(server.token(alice))
        parts = [frame(text[:1], fin=False)]
        parts += [frame(text[place : place + 1], CONTINUATION, fin=False) for place in range(1, len(text))]
        parts.insert(700, frame(b"are you there", PING))
        await phone.write(b"".join([*parts, frame(b"", CONTINUATION)]))
        assert await phone.message() == (PONG, b"are you there")
        assert (await phone.next())["type"] == "sent"


async def test_a_message_in_endless_fragments_costs_little_and_ends(server: ServerProcess, fresh: Fresh) -> None:
    """A message of a quarter million fragments is not put together a quarter million times."""
    async with device(server.url, server.token(fresh("bob"))) as other, raw(server.url) as phone:
        await phone.hello(server.token(fresh("alice")))
        before = server.memory()
        await phone.write(frame(b'"', fin=False))
        for size in (0, 1):
            for _ in range(27):
                await phone.write(frame(b"x" * size, CONTINUATION, fin=False) * 10_000)
                assert await alive(other)
        assert await phone.closed() == 4413
        assert server.memory() < before + 2**24


async def test_a_frame_of_just_the_limit_is_taken(server: ServerProcess, fresh: Fresh) -> None:
    async with raw(server.url) as phone:
        await phone.hello(server.token(fresh("alice")))
        await phone.write(frame(DEVICES[:-1].ljust(FRAME - 1) + b"}"))
        assert (await phone.next())["type"] == "devices"
        half = FRAME // 2
        padded = DEVICES.ljust(FRAME)
        await phone.write(frame(padded[:half], fin=False) + frame(padded[half:], CONTINUATION))
        assert (await phone.next())["type"] == "devices"


@pytest.mark.parametrize("size", [FRAME + 1, 2**20, 5 * 2**20])
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "in fragments"])
async def test_a_frame_over_the_limit_closes_with_4413_that_the_device_gets_to_see(
    server: ServerProcess, fresh: Fresh, size: int, whole: bool
) -> None:
    """The code must arrive although the device is still sending: else it would come back and send it again."""
    before = server.memory()
    parts = [frame(b" " * size)]
    if not whole:
        part = frame(b" " * (FRAME // 4), CONTINUATION, fin=False)
        parts = [frame(b" ", fin=False), *[part] * (1 + size * 4 // FRAME)]

    async def write(phone: Raw) -> None:
        """Go on sending for a while after the server has seen that it is too much."""
        data = b"".join(parts)
        for start in range(0, len(data), FRAME):
            await phone.write(data[start : start + FRAME])
            await asyncio.sleep(0.05)

    async with raw(server.url) as phone:
        await phone.hello(server.token(fresh("alice")))
        await write(phone)
        bye = await phone.next()
        assert (bye["type"], bye["code"]) == ("bye", 4413)
        assert await phone.closed() == 4413
    assert server.memory() < before + 2**24


async def test_a_frame_that_claims_to_be_endless_does_not_fill_the_server_s_memory(
    server: ServerProcess, fresh: Fresh
) -> None:
    before = server.memory()
    async with raw(server.url) as phone:
        await phone.hello(server.token(fresh("alice")))
        await phone.write(b"\x81\xff" + (2**40).to_bytes(8, "big") + bytes(4))
        try:
            for _ in range(400):
                await phone.write(b"x" * 2**20)
                assert server.memory() < before + 2**25
        except ConnectionError:
            pass
        assert await phone.closed() in (4413, None)


async def test_before_hello_nothing_else_is_taken_however_it_is_wrapped(server: ServerProcess) -> None:
    for payload in (
        DEVICES,
        b"{}",
        b"null",
        b"[1]",
        b'{"type":"hello"}',
        b'{"type":"hello","id":3}',
        b"[" * 50 + b"]" * 50,
    ):
        async with raw(server.url) as phone:
            await phone.upgrade()
            await phone.write(frame(payload))
            error = await phone.next()
            assert (error["type"], error["code"]) == ("error", "unauthorized")
            assert await phone.closed() == 4401


async def test_frames_of_an_array_are_handled_in_order_and_a_bad_one_fails_alone(
    server: ServerProcess, fresh: Fresh
) -> None:
    alice = fresh("alice")
    async with device(server.url, server.token(alice)) as phone:
        await phone.raw(
            '[{"type":"ping","id":1},{"type":"ping","id":2,"id":2},{"type":"ping","id":3,"x":"\\ud800"},'
            '[{"type":"ping","id":4}],17,{"type":"nonsense","id":5},{"type":"ping","id":6}]'
        )
        found = [await phone.next() for _ in range(7)]
        errors = {frame["id"]: frame["code"] for frame in found if frame["type"] == "error" and frame["id"]}
        assert errors == {2: "bad_request", 3: "bad_request", 5: "bad_request"}
        assert sorted(frame["id"] for frame in found if frame["type"] == "pong") == [1, 6]
        assert len([frame for frame in found if frame["type"] == "error" and frame["id"] is None]) == 2
        await phone.raw("[]")
        await phone.raw("  [ ] ")
        assert await alive(phone)


async def test_hello_and_what_follows_it_may_be_one_message(server: ServerProcess, fresh: Fresh) -> None:
    alice = fresh("alice")
    async with wire(server.url) as phone:
        await phone.send(
            {"type": "hello", "id": 1, "token": server.token(alice), "device": "phone", "cursor": 0},
            *[{"type": "send", "id": 2 + n, "to": alice, **message(str(n))} for n in range(5)],
            {"type": "pull", "id": 9, "after": 0},
        )
        found = [await phone.next() for _ in range(7)]
        assert found[0]["type"] == "welcome"
        assert [frame["message_seq"] for frame in found if frame["type"] == "sent"] == [1, 2, 3, 4, 5]


async def test_ten_thousand_requests_in_one_go_are_all_answered_and_sends_in_order(
    server: ServerProcess, fresh: Fresh
) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    before = server.memory()
    async with raw(server.url, limit=2**26) as phone:
        await phone.hello(server.token(alice))
        frames: list[dict[str, Any]] = []
        for number in range(2, 10_002):
            kind = number % 5
            if kind < 2:
                frames.append({"type": "send", "id": number, "to": bob, **message(str(number))})
            elif kind == 2:
                frames.append({"type": "ping", "id": number})
            elif kind == 3:
                frames.append({"type": "read", "id": number, "conversation": f"d:{alice}~{alice}", "message_seq": 1})
            else:
                frames.append({"type": "dance", "id": number})
        sending = asyncio.create_task(phone.send(*frames))
        answers: dict[int, dict[str, Any]] = {}
        while len(answers) < 10_000:
            answer = await phone.next(20)
            if answer["type"] != "notify":
                assert answer["id"] not in answers
                answers[answer["id"]] = answer
        await sending
        sent = [answers[each["id"]] for each in frames if each["type"] == "send"]
        assert [answer["message_seq"] for answer in sent] == list(range(1, 4001))
        assert server.memory() < before + 2**26


async def test_an_array_of_nothing_but_errors_does_not_cost_the_server_its_memory(start_server: Start) -> None:
    async with start_server() as server, raw(server.url, limit=2**26) as phone:
        await phone.hello(server.token("alice"))
        before = server.memory()
        await phone.write(frame(b"[" + b",".join([b"1"] * 131_000) + b"]"))
        for _ in range(131_000):
            assert (await phone.next(20))["code"] == "bad_request"
        assert server.memory() < before + 2**25


async def test_what_a_device_says_after_the_close_is_not_heard(server: ServerProcess, fresh: Fresh) -> None:
    alice = fresh("alice")
    async with raw(server.url) as phone:
        await phone.hello(server.token(alice))
        send = json.dumps({"type": "send", "id": 7, "to": alice, **message("late")}).encode()
        await phone.write(frame(b"nonsense") + frame(send))
        assert await phone.closed() == 4400
    async with device(server.url, server.token(alice)) as again:
        assert again.welcome["head"] == 0


async def test_a_close_is_answered(server: ServerProcess, fresh: Fresh) -> None:
    async with raw(server.url) as phone:
        await phone.hello(server.token(fresh("alice")))
        await phone.write(frame((1000).to_bytes(2, "big"), CLOSE))
        assert await phone.closed() == 1000
        assert await phone.ended() == b""


async def test_a_ping_frame_is_answered_before_hello_too(server: ServerProcess) -> None:
    async with raw(server.url) as phone:
        await phone.upgrade()
        await phone.write(frame(b"1", PING) + frame(b"", PONG))
        assert await phone.message() == (PONG, b"1")


async def test_text_is_text_whatever_its_script(server: ServerProcess, fresh: Fresh) -> None:
    alice = fresh("alice")
    text = '\0\x7f\u2028éß漢字😀𝕬\U0010ffff\ufffe"\\/'
    async with device(server.url, server.token(alice)) as phone, device(server.url, server.token(alice), "tv") as tv:
        await phone.say(alice, text)
        push = await tv.expect("push")
        assert push["entries"][0]["event"]["message"]["body"]["text"] == text
        history = await phone.ask("history", conversation=f"d:{alice}~{alice}")
        assert history["messages"][0]["body"]["text"] == text
