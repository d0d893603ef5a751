"""Where reading the store makes one wait, what a device says keeps its order all the same."""

from collections.abc import Callable

from tests.harness.nodes import Cluster
from tests.harness.raw import raw
from tests.harness.wire import message

Fresh = Callable[[str], str]


async def test_what_was_said_behind_a_hello_is_not_overtaken_by_what_comes_later(two: Cluster, fresh: Fresh) -> None:
    node = two.nodes[0]
    for _ in range(20):
        alice = fresh("alice")
        async with raw(node.url) as phone:
            await phone.upgrade()
            hello = {"type": "hello", "id": 1, "token": two.token(alice), "device": "phone", "cursor": 0}

            def send(id_: int, to: str = alice) -> dict[str, object]:
                return {"type": "send", "id": id_, "to": to, **message(str(id_))}

            pulls = [{"type": "pull", "id": 100 + n, "after": 0} for n in range(5)]
            await phone.send(hello, *pulls, send(11), send(12))
            while (await phone.next())["type"] != "welcome":
                pass
            # The sends above still wait behind the pulls.
            await phone.send(send(13), send(14))
            sent: list[int] = []
            while len(sent) < 4:
                answer = await phone.next()
                if answer["type"] == "sent":
                    sent.append(answer["id"])
                    assert answer["message_seq"] == len(sent)
            assert sent == [11, 12, 13, 14]
