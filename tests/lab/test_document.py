"""The page about the models says what its results say."""

import re
from pathlib import Path

from tideline_lab.figures import Table
from tideline_lab.report import save_plots
from tideline_lab.results import load

TOPICS = Path(__file__).parents[2] / "docs" / "topics"
FIGURES = TOPICS / "sync-models"
PAGE = (TOPICS / "sync-models.md").read_text()


def test_its_charts_are_drawn_from_its_results(tmp_path: Path) -> None:
    drawn = {file.name: file.read_text() for file in save_plots(load(FIGURES / "results.json"), tmp_path)}
    kept = {file.name: file.read_text() for file in FIGURES.glob("*.svg")}
    assert kept
    assert kept == {name: drawn.get(name) for name in kept}
    assert set(re.findall(r"sync-models/([a-z0-9-]+\.svg)\)", PAGE)) == kept.keys()


def row(begin: str, section: str) -> list[str]:
    """Return the cells of a table's row."""
    text = PAGE.split(f"## {section}\n", 1)[1]
    line = next(line for line in text.splitlines() if line.startswith(f"| {begin} |"))
    return [cell.strip() for cell in line.strip("|").split("|")[1:]]


def test_its_tables_hold_the_figures_of_its_results() -> None:
    results = load(FIGURES / "results.json")
    devices, rtt, loss, chat = (Table(results, name) for name in ("devices", "rtt", "loss", "chat"))
    models = ("polling", "traditional", "hint", "numbered")

    def figures(table: Table, name: str, x: float) -> list[float]:
        return [table.figure(name, model, x) or 0 for model in models]

    costs = "What each costs"
    for begin, name in (("frames to the device", "frames_down"), ("frames from the device", "frames_up")):
        assert row(begin, costs) == [f"{value:.1f}".removesuffix(".0") for value in figures(devices, name, 2)]
    assert row("bytes written per message", costs) == [f"{value:.0f}" for value in figures(devices, "put_bytes", 2)]
    applied = row("from send to applied at 100 ms round-trip time (median)", costs)
    assert applied == [f"{value:.0f} ms" for value in figures(rtt, "p50", 100)]
    for x in (0, 0.05, 0.2, 0.5):
        told = [
            f"{loss.figure(name, model, x):,.0f} ms"
            for model in ("hint", "numbered", "traditional")
            for name in ("p50", "p99")
        ]
        assert row(f"{x * 100:g} %", "Claims, confirmed or corrected") == told
    real = "With real chat"
    assert row("from send to applied, p50", real) == [f"{value:,.0f} ms" for value in figures(chat, "p50", 50)]
    assert row("p99", real) == [f"{value:,.0f} ms" for value in figures(chat, "p99", 50)]
    assert row("records written and deleted per message", real) == [f"{v:.1f}" for v in figures(chat, "writes", 50)]
