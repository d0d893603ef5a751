"""A device that was forgotten while it was connected stays forgotten (protocol, section 4, ``forget``)."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from tests.harness.server import ServerProcess
from tests.harness.wire import device

Start = Callable[..., AbstractAsyncContextManager[ServerProcess]]


async def test_what_a_forgotten_device_was_last_seen_at_does_not_bring_it_back(start_server: Start) -> None:
    async with start_server() as server:
        token = server.token("alice")
        async with device(server.url, token) as phone, device(server.url, token, "laptop") as laptop:
            assert (await laptop.ask("forget", device="phone"))["type"] == "ok"
            assert await phone.closed() == 4403
        await server.stop()  # which writes what is known of devices
        await server.start()
        async with device(server.url, token) as phone:
            assert phone.welcome["code"] == "unauthorized"
            assert await phone.closed() == 4403
