"""Who a token speaks for, and which are refused (protocol, section 3)."""

import base64
import json
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import jwt
import pytest

from tests.harness.server import ServerProcess
from tests.harness.wire import device, wire
from tideline.gateway.auth import Key, Keyring, make_token
from tideline.protocol.errors import RequestError

Fresh = Callable[[str], str]
Start = Callable[..., AbstractAsyncContextManager[ServerProcess]]

SECRET = "a secret " * 8
OTHER = "another secret " * 5
KEYRING = Keyring({"main": Key(SECRET), "shop": Key(OTHER)})


def signed(claims: dict[str, Any], secret: str = SECRET, algorithm: str = "HS256", **header: Any) -> str:
    return jwt.encode({"exp": time.time() + 60, **claims}, secret, algorithm=algorithm, headers=header or None)


def unsigned(header: object, claims: object) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (header, claims)]
    return ".".join([*parts, ""])


LATER = int(time.time()) + 600

BAD = {
    "empty": "",
    "no token": "hello",
    "dots": "..",
    "not ASCII": "é.é.é",
    "expired": signed({"sub": "alice", "exp": time.time() - 1}),
    "forged": signed({"sub": "alice"}, OTHER),
    "cut off": signed({"sub": "alice"})[:-4],
    "no algorithm": unsigned({"alg": "none", "typ": "JWT"}, {"sub": "alice", "exp": LATER}),
    "another algorithm": signed({"sub": "alice"}, algorithm="HS512"),
    "no user": signed({}),
    "a user that is none": signed({"sub": "a b"}),
    "a user with a line break": signed({"sub": "alice\n"}),
    "an empty user": signed({"sub": ""}),
    "a user that is no text": jwt.encode({"sub": 5, "exp": LATER}, SECRET),
    "no expiry": jwt.encode({"sub": "alice"}, SECRET),
    "an expiry that is none": signed({"sub": "alice", "exp": "tomorrow"}),
    "an infinite expiry": signed({"sub": "alice", "exp": float("inf")}),
    "not yet valid": signed({"sub": "alice", "nbf": time.time() + 60}),
    "an issue time that is none": signed({"sub": "alice", "iat": "now"}),
    "an issue time that is a list": signed({"sub": "alice", "iat": [1]}),
    "an infinite issue time": signed({"sub": "alice", "iat": float("inf")}),
    "a device that is none": signed({"sub": "alice", "device": "a b"}),
    "a device that is no text": signed({"sub": "alice", "device": 5}),
    "an unknown scope": signed({"sub": "alice", "scope": "god"}),
    "a scope that is no text": signed({"sub": "alice", "scope": ["user"]}),
    "an app without a key": signed({"sub": "alice"}, kid="nowhere"),
    "the key of another app": signed({"sub": "alice"}, kid="shop"),
    "a claim of another app": signed({"sub": "alice", "app": "shop"}),
    "a claim of main by another app": signed({"sub": "alice", "app": "main"}, OTHER, kid="shop"),
    "a key id that is no text": unsigned({"alg": "HS256", "kid": ["main"]}, {"sub": "alice", "exp": LATER}),
    "a deep header": base64.urlsafe_b64encode(b"[" * 5000).decode() + ".e30.e30",
    "deep claims": unsigned({"alg": "HS256"}, {})[:-3] + base64.urlsafe_b64encode(b"[" * 5000).decode() + ".e30",
    "a header that is no object": unsigned([], {}),
    "claims that are no object": jwt.api_jws.encode(b"[1]", SECRET),
}


@pytest.mark.parametrize("token", BAD.values(), ids=BAD)
def test_a_token_that_proves_nothing_is_unauthorized(token: str) -> None:
    with pytest.raises(RequestError) as caught:
        KEYRING.verify(token)
    assert caught.value.code == "unauthorized"
    assert token not in caught.value.message or not token


def test_a_token_proves_what_it_says() -> None:
    identity = KEYRING.verify(signed({"sub": "alice", "device": "phone", "scope": "user", "iat": 1000, "x": 1}))
    assert (identity.app, identity.user, identity.device, identity.scope) == ("main", "alice", "phone", "user")
    assert identity.issued == 1000
    shop = KEYRING.verify(signed({"sub": "[x]^_|\\", "app": "shop", "scope": "server"}, OTHER, kid="shop"))
    assert (shop.app, shop.user, shop.device, shop.scope) == ("shop", "[x]^_|\\", None, "server")
    assert shop.issued == 0


def test_a_token_of_an_issuer_whose_clock_is_ahead_is_good() -> None:
    """``iat`` says which tokens ``forget`` refuses, and nothing else."""
    assert KEYRING.verify(signed({"sub": "alice", "iat": time.time() + 30})).user == "alice"


def test_a_token_can_be_used_the_moment_it_is_made() -> None:
    for _ in range(200):
        assert KEYRING.verify(make_token(Key(SECRET), "alice")).user == "alice"


