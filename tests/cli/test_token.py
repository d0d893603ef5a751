"""``tideline token``: a token that the server takes."""

from pathlib import Path

import jwt
import pytest

from tests.harness.command import tideline
from tests.harness.server import server_process
from tests.harness.wire import device

KEY = "k" * 32
OTHER = "o" * 32


async def test_a_token_of_the_folders_secret_or_of_the_one_in_the_environment_is_taken(tmp_path: Path) -> None:
    async with server_process(tmp_path / "data") as server:
        token = tideline("token", "alice", "--data", server.data, TIDELINE_SECRET=server.secret).out.strip()
        async with device(server.url, token) as alice:
            assert alice.welcome["user"] == "alice"


def test_a_token_says_what_it_was_made_with(tmp_path: Path) -> None:
    def claims(*arguments: object) -> dict[str, object]:
        done = tideline("token", *arguments, TIDELINE_SECRET=KEY)
        assert done.status == 0, done
        token = done.out.strip()
        return {**jwt.get_unverified_header(token), **jwt.decode(token, options={"verify_signature": False})}

    plain = claims("alice")
    assert (plain["sub"], plain["alg"]) == ("alice", "HS256")
    assert plain["exp"] - plain["iat"] == pytest.approx(30 * 86_400, abs=2)  # type: ignore[operator]
    assert {"device", "scope", "kid"}.isdisjoint(plain)
    bound = claims("alice", "--device", "phone", "--scope", "server", "--days", "0.5")
    assert (bound["device"], bound["scope"]) == ("phone", "server")
    assert bound["exp"] - bound["iat"] == pytest.approx(43_200, abs=2)  # type: ignore[operator]
    file = tmp_path / "tideline.toml"
    file.write_text(f'[apps]\nshop = "{OTHER}"\n')
    shop = tideline("token", "alice", "--app", "shop", "--config", file).out.strip()
    assert jwt.get_unverified_header(shop)["kid"] == "shop"
    assert jwt.decode(shop, OTHER, algorithms=["HS256"])["sub"] == "alice"


def test_without_a_secret_no_token_is_made_and_no_folder(tmp_path: Path) -> None:
    done = tideline("token", "alice", "--data", tmp_path / "data")
    assert done.status == 1
    assert "start the server there once, name its folder with --data, or set TIDELINE_SECRET" in done.error
    assert not (tmp_path / "data").exists()


def test_a_token_for_nobody_is_refused_in_one_line() -> None:
    for arguments, why in (
        (("a b",), "'a b' is no name"),
        (("alice", "--device", "a/b"), "'a/b' is no name"),
        (("alice", "--days", "0"), "Must be > 0"),
        (("alice", "--scope", "god"), "god"),
        (("alice", "--app", "shop"), "no key of the app 'shop'"),
        ((), "USER"),
    ):
        done = tideline("token", *arguments, TIDELINE_SECRET=KEY)
        assert done.status in (1, 2)
        assert why in done.error
        assert done.out == ""
