"""The report: one HTML page that needs nothing from elsewhere, and the charts as files."""

from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from .chart import Style, draw
from .figures import FIGURES, Table
from .questions import AXES, QUESTIONS, plotted
from .results import Results

STYLES = {
    "polling": Style("polling", "#a6acb5", "diamond"),
    "traditional": Style("traditional", "#d55e00", "square"),
    "hint": Style("hint", "#2f7fd1", "triangle"),
    "numbered": Style("numbered", "#009e73", "circle"),
}

_WHAT = {
    "polling": ("pull by polling", "The baseline: every device asks every second."),
    "traditional": ("an inbox per device", "Push, acknowledge, delete; what an inbox holds is given at login."),
    "hint": ("push a hint, pull the message", "A timeline per user; a device is told that there is something."),
    "numbered": ("numbered pushes", "A timeline per user; the message is pushed with its number."),
}

_COLUMNS = (
    "frames_down",
    "frames_up",
    "bytes_down",
    "bytes_up",
    "requests",
    "p50",
    "p99",
    "puts",
    "deletes",
    "put_bytes",
    "reads",
    "stored_end",
    "cpu",
    "lost",
    "doubled",
    "out_of_order",
    "seen",
)
_WRONG = frozenset({"lost", "doubled", "out_of_order"})


def page(results: Results) -> str:
    """Return the report as one HTML page."""
    machine = results.machine
    taken = (
        f"Taken {results.taken} with Tideline {results.tideline}, {machine.system}, {machine.cores} cores, "
        f"Python {machine.python}. Real chat: {results.chat}."
    )
    quick = "<p><b>A quick run: few messages, only the extremes. Its figures show the shape, no more.</b></p>"
    text = files(__package__).joinpath("page.html").read_text(encoding="utf-8")
    return Template(text).substitute(
        taken=escape(taken),
        quick=quick if results.quick else "",
        models="".join(
            f'<div style="border-color:{style.colour}"><b>{name}: {_WHAT[name][0]}</b>{_WHAT[name][1]}</div>'
            for name, style in STYLES.items()
        ),
        questions="\n".join(_question(results, place) for place in range(len(QUESTIONS))),
        head="<th>scenario<th>value<th>model"
        + "".join(f"<th>{escape(FIGURES[name].title)}<span>{escape(FIGURES[name].unit)}</span>" for name in _COLUMNS),
        rows="\n".join(_rows(results)),
    )


def save_plots(results: Results, folder: Path) -> list[Path]:
    """Write every chart as an SVG file of its own; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    charts = {
        chart.name: chart
        for question in QUESTIONS
        for plot in question.plots
        if (chart := plotted(plot, results)) is not None
    }
    written = []
    for name, chart in charts.items():
        written.append(folder / f"{name}.svg")
        written[-1].write_text(draw(chart, STYLES, alone=True) + "\n", encoding="utf-8")
    return written


def _question(results: Results, place: int) -> str:
    question = QUESTIONS[place]
    table = Table(results, question.scenario)
    if not table:
        hint = f"tideline lab run --scenario {question.scenario}"
        return f'<h2>{escape(question.title)}</h2><p class="soft">Not run: <code>{hint}</code>.</p>'
    said = "".join(f"<li>{escape(sentence)}" for sentence in question.answer(table))
    charts = [chart for plot in question.plots if (chart := plotted(plot, results)) is not None]
    drawn = "".join(f"<figure>{draw(chart, STYLES)}</figure>" for chart in charts)
    return f'<h2>{escape(question.title)}</h2><ul>{said}</ul><div class="plots">{drawn}</div>'


def _rows(results: Results) -> list[str]:
    rows = []
    before = None
    for run in results.runs:
        cells = [f"<td>{escape(run.scenario)}", f"<td>{escape(AXES[run.axis])}: {run.x:g}", f"<td>{run.model}"]
        for name in _COLUMNS:
            value = FIGURES[name].of(run)
            bad = ' class="bad"' if name in _WRONG and value else ""
            cells.append(f"<td{bad}>{_cell(value)}")
        first = ' class="first"' if before != (run.scenario, run.x) else ""
        before = (run.scenario, run.x)
        rows.append(f"<tr{first}>{''.join(cells)}")
    return rows


def _cell(value: float | None) -> str:
    if value is None:
        return "–"
    if value == 0 or abs(value) >= 100 or float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"
