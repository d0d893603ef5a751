"""What a database that several processes share owes beyond the contract of any store."""

import asyncio
import random
import time

import pytest

from tests.harness.postgres import PostgresServer
from tests.harness.proxy import proxy
from tests.stores.places import PostgresPlace, append, make_room, placed, posts, put_room, texts
from tideline.stores.postgres import PostgresBackend, PostgresOptions, migrate, schema
from tideline.timeline.changes import Changes, Run, send_key
from tideline.timeline.contract import Store, StoreError, StoreUnavailable
from tideline.timeline.records import Device, Member


async def rename(store: Store, conversation: str, title: str) -> None:
    async with store.begin([conversation], ()) as unit:
        room = unit.room(conversation)
        assert room is not None
        changes = Changes()
        changes.conversations[conversation] = room.conversation
        room.conversation.title = (room.conversation.title or "") + title
        await unit.commit(changes)


async def test_two_processes_number_one_timeline_without_holes(shared: PostgresPlace) -> None:
    stores = [await shared.beside() for _ in range(3)]

    async def write(store: Store, name: str) -> None:
        for number in range(20):
            await append(store, {"hot": [f"{name}{number}", "x"], f"own-{name}": ["y"]})

    await asyncio.gather(*(write(store, name) for store, name in zip(stores, "abc", strict=True)))
    found = await texts(stores[0], "hot")
    assert [seq for seq, _ in found] == list(range(1, 121))
    assert sorted(text for _, text in found if text != "x") == sorted(f"{n}{i}" for n in "abc" for i in range(20))


async def test_what_one_process_commits_the_other_finds(shared: PostgresPlace) -> None:
    """Rooms are cached: what another process changed of them counts at once, whatever kind of change it was."""
    one, two = await shared.beside(), await shared.beside()
    await put_room(one, make_room("g:team", "alice", "bob", "carol"))
    for store in (one, two, one):
        await rename(store, "g:team", "x")

    async with two.begin(["g:team"], ()) as unit:
        room = unit.room("g:team")
        assert room is not None
        room.members["alice"].read = 7
        changes = Changes()
        changes.members["g:team", "alice"] = room.members["alice"]
        changes.left["g:team", "bob", 1] = 0
        del room.members["bob"]
        changes.conversations["g:team"] = room.conversation
        await unit.commit(changes)
    async with one.begin(["g:team"], ()) as unit:
        room = unit.room("g:team")
        assert room is not None
        assert room.conversation.title == "xxx"
        assert set(room.members) == {"alice", "carol"}
        assert room.members["alice"].read == 7
        changes = Changes()
        room.members["dave"] = changes.members["g:team", "dave"] = Member(joined=1, read=0, ordinal=3)
        changes.joined.add(("g:team", "dave"))
        await unit.commit(changes)
    async with two.begin(["g:team"], ()) as unit:
        room = unit.room("g:team")
        assert room is not None
        assert set(room.members) == {"alice", "carol", "dave"}


async def test_of_two_processes_that_use_a_conversation_first_one_makes_it(shared: PostgresPlace) -> None:
    one, two = await shared.beside(), await shared.beside()
    made = 0

    async def use(store: Store, number: int) -> None:
        nonlocal made
        id_ = f"d:alice~bob{number}"
        async with store.begin([id_], ()) as unit:
            changes = Changes()
            room = unit.room(id_)
            if room is None:
                made += 1
                room = make_room(id_, "alice", f"bob{number}")
                unit.add_room(room)
            room.conversation.head += 1
            changes.conversations[id_] = room.conversation
            await unit.commit(changes)

    await asyncio.gather(*(use(store, number) for number in range(10) for store in (one, two)))
    assert made == 10
    for number in range(10):
        room = await one.room(f"d:alice~bob{number}")
        assert room is not None
        assert room.conversation.head == 2


async def test_asking_about_conversations_that_are_not_leaves_nothing(shared: PostgresPlace) -> None:
    store = await shared.open()
    await put_room(store, make_room("g:team", "alice"))
    async with store.begin(["g:team", "g:none"], ()) as unit:
        assert unit.room("g:none") is None
        room = unit.room("g:team")
        assert room is not None
        changes = Changes()
        changes.conversations["g:team"] = room.conversation
        await unit.commit(changes)
    async with shared.backends[0].connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM rooms") == 1


