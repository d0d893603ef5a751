"""The capacity model's document says what its script says."""

import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_tables_of_the_document_are_those_of_the_script() -> None:
    said = subprocess.run([sys.executable, DOCS / "capacity.py"], capture_output=True, text=True, check=True).stdout
    document = (DOCS / "capacity.md").read_text()
    tables = said.strip().split("\n\n")
    assert len(tables) == 5
    for table in tables:
        assert table in document
