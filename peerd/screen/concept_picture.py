"""The graph of a few prompts as a picture (SVG): prompts at the left, what they are kinds of at the right.

Nodes are boxes in the colour of their kind with dark letters, lines a middle grey, the ground is left open, so it reads
on white and on black. What two prompts share has a heavy frame. Never here: what is in the graph (`concepts`).
"""

import unicodedata
from html import escape

import networkx

from peerd.planning.concepts import Node

COLOURS = {
    "prompt": "#c9d6ea",
    "concept": "#ffd59a",
    "hypernym": "#ffeccb",
    "attribute": "#f3c6d9",
    "relation": "#bfe3d4",
    "place": "#a8d5a2",
    "style": "#d9c8f0",
}
INK, LINE, SHARED = "#1c2430", "#808890", "#c2410c"
LETTER, ROW, COLUMN_GAP, MARGIN = 7.4, 46, 64, 16
HEIGHT, TEXT_MAX = 30, 44
SWEEPS = 4
"""Passes that order each column by where its neighbours stand; more change nothing in graphs this small."""


def draw(graph: networkx.DiGraph) -> str:
    """The SVG's text. Deterministic: the same graph gives the same picture."""
    columns = _columns(graph)
    lefts, widths, left = [], [], float(MARGIN)
    for column in columns:
        widths.append(max(_width(_text(graph, node)) for node in column))
        lefts.append(left)
        left += widths[-1] + COLUMN_GAP
    rows = _rows(graph, columns)
    spots = {
        node: (lefts[at], MARGIN + rows[node] * ROW, widths[at]) for at, column in enumerate(columns) for node in column
    }
    legend_top = max(top for _, top, _ in spots.values()) + ROW + 12
    kinds = [kind for kind in COLOURS if any(node[0] == kind for node in graph)]
    width = max(left - COLUMN_GAP + MARGIN, MARGIN + sum(_width(kind) + 10 for kind in kinds) + MARGIN)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {legend_top + HEIGHT + MARGIN:.0f}"'
        f' width="{width:.0f}" font-family="system-ui, sans-serif" font-size="13">',
        *(_edge(spots[start], spots[end], data) for start, end, data in sorted(graph.edges(data=True), key=str)),
        *(_box(spots[node], node[0], _text(graph, node), graph.nodes[node]["prompts"]) for node in sorted(graph)),
        *_legend(kinds, legend_top),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _columns(graph: networkx.DiGraph) -> list[list[Node]]:
    """Nodes by their longest way from a prompt."""
    level: dict[Node, int] = {}
    for node in networkx.lexicographical_topological_sort(graph, key=str):
        level[node] = max((level[before] + 1 for before in graph.predecessors(node)), default=0)
    return [sorted(node for node in level if level[node] == at) for at in range(max(level.values()) + 1)]


def _rows(graph: networkx.DiGraph, columns: list[list[Node]]) -> dict[Node, float]:
    """A row for every node: each column in the order of its neighbours' middle, and centred."""
    row: dict[Node, float] = {node: float(at) for column in columns for at, node in enumerate(column)}
    for sweep in range(SWEEPS):
        for column in columns[1:] if sweep % 2 == 0 else columns[-2::-1]:
            beside = graph.predecessors if sweep % 2 == 0 else graph.successors
            wish = {node: _middle([row[other] for other in beside(node)], row[node]) for node in column}
            for at, node in enumerate(sorted(column, key=lambda node: (wish[node], node))):
                row[node] = float(at)
    most = max(len(column) for column in columns)
    for column in columns:
        spread = most / len(column)
        for node in column:
            row[node] = (row[node] + 0.5) * spread - 0.5
    return row


def _middle(rows: list[float], otherwise: float) -> float:
    return sum(rows) / len(rows) if rows else otherwise


def _text(graph: networkx.DiGraph, node: Node) -> str:
    # XML has neither of these, not even escaped.
    text = "".join(
        " " if unicodedata.category(sign) == "Cc" or sign in "\ufffe\uffff" else sign
        for sign in str(graph.nodes[node]["label"])
    )
    return text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 1] + "…"


def _width(text: str) -> float:
    wide = sum(unicodedata.east_asian_width(sign) in "WF" for sign in text)
    return (len(text) + wide) * LETTER + 22


def _edge(start: tuple[float, float, float], end: tuple[float, float, float], data: dict[str, object]) -> str:
    x, y, width = start
    x1, y1, x2, y2 = x + width, y + HEIGHT / 2, end[0], end[1] + HEIGHT / 2
    bend = (x2 - x1) / 2
    heavy = 2.4 if data["prompts"] != 1 else 1.2
    return (
        f'<path d="M{x1:.1f},{y1:.1f} C{x1 + bend:.1f},{y1:.1f} {x2 - bend:.1f},{y2:.1f} {x2:.1f},{y2:.1f}"'
        f' fill="none" stroke="{LINE}" stroke-width="{heavy}"><title>{escape(str(data["how"]))}</title></path>'
    )


def _box(spot: tuple[float, float, float], kind: str, text: str, prompts: int) -> str:
    x, y, width = spot
    frame = f' stroke="{SHARED}" stroke-width="2.4"' if prompts > 1 else f' stroke="{LINE}" stroke-width="1"'
    return (
        f'<g><title>{escape(kind)}</title><rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{HEIGHT}" rx="9"'
        f' fill="{COLOURS[kind]}"{frame}/><text x="{x + width / 2:.1f}" y="{y + 20:.1f}" text-anchor="middle"'
        f' fill="{INK}">{escape(text)}</text></g>'
    )


def _legend(kinds: list[str], top: float) -> list[str]:
    parts, left = [], float(MARGIN)
    for kind in kinds:
        parts.append(_box((left, top, _width(kind)), kind, kind, 1))
        left += _width(kind) + 10
    return parts