async def test_batches_that_name_the_same_things_in_any_order_never_deadlock(shared: PostgresPlace) -> None:
    stores = [await shared.beside() for _ in range(4)]
    rooms = [f"g:room{number}" for number in range(12)]
    users = [f"user{number}" for number in range(12)]
    for room in rooms[:6]:  # the others come into being on the way
        await put_room(stores[0], make_room(room, "alice"))

    async def write(store: Store, seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(15):
            some = dice.sample(rooms, 6)
            async with store.begin(some, ()) as unit:
                changes = Changes()
                for id_ in some:
                    room = unit.room(id_)
                    if room is None:
                        room = make_room(id_, "alice")
                        unit.add_room(room)
                    room.conversation.head += 1
                    changes.conversations[id_] = room.conversation
                changes.runs = {user: Run(0, posts("x")) for user in dice.sample(users, 8)}
                for user, head in (await unit.heads(changes.runs)).items():
                    changes.runs[user].first = head + 1
                await unit.commit(changes)

    await asyncio.gather(*(write(store, seed) for seed, store in enumerate(stores)))
    heads = [found.conversation.head for id_ in rooms if (found := await stores[0].room(id_)) is not None]
    assert sum(heads) == 4 * 15 * 6
    assert sum((await stores[0].heads(users)).values()) == 4 * 15 * 8


async def test_a_placement_is_seen_by_the_other_process(shared: PostgresPlace) -> None:
    one, two = await shared.beside(), await shared.beside()
    await put_room(one, make_room("d:alice~bob", "alice", "bob"))
    key = send_key("alice", "d:alice~bob", "id")
    async with one.begin(["d:alice~bob"], [key]) as unit:
        changes = Changes()
        changes.placements = placed(key, 1, int(time.time() * 1000), 4)
        await unit.commit(changes)
    async with two.begin(["d:alice~bob"], [key]) as unit:
        found = unit.placements.get(key)
        assert found is not None
        assert (found.message_seq, found.seq) == (1, 4)


async def cut(postgres: PostgresServer, place: PostgresPlace) -> None:
    """Cut every connection to a place's database."""
    database = place.url.rpartition("/")[2]
    await postgres.execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}' AND pid <> "
        "pg_backend_pid()"
    )


async def test_a_connection_lost_within_a_unit_is_unavailable_and_the_next_unit_goes_on(
    shared: PostgresPlace, postgres: PostgresServer
) -> None:
    store = await shared.open()
    await append(store, {"alice": ["a"]})
    changes = Changes()
    run = changes.runs["alice"] = Run(0, posts("b"))

    async def lose() -> None:
        async with store.begin((), ()) as unit:
            run.first = (await unit.heads(changes.runs))["alice"] + 1
            await cut(postgres, shared)
            await unit.commit(changes)

    with pytest.raises(StoreUnavailable):
        await lose()
    assert await texts(store, "alice") == [(1, "a")]
    assert (await append(store, {"alice": ["c"]}))["alice"].first == 2


async def test_a_store_that_is_down_is_unavailable_and_comes_back(
    shared: PostgresPlace, postgres: PostgresServer
) -> None:
    store = await shared.open()
    database = shared.url.rpartition("/")[2]
    await postgres.execute(f"ALTER DATABASE {database} CONNECTION LIMIT 0")
    await postgres.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
    await cut(postgres, shared)
    with pytest.raises(StoreUnavailable):
        await append(store, {"alice": ["a"]})
    with pytest.raises(StoreUnavailable):
        await store.span("alice")
    with pytest.raises(StoreUnavailable):
        await shared.backends[0].probe()
    await postgres.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true CONNECTION LIMIT -1")
    await append(store, {"alice": ["a"]})
    await shared.backends[0].probe()


async def test_what_a_vanished_process_held_locked_is_free_again(shared: PostgresPlace) -> None:
    """A process that is stopped within a unit holds heads; the database ends its transaction after a while."""
    stuck = PostgresBackend(shared.url, PostgresOptions(connections=1, timeout=1.0))
    await stuck.open()
    other = await shared.beside()
    async with (await stuck.store("main")).begin((), ()) as unit:
        await unit.heads({"alice": Run(0, posts("a"))})
        await append(other, {"alice": ["b"]})
    await stuck.close()
    assert await texts(other, "alice") == [(1, "b")]


async def test_a_unit_ends_between_the_last_word_of_the_server_and_the_end_of_the_connection(
    shared: PostgresPlace, postgres: PostgresServer
) -> None:
    """Its roll-back is then refused by the client library; the connection is given up, and the next unit goes on."""
    async with proxy(postgres.port) as between:
        between.tells_ends = False
        backend = PostgresBackend(shared.url.replace(str(postgres.port), str(between.port)))
        store = await (await backend.open()).store("main")
        async with store.begin((), ()) as unit:
            await unit.heads({"alice": Run(0, posts("a"))})
            await cut(postgres, shared)
            await asyncio.sleep(0.1)  # for its last word to arrive
        assert (await append(store, {"alice": ["b"]}))["alice"].first == 1
        await backend.close()