@pytest.mark.parametrize("token", ["expired", "forged", "no algorithm", "a deep header", "an app without a key"])
async def test_a_bad_token_ends_the_connection_with_4401(server: ServerProcess, token: str) -> None:
    async with wire(server.url) as phone:
        await phone.send({"type": "hello", "id": 1, "token": BAD[token], "device": "phone", "cursor": 0})
        error = await phone.expect("error")
        assert (error["code"], error["id"], error["retry"]) == ("unauthorized", 1, False)
        assert await phone.closed() == 4401


async def test_a_token_of_another_device_or_of_a_back_end_opens_no_connection(
    server: ServerProcess, fresh: Fresh
) -> None:
    alice = fresh("alice")
    for token in (server.token(alice, device="tv"), server.token(alice, scope="server")):
        async with wire(server.url) as phone:
            answer = await phone.ask("hello", token=token, device="phone", cursor=0)
            assert answer["code"] == "unauthorized"
            assert await phone.closed() == 4401
    async with device(server.url, server.token(alice, device="phone"), "phone") as phone:
        assert phone.welcome["type"] == "welcome"


async def test_when_its_token_expires_a_connection_is_closed_with_4401(server: ServerProcess, fresh: Fresh) -> None:
    alice = fresh("alice")
    async with (
        device(server.url, server.token(alice, days=2 / 86_400), "phone") as phone,
        device(server.url, server.token(alice, days=2 / 86_400), "tv") as tv,
    ):
        assert (await tv.ask("renew", token=server.token(alice)))["type"] == "ok"
        bye = await phone.next(10)
        assert (bye["type"], bye["code"]) == ("bye", 4401)
        assert await phone.closed() == 4401
        assert (await tv.ask("ping"))["type"] == "pong"


async def test_a_connection_can_be_renewed_for_itself_only(start_server: Start) -> None:
    secret = "of the shop, which is long enough as well"
    async with start_server(**{"apps.shop": secret}) as server, device(server.url, server.token("alice")) as phone:
        shop = make_token(Key(secret), "alice", app="shop")
        for token in (server.token("bob"), server.token("alice", scope="server"), shop, "nonsense"):
            error = await phone.ask("renew", token=token)
            assert (error["type"], error["code"]) == ("error", "unauthorized")
        error = await phone.ask("renew", token=server.token("alice", device="tv"))
        assert error["code"] == "unauthorized"
        assert (await phone.ask("renew", token=server.token("alice", device="phone")))["type"] == "ok"
        assert (await phone.ask("ping"))["type"] == "pong"


async def test_nothing_crosses_from_one_app_into_another(start_server: Start) -> None:
    secret = "of the shop, which is long enough as well"
    async with start_server(**{"apps.shop": secret}) as server:
        shop = Key(secret)
        async with (
            device(server.url, server.token("alice")) as alice,
            device(server.url, make_token(shop, "alice", app="shop")) as alice_of_shop,
            device(server.url, make_token(shop, "bob", app="shop")) as bob_of_shop,
        ):
            assert alice.welcome["epoch"] != alice_of_shop.welcome["epoch"]
            await bob_of_shop.say("alice", "in the shop")
            await alice_of_shop.expect("push")
            assert (await alice.ask("ping"))["head"] == 0
            assert alice.unasked == []
            assert (await alice.ask("snapshot"))["conversations"] == []
            await bob_of_shop.ask("create", conversation="g:team")
            assert (await alice.ask("create", conversation="g:team"))["type"] == "conversation"
            assert [each["device"] for each in (await alice.ask("devices"))["devices"]] == ["phone"]


async def test_no_token_and_no_secret_is_ever_logged(start_server: Start) -> None:
    async with start_server(log_level="debug", log_format="json") as server:
        good, expired = server.token("alice"), server.token("alice", days=-1)
        async with device(server.url, good) as phone:
            await phone.ask("renew", token=server.token("bob"))
            await phone.raw("nonsense")
            await phone.closed()
        async with wire(server.url) as phone:
            await phone.ask("hello", token=expired, device="phone")
        import aiohttp

        async with aiohttp.ClientSession() as session:
            for token in (good, expired, good[:-3]):
                async with session.post(
                    f"{server.url}/v1/devices", json={}, headers={"Authorization": f"Bearer {token}"}
                ) as response:
                    await response.read()
            async with session.get(f"{server.url}/v1/info", params={"token": good}) as response:
                await response.read()
            async with session.get(f"{server.url}/v1/ws", params={"token": good}) as response:
                await response.read()
        await server.stop()
        log = server.log()
        assert log
        for token in (good, expired):
            for part in token.split("."):
                assert part not in log or part == good.split(".", 1)[0]
            assert token.split(".")[2] not in log
        assert server.secret not in log
