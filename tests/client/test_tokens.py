"""Tokens are used as long as they last, and new ones are got when they can be."""

import base64
import json

import pytest

from tideline.client.tokens import Tokens, expiry

NOW = 1_000_000


def jwt(**claims: object) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{body}.c2ln"


@pytest.mark.parametrize("exp", [1_000, 1_000.5, 12, 123_456_789])
def test_the_expiry_of_a_jwt_is_read(exp: float) -> None:
    assert expiry(jwt(exp=exp, sub="alice")) == round(exp * 1000)


@pytest.mark.parametrize("token", ["opaque", "a.b.c", "a.%%%.c", jwt(sub="alice"), jwt(exp="soon"), ""])
def test_a_token_that_does_not_say_has_no_expiry(token: str) -> None:
    assert expiry(token) is None


async def test_a_fixed_token_stays() -> None:
    tokens = Tokens("fixed")
    await tokens.get(NOW, fresh=True)
    assert tokens.current == "fixed"
    assert not tokens.renewable


async def test_a_source_is_asked_only_when_needed() -> None:
    given: list[str] = []

    async def source() -> str:
        given.append(jwt(exp=2_000 + len(given), n=len(given)))
        return given[-1]

    tokens = Tokens(source)
    assert tokens.renewable
    assert await tokens.get(NOW, fresh=False) == 2_000_000
    assert await tokens.get(NOW, fresh=False) == 2_000_000
    assert len(given) == 1
    assert await tokens.get(NOW, fresh=True) == 2_001_000
    assert tokens.current == given[1]
    await tokens.get(2_001_000 - 4_000, fresh=False)
    assert len(given) == 3
