"""Line charts as SVG: text, axes and one line a model, to be put into a page or kept as a file."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 520, 300
LEFT, RIGHT, TOP, BOTTOM = 58, 24, 52, 44


class Style(NamedTuple):
    """How a line looks; the colours are told apart by people who see few of them, and the markers by everyone."""

    label: str
    colour: str
    marker: str


class Chart(NamedTuple):
    """What a chart shows."""

    name: str
    title: str
    x_label: str
    y_label: str
    series: dict[str, list[tuple[float, float]]]
    x_log: bool = False
    y_log: bool = False


def draw(chart: Chart, styles: dict[str, Style], *, alone: bool = False) -> str:
    """Return a chart as SVG; ``alone``: as a file of its own, with a background and a colour for its text."""
    points = [point for line in chart.series.values() for point in line]
    x = _Axis([point[0] for point in points], LEFT, WIDTH - RIGHT, log=chart.x_log, zero=False)
    y = _Axis([point[1] for point in points], HEIGHT - BOTTOM, TOP, log=chart.y_log, zero=True)
    parts = [_frame(chart, x, y)]
    legend = float(LEFT)
    for place, (name, line) in enumerate(chart.series.items()):
        style = styles[name]
        path = " ".join(f"{x.at(a):.1f},{y.at(b):.1f}" for a, b in line)
        # Lines that lie on each other stay visible: each is narrower than the one below it.
        width = 2 + 1.5 * (len(chart.series) - 1 - place)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{style.colour}" stroke-width="{width}"/>')
        for a, b in line:
            told = escape(f"{style.label}: {_short(b)} at {_short(a)}")
            parts.append(_marker(style, x.at(a), y.at(b), told))
        parts.append(_marker(style, legend + 5, 34, ""))
        parts.append(f'<text x="{legend + 15}" y="38">{escape(style.label)}</text>')
        legend += 30 + 6.6 * len(style.label)
    title = escape(chart.title)
    namespace = ' xmlns="http://www.w3.org/2000/svg"' if alone else ""
    look = ' style="background:#fff;color:#222"' if alone else ""
    return (
        f'<svg{namespace} viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}" '
        f'font-family="system-ui, sans-serif" font-size="12" fill="currentColor"{look}>{"".join(parts)}</svg>'
    )


class _Axis:
    """Numbers to places, and the ticks."""

    def __init__(self, values: Sequence[float], start: float, end: float, *, log: bool, zero: bool) -> None:
        low, high = (min(values), max(values)) if values else (0.0, 1.0)
        self.log = log and high > 0
        self.scale: Callable[[float], float] = (lambda value: math.log10(max(value, self.floor))) if self.log else float
        if self.log:
            positive = [value for value in values if value > 0]
            self.floor = min(positive)
            if zero:
                self.floor = 10 ** math.floor(math.log10(self.floor))
                high = 10 ** math.ceil(math.log10(high) + 1e-9)
            self.ticks = _decades(self.floor, high) if zero else sorted(set(positive))
            low = self.floor
        else:
            self.floor = 0.0
            low = min(0.0, low) if zero else low
            self.ticks = _round_ticks(low, high) if zero else sorted(set(values))
            high = max(high, self.ticks[-1]) if self.ticks else high
        self._low, self._high = self.scale(low), self.scale(high)
        self._start, self._end = start, end

    def at(self, value: float) -> float:
        """Return the place of a number."""
        if self._high == self._low:
            return (self._start + self._end) / 2
        share = (self.scale(value) - self._low) / (self._high - self._low)
        return self._start + share * (self._end - self._start)


def _decades(low: float, high: float) -> list[float]:
    return [10.0**power for power in range(round(math.log10(low)), round(math.log10(high)) + 1)]


def _round_ticks(low: float, high: float) -> list[float]:
    span = (high - low) or 1.0
    step = 10 ** math.floor(math.log10(span / 4))
    step *= next(factor for factor in (1, 2, 2.5, 5, 10) if span / (step * factor) <= 5)
    return [step * place for place in range(math.floor(low / step), math.ceil(high / step - 1e-9) + 1)]


def _frame(chart: Chart, x: _Axis, y: _Axis) -> str:
    parts = [f'<text x="{LEFT - 46}" y="16" font-weight="600" font-size="13">{escape(chart.title)}</text>']
    for tick in y.ticks:
        place = y.at(tick)
        parts.append(f'<path d="M{LEFT} {place:.1f}H{WIDTH - RIGHT}" stroke="currentColor" opacity=".15"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{place + 4:.1f}" text-anchor="end">{_short(tick)}</text>')
    last = -math.inf
    for tick in x.ticks:
        place = x.at(tick)
        parts.append(f'<path d="M{place:.1f} {HEIGHT - BOTTOM}v4" stroke="currentColor" opacity=".6"/>')
        if place - last > 26:
            parts.append(f'<text x="{place:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{_short(tick)}</text>')
            last = place
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle" opacity=".75">{escape(chart.x_label)}</text>'
    )
    parts.append(
        f'<text transform="translate(12 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle" '
        f'opacity=".75">{escape(chart.y_label)}</text>'
    )
    parts.append(f'<path d="M{LEFT} {HEIGHT - BOTTOM}H{WIDTH - RIGHT}" stroke="currentColor" opacity=".6"/>')
    return "".join(parts)


def _marker(style: Style, x: float, y: float, told: str) -> str:
    shapes = {
        "circle": f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4"',
        "square": f'<path d="M{x - 3.6:.1f} {y - 3.6:.1f}h7.2v7.2h-7.2z"',
        "diamond": f'<path d="M{x:.1f} {y - 5:.1f}l5 5l-5 5l-5 -5z"',
        "triangle": f'<path d="M{x:.1f} {y - 5:.1f}l4.8 8.6h-9.6z"',
    }
    return f'{shapes[style.marker]} fill="{style.colour}"><title>{told}</title>{_closing(style.marker)}'


def _closing(marker: str) -> str:
    return "</circle>" if marker == "circle" else "</path>"


def _short(value: float) -> str:
    """Write a number in few characters."""
    if value == 0:
        return "0"
    if abs(value) >= 1_000_000:
        return f"{value / 1_000_000:.3g} M"
    if abs(value) >= 10_000:
        return f"{value / 1000:.3g} k"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
