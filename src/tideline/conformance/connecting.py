"""Promises about the transport and about who may connect (protocol, sections 2 to 4)."""

import json
from typing import Final

from .kit import Kit, Promise, fresh, is_error, need, send, short


async def _info(kit: Kit) -> None:
    status, _ = await kit.get("/healthz")
    need(status == 200, f"/healthz is {status}")
    status, text = await kit.get("/v1/info")
    need(status == 200 and "limits" in json.loads(text), f"/v1/info is {status}: {text[:80]!r}")


async def _arrays(kit: Kit) -> None:
    device = await kit.hello()
    await device.say(
        {"type": "ping", "id": 11},
        {"type": "hologram", "id": 12},
        {"type": "pull", "id": 13},
        {"type": "ping", "id": 14},
    )
    kinds = [(frame["id"], frame["type"]) for frame in [await device.next() for _ in range(4)]]
    wanted = {(11, "pong"), (12, "error"), (13, "error"), (14, "pong")}
    need(set(kinds) == wanted, f"a bad element does not fail alone: {kinds}")


async def _unknown_fields(kit: Kit) -> None:
    device = await kit.hello(hologram={"a": [1]})
    need(device.welcome.get("type") == "welcome", f"a field that is not known is in the way: {short(device.welcome)}")


async def _strict_json(kit: Kit) -> None:
    device = await kit.hello()
    for text in ('{"type":"ping","id":21,"id":22}', '{"type":"ping","id":1e400}', '{"type":"ping"}', "[[]]"):
        await device.text(text)
        is_error(await device.next(), "bad_request")
    need((await device.ask("ping"))["type"] == "pong", "the connection does not live on")


async def _not_json(kit: Kit) -> None:
    device = await kit.hello()
    await device.text("{nonsense")
    code = await device.ends()
    need(code == 4400, f"text that is not JSON is closed with {code}, not 4400")


async def _too_large(kit: Kit) -> None:
    device = await kit.hello()
    size = device.welcome["limits"]["frame"]
    await device.text('{"type":"ping","id":1,"x":"' + "x" * size + '"}')
    code = await device.ends()
    need(code == 4413, f"a message over limits.frame is closed with {code}, not 4413")


async def _http_without_token(kit: Kit) -> None:
    status, answer = await kit.http("devices", None)
    need(status == 401, f"without a token it is {status}")
    is_error(answer, "unauthorized")


async def _http(kit: Kit) -> None:
    status, answer = await kit.http("send", to=kit.me(), **send("by HTTP"))
    need(status == 200 and answer["type"] == "sent" and "id" not in answer, f"send is {status}: {short(answer)}")
    status, answer = await kit.http("pull", after=answer["seq"] + 1_000_000)
    need(status == 410, f"cursor_ahead is {status}, not 410")
    is_error(answer, "cursor_ahead")


async def _first_hello(kit: Kit) -> None:
    device = await kit.socket()
    await device.say({"type": "ping", "id": 1})
    is_error(await device.next(), "unauthorized")
    code = await device.ends()
    need(code == 4401, f"a first request that is no hello is closed with {code}, not 4401")


async def _forged(kit: Kit) -> None:
    device = await kit.socket()
    token = kit.tokens[0][:-4] + ("AAAA" if kit.tokens[0][-4:] != "AAAA" else "BBBB")
    answer = await device.ask("hello", token=token, device=fresh("device"), cursor=None, epoch=None)
    is_error(answer, "unauthorized")
    need(await device.ends() == 4401, "a forged token is not closed with 4401")


async def _second_hello(kit: Kit) -> None:
    device = await kit.hello()
    is_error(await device.ask("hello", token=kit.tokens[0], device="x", cursor=None, epoch=None), "bad_request")


async def _resets(kit: Kit) -> None:
    new = await kit.hello()
    welcome = new.welcome
    need(welcome["reset"] == "new_device" and not welcome["entries"], f"a new device: {short(welcome)}")
    other = await kit.hello(cursor=0, epoch="another-life")
    need(other.welcome["reset"] == "epoch_changed", f"another epoch: {short(other.welcome)}")
    ahead = await kit.hello(cursor=welcome["head"] + 1_000_000, epoch=welcome["epoch"])
    need(ahead.welcome["reset"] == "cursor_ahead", f"a cursor beyond the head: {short(ahead.welcome)}")


async def _replaced(kit: Kit) -> None:
    name = fresh("device")
    older = await kit.hello(device=name, instance="one")
    await kit.hello(device=name, instance="two")
    bye = await older.expect("bye")
    need((bye["code"], bye.get("by")) == (4409, "two"), f"the older connection is told {short(bye)}")
    need(await older.ends() == 4409, "the older connection is not closed with 4409")


async def _forget(kit: Kit) -> None:
    name = fresh("device")
    device, other = await kit.hello(device=name), await kit.hello()
    need((await other.ask("forget", device=name))["type"] == "ok", "forget is not answered by ok")
    code = await device.ends()
    need(code == 4403, f"a forgotten device is closed with {code}, not 4403")
    again = await kit.hello(device=name)
    need(again.welcome.get("type") == "error", "a token of before is accepted for a forgotten device")


PROMISES: Final = (
    Promise("2", "it says that it serves, and its limits", _info, 1),
    Promise("2", "frames of an array are answered, a bad one fails alone", _arrays, 1),
    Promise("2", "fields that are not known are ignored", _unknown_fields, 1),
    Promise("2", "what is not I-JSON is a bad_request, and the connection lives on", _strict_json, 1),
    Promise("2", "text that is not JSON closes with 4400", _not_json, 1),
    Promise("2", "a message over limits.frame closes with 4413", _too_large, 1),
    Promise("2", "HTTP answers requests, errors with their status", _http, 1),
    Promise("3", "HTTP without a token is 401", _http_without_token, 1),
    Promise("3", "a forged token is unauthorized and closes with 4401", _forged, 1),
    Promise("4", "the first request is hello, or 4401", _first_hello, 1),
    Promise("4", "a second hello is a bad_request", _second_hello, 1),
    Promise("4", "a hello without a usable cursor gets a reset that says why", _resets, 1),
    Promise("4", "the same device again replaces its older connection", _replaced, 1),
    Promise("4", "a forgotten device is closed, and its tokens of before are void", _forget, 1),
)
