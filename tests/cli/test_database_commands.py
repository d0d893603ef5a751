"""``tideline migrate``, ``tideline new-epoch``, and what ``tideline serve --store`` refuses, in words that help."""

import asyncio
import os
import sys

from tests.harness.postgres import PostgresServer
from tests.stores.places import append, make_room, put_room
from tideline.stores.postgres import open_postgres

SECRET = "0123456789abcdef0123456789abcdef"


async def tideline(*arguments: str, secret: str | None = SECRET) -> tuple[int | None, str]:
    """Run the command; return its status and what it said."""
    environment = {name: value for name, value in os.environ.items() if name != "TIDELINE_SECRET"}
    if secret is not None:
        environment["TIDELINE_SECRET"] = secret
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tideline", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**environment, "COLUMNS": "200"},
    )
    async with asyncio.timeout(20):
        said, _ = await process.communicate()
    return process.returncode, said.decode()


async def test_migrate_makes_the_schema_and_then_has_nothing_to_do(postgres: PostgresServer) -> None:
    url = await postgres.database(migrated=False)
    status, said = await tideline("serve", f"--store={url}", "--port=0")
    assert status == 1
    assert "no Tideline schema; make it: tideline migrate --store" in said
    status, said = await tideline("migrate", f"--store={url}")
    assert (status, said.splitlines()) == (0, ["0001 timelines", "schema 1"])
    status, said = await tideline("migrate", f"--store={url}")
    assert (status, said) == (0, "schema 1: nothing to do\n")


async def test_new_epoch_gives_every_app_one_or_those_that_are_named(postgres: PostgresServer) -> None:
    url = await postgres.database()
    async with open_postgres(url) as main, open_postgres(url, app="other") as other:
        before = main.epoch, other.epoch
    status, said = await tideline("new-epoch", f"--store={url}", "--app=other")
    assert status == 0
    async with open_postgres(url) as main, open_postgres(url, app="other") as other:
        assert main.epoch == before[0]
        assert said == f"other {other.epoch}\n"
        assert other.epoch != before[1]
    status, said = await tideline("new-epoch", f"--store={url}")
    assert status == 0
    assert [line.split()[0] for line in said.splitlines()] == ["main", "other"]
    status, said = await tideline("new-epoch", f"--store={url}", "--app=none")
    assert status == 1
    assert "no app 'none'" in said


async def test_what_nodes_cannot_share_is_refused(postgres: PostgresServer) -> None:
    url = await postgres.database()
    for arguments, secret, wrong, message in (
        ([f"--store={url}"], None, 2, "give all nodes the same key: TIDELINE_SECRET"),
        (["--store=mysql://host/name"], SECRET, 2, "--store takes a URL that begins with postgresql://"),
        (["--bus=nats://127.0.0.1:4222"], SECRET, 2, "--bus is between the nodes of one --store"),
        (["--store=postgresql://tests@127.0.0.1:1/none"], SECRET, 1, "PostgreSQL: "),
    ):
        status, said = await tideline("serve", "--port=0", *arguments, secret=secret)
        assert status == wrong, said
        assert message in said
        assert "Traceback" not in said


async def test_check_verifies_a_database_and_names_what_is_broken(postgres: PostgresServer) -> None:
    url = await postgres.database()
    database = url.rpartition("/")[2]
    async with open_postgres(url) as store:
        room = make_room("d:alice~bob", "alice", "bob")
        await put_room(store, room)
        event = '{"type":"custom","name":"note","data":null}'
        await append(store, {"alice": [event, event, event], "bob": [event]})
        await append(store, {"alice": [event]})
        await store.trim("alice", 3)
    status, said = await tideline("check", f"--store={url}")
    assert status == 0, said
    assert "Everything is as it must be, in 1 app." in said
    for damage in (
        "DELETE FROM tideline.entries WHERE owner = 'main/alice' AND last = 4",
        "UPDATE tideline.entries SET refs = '' WHERE owner = 'main/bob'",
        "DELETE FROM tideline.memberships WHERE owner = 'main/bob'",
        "UPDATE tideline.rooms SET data = '\\x00'",
    ):
        await postgres.execute(damage, database)
        status, said = await tideline("check", f"--store={url}")
        assert status == 1, damage
        assert "broken: " in said
