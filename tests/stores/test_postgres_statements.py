"""Every statement touches data of the users or of the conversations that it names: so it can be distributed."""

import re

import asyncpg
import pytest

from tests.harness.postgres import PostgresServer
from tideline.stores.postgres.backend import SESSION
from tideline.stores.postgres.statements import STATEMENTS

BESIDE = {"about", "apps"}
"""Tables with a row per app or less: every shard may have a copy."""

KEYS_OF_TABLES = """
    SELECT c.relname, array_agg(a.attname::text ORDER BY k.place) AS key
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indrelid
    CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k (number, place)
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
    WHERE c.relnamespace = 'tideline'::regnamespace AND i.indisunique
    GROUP BY c.relname, i.indexrelid
"""


async def keys_of_tables(postgres: PostgresServer) -> tuple[str, dict[str, str]]:
    url = await postgres.database()
    rows = await postgres.execute(KEYS_OF_TABLES, url.rpartition("/")[2])
    return url, {row["relname"]: row["key"][0] for row in rows if row["relname"] not in BESIDE}


async def test_every_tables_key_begins_with_whom_it_belongs_to(postgres: PostgresServer) -> None:
    _, keys = await keys_of_tables(postgres)
    assert set(keys.values()) == {"owner", "room"}
    assert {"heads", "entries", "memberships", "devices"} == {name for name, key in keys.items() if key == "owner"}
    assert {"messages", "rooms", "members", "former_members", "sends"} <= keys.keys()


async def test_there_is_no_other_unique_index_and_no_foreign_key(postgres: PostgresServer) -> None:
    url, _ = await keys_of_tables(postgres)
    database = url.rpartition("/")[2]
    tables = await postgres.execute(KEYS_OF_TABLES, database)
    assert len({row["relname"] for row in tables}) == len(tables)
    assert not await postgres.execute(
        "SELECT 1 FROM pg_constraint WHERE contype IN ('f', 'u') AND connamespace = 'tideline'::regnamespace",
        database,
    )


@pytest.mark.parametrize("name", STATEMENTS)
async def test_a_statement_names_the_key_of_every_table_in_it(name: str, postgres: PostgresServer) -> None:
    text = STATEMENTS[name]
    url, keys = await keys_of_tables(postgres)
    inserted = re.match(r"(?:--.*\n)*INSERT INTO (\w+)(?: AS \w+)? \((\w+)", text)
    touched = {table for table in keys if re.search(rf"\b(?:FROM|JOIN|INTO|UPDATE)\s+{table}\b", text)}
    assert touched
    assert len({keys[table] for table in touched}) == 1, "users' and conversations' data in one statement"
    if inserted:
        assert inserted[2] == keys[inserted[1]]
        touched.discard(inserted[1])
        conflict = re.search(r"ON CONFLICT \((\w+)", text)
        assert conflict is None or conflict[1] == keys[inserted[1]]
    connection = await asyncpg.connect(url, server_settings={**SESSION, "enable_bitmapscan": "off"})
    try:
        await connection.execute(f"PREPARE statement AS {text}")
        count = max(map(int, re.findall(r"\$(\d+)", text)))
        rows = await connection.fetch(f"EXPLAIN EXECUTE statement ({', '.join(['NULL'] * count)})")
    finally:
        await connection.close()
    plan = "\n".join(row[0] for row in rows)
    scans = re.findall(r"(?:Seq|Index|Index Only) Scan(?: Backward)?(?: using \w+)? on (\w+)", plan)
    found = {re.sub(r"_(other|\d+)$", "", scan) for scan in scans}
    assert found == touched, plan
    for table in touched:
        condition = rf"Scan[^\n]* (?:on|using) {table}\w*[^\n]*\n\s+Index Cond: \((?:\()?{keys[table]} (?:=|>) "
        assert re.search(condition, plan), plan
