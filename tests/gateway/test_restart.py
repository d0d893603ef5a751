"""Stopping, starting again, and a disk without room: what was acknowledged is there, and the rest can be sent again."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.harness.raw import raw
from tests.harness.server import ServerProcess, server_process
from tests.harness.wire import Closed, Wire, device, message, wire

Start = Callable[..., AbstractAsyncContextManager[ServerProcess]]


async def everything(server: ServerProcess, user: str) -> list[dict[str, Any]]:
    """Return all entries of a user, which must be consecutive."""
    entries: list[dict[str, Any]] = []
    async with device(server.url, server.token(user), "checker", cursor=None) as checker:
        more = True
        while more:
            page = await checker.ask("pull", after=len(entries), limit=1000)
            assert page["type"] == "page", page
            entries += page["entries"]
            more = page["more"]
    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
    return entries


def client_ids(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["event"]["message"]["client_id"] for entry in entries if entry["event"]["type"] == "message"]


# A stop


async def test_a_stop_says_bye_with_a_time_to_come_back_and_everything_is_there_again(start_server: Start) -> None:
    async with start_server() as server:
        async with device(server.url, server.token("alice")) as phone, device(server.url, server.token("bob")) as other:
            for number in range(20):
                await phone.say("bob", str(number))
            epoch = phone.welcome["epoch"]
            while len(other.messages) < 3:
                await other.next()
            stopping = asyncio.create_task(server.stop(10))
            for each in (phone, other):
                frames = []
                with pytest.raises(Closed) as closed:
                    frames += [await each.next(10) for _ in range(100)]
                assert closed.value.code == 1012
                bye = [json for json in each.messages if '"bye"' in json]
                assert len(bye) == 1
                assert '"code":1012' in bye[0]
                assert '"retry_after":' in bye[0]
                assert '"retry_after":null' not in bye[0]
            assert await stopping == 0
        await server.start()
        async with device(server.url, server.token("alice"), cursor=20, epoch=epoch) as phone:
            assert (phone.welcome["epoch"], phone.welcome["head"], phone.welcome["reset"]) == (epoch, 20, None)
            assert (await phone.say("bob", "on"))["message_seq"] == 21
        assert len(await everything(server, "bob")) == 21


async def talk(phone: Wire, target: str, acked: list[str], tried: list[str]) -> None:
    """Send as fast as answers come, a few in flight, until the connection ends."""
    flying: dict[int, str] = {}
    number = 100
    try:
        while True:
            while len(flying) < 32:
                number += 1
                fields = message("x" * 200)
                flying[number] = fields["client_id"]
                tried.append(fields["client_id"])
                await phone.send({"type": "send", "id": number, "to": target, **fields})
            frame = await phone.next(20)
            phone.messages.clear()
            if frame["type"] == "sent":
                acked.append(flying.pop(frame["id"]))
            elif frame["type"] == "bye":
                return
    except (Closed, ConnectionError):
        pass


async def test_a_stop_under_load_ends_in_time_cleanly_and_keeps_what_it_acknowledged(start_server: Start) -> None:
    async with start_server() as server:
        acked: list[str] = []
        tried: list[str] = []
        opened = [device(server.url, server.token(f"user{n}")) for n in range(6)]
        phones = [await each.__aenter__() for each in opened]
        talking = [asyncio.create_task(talk(phone, "bob", acked, tried)) for phone in phones]
        async with asyncio.timeout(60):
            while len(acked) < 2000:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert await server.stop(10) == 0
        await asyncio.gather(*talking)
        for each in opened:
            await each.__aexit__(None, None, None)
        assert "defect" not in server.log(), server.log()[-3000:]
        assert "commit_failed" not in server.log(), "what was in flight came to an end"
        await server.start()
        found = client_ids(await everything(server, "bob"))
        assert len(set(found)) == len(found)
        assert set(acked) <= set(found) <= set(tried)


async def test_a_stop_waits_for_no_poll_and_no_silent_or_deaf_connection(start_server: Start) -> None:
    async with start_server() as server:
        headers = {"Authorization": f"Bearer {server.token('alice')}"}
        async with (
            aiohttp.ClientSession() as session,
            raw(server.url) as half,
            raw(server.url) as silent,
            raw(server.url, limit=1024) as deaf,
            wire(server.url),
        ):
            await half.write(b"POST /v1/pull HTTP/1.1\r\nHost: x\r\n")
            await silent.upgrade()
            await deaf.hello(server.token("alice"), "deaf")
            body = {"after": 0, "wait": 60}
            polling = asyncio.create_task(session.post(f"{server.url}/v1/pull", json=body, headers=headers))
            async with device(server.url, server.token("alice"), "tv") as tv:
                for _ in range(100):
                    await tv.send(*[{"type": "ping", "id": 10 + n} for n in range(10)])
                assert await server.stop(10) == 0
            try:
                response = await polling
                assert (await response.json())["entries"] == []
            except aiohttp.ClientError:
                pass


async def test_what_is_sent_again_after_a_kill_is_stored_once(start_server: Start) -> None:
    async with start_server() as server:
        acked: list[str] = []
        for life in range(3):
            async with device(server.url, server.token("alice")) as phone:
                sends = [{"type": "send", "id": 10 + n, "to": "bob", **message(f"{life}.{n}")} for n in range(200)]
                await phone.send(*sends)
                answered: list[int] = []
                while len(answered) < 20:
                    answered += [frame["id"] for frame in [await phone.next()] if frame["type"] == "sent"]
                await server.kill()
            await server.start()
            async with device(server.url, server.token("alice")) as phone:
                await phone.send(*sends)
                answers: dict[int, dict[str, Any]] = {}
                while len(answers) < 200:
                    answer = await phone.next()
                    if answer["type"] == "sent":
                        answers[answer["id"]] = answer
                assert all(answers[id_]["duplicate"] for id_ in answered)
                acked += [send["client_id"] for send in sends]
        assert client_ids(await everything(server, "bob")) == acked


async def test_a_second_server_on_the_same_folder_is_refused_and_disturbs_nothing(start_server: Start) -> None:
    async with start_server() as server, device(server.url, server.token("alice")) as phone:
        second = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tideline", "serve", "--port=0", f"--data={server.data}"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "TIDELINE_SECRET": server.secret},
        )
        async with asyncio.timeout(20):
            output, errors = await second.communicate()
        assert second.returncode == 1
        assert output == b""
        assert b"in use by another process" in errors
        assert b"Traceback" not in errors
        assert (await phone.say("bob", "hi"))["type"] == "sent"


# A disk without room


@asynccontextmanager
async def small_disk(path: Path, megabytes: int) -> AsyncIterator[Path]:
    """A file system of its own that can be filled up."""
    path.mkdir()  # noqa: ASYNC240
    mounted = subprocess.run(  # noqa: ASYNC221
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(path)], capture_output=True, check=False
    )
    assert mounted.returncode == 0, f"mounting takes root: {mounted.stderr.decode()}"
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)  # noqa: ASYNC221


def fill(path: Path) -> Path:
    """Leave no room."""
    ballast = path / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(b"\0" * 65_536):
                pass
        except OSError:
            pass
    return ballast


async def test_a_full_disk_refuses_sends_for_now_and_the_same_server_serves_on_when_there_is_room(
    tmp_path: Path,
) -> None:
    async with (
        small_disk(tmp_path / "disk", 192) as disk,
        server_process(disk / "data") as server,
        device(server.url, server.token("alice")) as phone,
        device(server.url, server.token("bob")) as other,
        aiohttp.ClientSession() as session,
    ):
        headers = {"Authorization": f"Bearer {server.token('carol')}"}
        await phone.say("bob", "before")
        await other.expect("push")
        ballast = fill(disk)
        refused: list[dict[str, Any]] = []
        stored = 1
        for number in range(200):  # what is reserved already may still be used
            answer = await phone.say("bob", "x" * 30_000, client_id=f"full-{number}")
            if answer["type"] == "error":
                assert (answer["code"], answer["retry"]) == ("unavailable", True)
                assert answer["retry_after"] > 0
                refused.append({"client_id": f"full-{number}"})
                if len(refused) == 5:
                    break
            else:
                assert not refused
                stored += 1
                assert answer["message_seq"] == stored
        assert len(refused) == 5
        # Nothing that was not committed is shown to anyone, and everyone is told the truth.
        pushed = 1
        async with session.get(f"{server.url}/healthz") as response:
            assert response.status == 503
        async with session.post(
            f"{server.url}/v1/send", json={"to": "bob", **message("x")}, headers=headers
        ) as response:
            assert response.status == 503
            error = await response.json()
            assert (error["code"], error["retry"]) == ("unavailable", True)
            assert int(response.headers["Retry-After"]) >= 1
        async with wire(server.url) as third:
            await third.send({"type": "hello", "id": 1, "token": server.token("carol"), "device": "x", "cursor": 0})
            answer = await third.next()
            if answer["type"] == "error":
                assert (answer["code"], answer["retry"]) == ("unavailable", True)
                assert await third.closed() == 1013
        ballast.unlink()
        async with asyncio.timeout(20):
            while (answer := await phone.say("bob", "x" * 30_000, **refused[0]))["type"] == "error":
                assert answer["code"] == "unavailable"
                await asyncio.sleep(0.2)
        assert (answer["message_seq"], answer["seq"], answer["duplicate"]) == (stored + 1, stored + 1, False)
        for again in refused[1:]:
            assert (await phone.say("bob", "x" * 30_000, **again))["type"] == "sent"
        total = stored + len(refused)
        while pushed < total:
            push = await other.expect("push", 10)
            assert push["entries"][0]["seq"] == pushed + 1
            pushed = push["entries"][-1]["seq"]
        async with session.get(f"{server.url}/healthz") as response:
            assert response.status == 200
        found = client_ids(await everything(server, "bob"))
        assert len(found) == len(set(found)) == total
        assert await server.stop() == 0
        assert "Traceback" not in server.log()


async def test_a_disk_that_fills_up_under_load_loses_and_repeats_nothing(tmp_path: Path) -> None:
    async with small_disk(tmp_path / "disk", 192) as disk, server_process(disk / "data") as server:
        acked: list[tuple[str, int]] = []
        failed = [0]

        async def insist(user: str) -> None:
            """Send one after the other; what is refused is sent again."""
            async with device(server.url, server.token(user)) as phone:
                for number in range(60):
                    fields = message("x" * 20_000, client_id=f"{user}-{number}")
                    while True:
                        answer = await phone.ask("send", to="bob", timeout=20, **fields)
                        phone.messages.clear()
                        if answer["type"] == "sent":
                            acked.append((fields["client_id"], answer["message_seq"]))
                            break
                        assert answer["code"] == "unavailable"
                        failed[0] += 1
                        await asyncio.sleep(0.05)

        users = [f"user{number}" for number in range(8)]
        work = [asyncio.create_task(insist(user)) for user in users]
        while len(acked) < 40:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        ballast = fill(disk)
        async with asyncio.timeout(20):
            while failed[0] < 20:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        ballast.unlink()
        async with asyncio.timeout(60):
            await asyncio.gather(*work)
        entries = await everything(server, "bob")
        assert sorted(client_ids(entries)) == sorted(client_id for client_id, _ in acked)
        places = {entry["event"]["message"]["client_id"]: entry["event"]["message"]["message_seq"] for entry in entries}
        assert places == dict(acked)
        await server.kill()
        await server.start()
        assert await everything(server, "bob") == entries
