"""A direct conversation that was never used exists for its two parties, empty, and for nobody else."""

from collections.abc import Callable

from tests.harness.server import ServerProcess
from tests.harness.wire import device


async def test_a_party_of_an_unused_direct_conversation_is_not_told_that_it_is_forbidden(
    server: ServerProcess, fresh: Callable[[str], str]
) -> None:
    alice, bob, eve = sorted(fresh(name) for name in ("alice", "bob", "eve"))
    unused = f"d:{alice}~{bob}"
    async with device(server.url, server.token(alice)) as party:
        messages = await party.ask("history", conversation=unused)
        assert (messages["messages"], messages["head"], messages["more"]) == ([], 0, False)
        assert (await party.ask("members", conversation=unused))["members"] == []
        assert (await party.ask("read", conversation=unused, message_seq=3))["type"] == "ok"
        assert (await party.ask("update", conversation=unused, muted=True))["code"] == "not_found"
        assert (await party.ask("update", conversation=unused, title="x"))["code"] == "bad_request"
        await party.say(bob, "hi")
        assert (await party.ask("update", conversation=unused, muted=True))["type"] == "ok"
    async with device(server.url, server.token(eve)) as stranger:
        for kind, fields in (
            ("history", {}),
            ("members", {}),
            ("read", {"message_seq": 1}),
            ("update", {"muted": True}),
        ):
            assert (await stranger.ask(kind, conversation=unused, **fields))["code"] == "forbidden"
