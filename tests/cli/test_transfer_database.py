"""``tideline import`` and ``tideline export`` with a database: the same as with a folder."""

from pathlib import Path

from tests.harness.command import tideline
from tests.harness.postgres import PostgresServer


async def test_a_log_moves_from_a_folder_to_a_database_and_back_unchanged(
    postgres: PostgresServer, imported: Path, log: Path, tmp_path: Path
) -> None:
    url = await postgres.database()
    file = tmp_path / "all.jsonl"
    assert tideline("export", "--data", imported, "--output", file).status == 0
    done = tideline("import", file, "--store", url)
    assert done.status == 0, done
    assert done.out.startswith("320 messages of 1 conversations imported;")
    assert tideline("check", "--store", url).status == 0
    again = tideline("export", TIDELINE_STORE=url)
    assert again.out == file.read_text()
    assert "0 entries in timelines" in tideline("import", log, "--store", url).out
    assert "no app shop in the database" in tideline("export", "--app", "shop", "--store", url).error
