"""Small line charts as SVG by hand, so that no drawing library is needed; readable in light and dark.

Data in, text out. Never here: what is drawn, or files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

Point = tuple[float, float, float, float]
"""x, y, and the ends of the interval of y."""

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 300, 210, 46, 12, 30, 40
LEGEND_ROW, LEGEND_COLUMN = 18, 290
INKS = ("#2f7fd8", "#d9622b", "#2a9d6f", "#a259c4")
"""Told apart on white and on near-black, and by most colour-blind eyes."""

STYLE = """text{font:11px system-ui,sans-serif;fill:#24292f}.title{font-weight:600;font-size:12px}
.grid{stroke:#8b949e;stroke-opacity:.3}.axis{stroke:#8b949e}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}}"""


@dataclass(frozen=True, slots=True)
class Line:
    """One series; `ink` numbers its colour, the same name keeps the same ink in every panel."""

    name: str
    points: tuple[Point, ...]
    ink: int
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart: y runs from 0 to `top`."""

    title: str
    x_label: str
    lines: tuple[Line, ...]
    ticks: tuple[float, ...]
    top: float = 1.0
    percent: bool = True


def chart(rows: Sequence[Sequence[Panel]], caption: str) -> str:
    """Panels in rows, with one legend under all of them."""
    legend = list({line.name: line for row in rows for panel in row for line in panel.lines}.values())
    columns = max(map(len, rows))
    each = max(1, columns * WIDTH // LEGEND_COLUMN)
    height = len(rows) * HEIGHT + (len(legend) + each - 1) // each * LEGEND_ROW + 12
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {columns * WIDTH} {height}" '
        f'width="{columns * WIDTH}" height="{height}" role="img"><title>{escape(caption)}</title>'
        f"<style>{STYLE}</style>"
    ]
    for i, row in enumerate(rows):
        for j, panel in enumerate(row):
            parts += [f'<g transform="translate({j * WIDTH} {i * HEIGHT})">', *_panel(panel), "</g>"]
    for i, line in enumerate(legend):
        x, y = LEFT + i % each * LEGEND_COLUMN, len(rows) * HEIGHT + 10 + i // each * LEGEND_ROW
        parts.append(_stroke(f"M{x} {y}h22", line) + f'<text x="{x + 28}" y="{y + 4}">{escape(line.name)}</text>')
    return "\n".join([*parts, "</svg>\n"])


def _panel(panel: Panel) -> list[str]:
    low, high = panel.ticks[0], panel.ticks[-1]
    wide, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x_of(x: float) -> float:
        return LEFT + (x - low) / (high - low) * wide

    def y_of(y: float) -> float:
        return TOP + (1 - min(max(y / panel.top, 0.0), 1.0)) * tall

    parts = [f'<text class="title" x="{LEFT}" y="18">{escape(panel.title)}</text>']
    for i in range(5):
        value = panel.top * i / 4
        said = f"{value:.0%}" if panel.percent else f"{value:.2g}"
        parts.append(f'<path class="grid" d="M{LEFT} {y_of(value):.1f}h{wide}"/>'
                     f'<text x="{LEFT - 5}" y="{y_of(value) + 4:.1f}" text-anchor="end">{said}</text>')  # fmt: skip
    for tick in panel.ticks:
        x, y = f"{x_of(tick):.1f}", TOP + tall
        parts.append(f'<path class="axis" d="M{x} {y}v4"/>')
        parts.append(f'<text x="{x}" y="{y + 16}" text-anchor="middle">{tick:g}</text>')
    parts.append(f'<text x="{LEFT + wide / 2}" y="{HEIGHT - 9}" text-anchor="middle">{escape(panel.x_label)}</text>')
    for line in panel.lines:
        places = [(x_of(x), y_of(y), y_of(below), y_of(above)) for x, y, below, above in line.points]
        parts.append(_stroke("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y, _, _ in places), line))
        ends = "".join(f"M{x:.1f} {below:.1f}V{above:.1f}" for x, _, below, above in places)
        parts.append(
            f'<path d="{ends}" stroke="{INKS[line.ink]}" stroke-opacity=".55" stroke-width="1.2" fill="none"/>'
        )
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.4" fill="{INKS[line.ink]}"/>' for x, y, _, _ in places]
    return parts


def _stroke(path: str, line: Line) -> str:
    dash = ' stroke-dasharray="5 3"' if line.dashed else ""
    return f'<path d="{path}" stroke="{INKS[line.ink]}" stroke-width="1.8" fill="none"{dash}/>'