async def test_a_device_that_was_forgotten_elsewhere_is_not_brought_back_by_a_late_note(shared: PostgresPlace) -> None:
    one, two = await shared.beside(), await shared.beside()
    await one.put_devices([("alice", "phone", Device(cursor=3, last_seen=1000))], durable=True)
    await two.put_devices([("alice", "phone", Device(forgotten=2000))], durable=True)
    await one.put_devices([("alice", "phone", Device(cursor=4, last_seen=1500))], durable=False)
    assert await one.devices("alice") == {"phone": Device(forgotten=2000)}
    assert await one.forgotten(["alice", "bob"], 1999) == [("alice", "phone", 2000)]
    assert await one.forgotten(["alice"], 2000) == []
    await one.put_devices([("alice", "phone", Device(cursor=4, last_seen=2500))], durable=False)
    assert await one.devices("alice") == {"phone": Device(cursor=4, last_seen=2500, forgotten=2000)}


# the schema


async def test_a_database_without_a_schema_is_refused_in_words_that_help(postgres: PostgresServer) -> None:
    backend = PostgresBackend(await postgres.database(migrated=False))
    with pytest.raises(StoreError, match=r"no Tideline schema.*tideline migrate"):
        await backend.open()
    await migrate(backend.url)
    await backend.open()
    await backend.close()


async def test_a_newer_or_older_schema_is_refused_in_words_that_help(postgres: PostgresServer) -> None:
    url = await postgres.database()
    database = url.rpartition("/")[2]
    await postgres.execute("UPDATE tideline.about SET value = '999' WHERE key = 'version'", database)
    with pytest.raises(StoreError, match="schema 999, newer than this version's"):
        await PostgresBackend(url).open()
    with pytest.raises(StoreError, match="newer"):
        await migrate(url)
    await postgres.execute("UPDATE tideline.about SET value = '-1' WHERE key = 'version'", database)
    with pytest.raises(StoreError, match=r"this version needs .*tideline migrate"):
        await PostgresBackend(url).open()


async def test_migrations_at_once_run_each_step_once(postgres: PostgresServer) -> None:
    url = await postgres.database(migrated=False)
    done = await asyncio.gather(*(migrate(url) for _ in range(4)))
    assert sorted(len(steps) for steps in done) == [0, 0, 0, len(schema.STEPS)]
    assert [step.version for step in schema.STEPS] == list(range(1, schema.VERSION + 1))


async def test_a_database_that_acknowledges_too_early_is_refused(postgres: PostgresServer) -> None:
    url = await postgres.database()
    await postgres.execute(f"ALTER DATABASE {url.rpartition('/')[2]} SET synchronous_commit = off")
    with pytest.raises(StoreError, match="synchronous_commit = off"):
        await PostgresBackend(url).open()


async def test_a_database_that_cannot_be_reached_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable):
        await PostgresBackend("postgresql://127.0.0.1:1/none", PostgresOptions(timeout=1)).open()


async def test_a_new_epoch_replaces_the_one_before(shared: PostgresPlace) -> None:
    before = (await shared.open()).epoch
    fresh = await shared.backends[0].new_epoch("main")
    assert fresh != before
    assert (await shared.reopen()).epoch == fresh
    with pytest.raises(StoreError, match="no app 'none'"):
        await shared.backends[0].new_epoch("none")
    assert await shared.backends[0].apps() == ["main"]


async def test_idempotency_keys_past_their_time_are_dropped_a_day_at_a_time(shared: PostgresPlace) -> None:
    await shared.open()
    day, now = 86_400_000, int(time.time() * 1000)

    async def partitions() -> set[int]:
        async with shared.backends[0].connection() as connection:
            rows = await connection.fetch("SELECT inhrelid::regclass::text AS n FROM pg_inherits")
        names = {row["n"].removeprefix("sends_") for row in rows if row["n"].startswith("sends_")}
        return {int(name) for name in names if name.isdigit()}

    async with shared.backends[0].connection() as connection:
        await connection.execute("SELECT turn_sends($1, $2)", now - 5 * day, 10 * day)
        assert await partitions() == {now // day + step for step in (-5, -4, 0, 1)}
        await connection.execute("SELECT turn_sends($1, $2)", now, 4 * day)
        assert await partitions() == {now // day + step for step in (-4, 0, 1)} or (now % day) == 0
        await connection.execute("SELECT turn_sends($1, $2)", now, 0)
        assert await partitions() == {now // day, now // day + 1}, "a day is the least that a key is kept"
