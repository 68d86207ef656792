"""The demo drawn live in a colour terminal: who knows whom, who leads, the plan, and every picture sharpening.

All is read from the tales at each frame; nothing is kept that could be stale. Never here: making anything happen.
"""

import time
from collections.abc import Mapping, Sequence

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.rule import Rule
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from peerd.api.desk import NodeView
from peerd.demo.cluster import alive
from peerd.demo.errands import Errand
from peerd.demo.report import Report, calls_so_far
from peerd.demo.stage import report_lines
from peerd.screen import draw
from peerd.screen.tale import describe
from peerd_protocol.ids import NodeId, RequestId
from peerd_protocol.notices import AnyNotice, Failed, WentAlone

FRAMES_PER_SECOND = 8
PICTURE_COLUMNS_MAX, PICTURE_COLUMNS_MIN = 32, 12
PANEL_EDGE_COLUMNS, PANEL_LINES = 4, 4
LINES_BESIDE_PICTURES = 18
"""Title, table of nodes, plan, handoff, the panels' own edges and lines, status, and the shell's prompt."""


class LiveStage:
    """One screen, redrawn eight times a second, that stays behind as the demo's last frame."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._act = ""
        self._note = ""
        self._began_s = time.monotonic()
        self._views: Sequence[NodeView] = ()
        self._names: Mapping[NodeId, str] = {}
        self._errands: Sequence[Errand] = ()
        self._alone: Sequence[Errand] = ()
        self._report: Report | None = None
        self._spinner = Spinner("dots", style=draw.LOCAL)
        self._live = Live(
            console=console, get_renderable=self._frame, refresh_per_second=FRAMES_PER_SECOND, screen=False
        )
        self._live.start()

    def act(self, title: str) -> None:
        self._act, self._note = title, ""

    def note(self, line: str) -> None:
        self._note = line

    def nodes(self, views: Sequence[NodeView]) -> None:
        self._views = views
        self._names = {view.id: view.name for view in views}

    def cast(self, errands: Sequence[Errand], names: Mapping[NodeId, str]) -> None:
        self._errands, self._names = errands, names

    def alone(self, errands: Sequence[Errand]) -> None:
        self._alone = errands

    def heard(self, errand: Errand, notice: AnyNotice) -> None:
        if isinstance(notice, WentAlone | Failed) and errand in self._errands:
            self._note = f"{errand.node.name}: {describe(notice, self._names)}"

    def report(self, report: Report) -> None:
        self._report = report

    def close(self) -> None:
        """Leave the last frame on the screen, and the story's end in words below it."""
        self._live.stop()
        if self._report is not None:
            ending = report_lines(self._report)
            width = max(len(word) for word, _ in ending)
            self._console.print()
            for word, told in ending:  # never wrapped by us: a path that is broken into lines can't be copied
                line = Text.assemble((word.rjust(width) + "  ", "dim"), told)
                line.highlight_regex(r"^ *denoiser calls  .*", f"bold {draw.SHARED}")
                self._console.print(line, soft_wrap=True)

    # ---- one frame -----------------------------------------------------------------------------------------

    def _frame(self) -> RenderableType:
        parts: list[RenderableType] = [Rule(Text("peerd demo", style="bold"), style=draw.QUIET), self._nodes(), ""]
        if self._errands:
            parts += [self._plan(), "", self._pictures(self._errands)]
        parts.append(self._status())
        return Group(*parts)

    def _nodes(self) -> RenderableType:
        table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
        for heading in ("node", "knows", "role", "listens at", "denoiser calls"):
            table.add_column(heading, no_wrap=True)
        calls = calls_so_far(self._errands, self._names)
        for view in self._views:
            table.add_row(
                Text(view.name, style="bold"),
                _acquaintance(view, self._views),
                _role(view),
                Text(view.endpoints[0] if view.endpoints else "", style="dim"),
                _calls(*calls.get(view.name, (0, 0))),
            )
        return table

    def _plan(self) -> RenderableType:
        lines = Table.grid(padding=(0, 2))
        lines.add_column(style="dim")
        lines.add_column(overflow="ellipsis", no_wrap=True)
        shown: set[frozenset[RequestId | None]] = set()
        for errand in self._errands:
            plan = errand.tale.plan
            group = frozenset({errand.tale.request, *(plan.shared_with if plan else ())})
            if plan is None or group in shown:
                continue
            shown.add(group)
            lines.add_row("plan" if len(shown) == 1 else "", _plan_line(errand, self._names))
        handed = [errand for errand in self._errands if errand.tale.crossed is not None]
        if handed:
            total = sum(errand.tale.crossed.size for errand in handed if errand.tale.crossed)
            names = ", ".join(errand.node.name for errand in handed)
            lines.add_row("handoff", f"{total:,} bytes, encrypted, to {names}")
        return lines

    def _pictures(self, errands: Sequence[Errand]) -> RenderableType:
        columns = picture_columns(len(errands), *self._console.size)
        return Columns([self._panel(errand, columns) for errand in errands], padding=(0, 0))

    def _panel(self, errand: Errand, columns: int) -> Panel:
        tale = errand.tale
        finished = tale.finished
        if finished is not None:
            seen = draw.picture_file(finished.path, columns)
        elif tale.preview:
            seen = draw.picture(tale.preview, tale.preview_side, tale.preview_side, columns)
        else:
            seen = draw.empty_picture(columns, errand.node.name)
        bar = draw.step_bar(tale.step, tale.shared_steps, tale.total, columns)
        alone = next((other.tale for other in self._alone if other.wish.prompt == errand.wish.prompt), None)
        edge = "green" if finished is not None else (draw.SHARED if tale.in_shared_part else draw.QUIET)
        return Panel(
            Group(seen, bar, _panel_line(errand, alone.step if alone and not alone.finished else None)),
            title=Text(errand.wish.prompt, style="bold bright_white" if finished is None else "bold green"),
            border_style=edge,
            width=columns + PANEL_EDGE_COLUMNS,
        )

    def _status(self) -> RenderableType:
        seconds = Text(f"{time.monotonic() - self._began_s:5.1f} s  ", style="dim")
        line = Text.assemble(seconds, (self._act, "bold"), ("   " + self._note if self._note else "", "dim"))
        if self._report is not None:
            return line
        self._spinner.update(text=line)
        return self._spinner


def picture_columns(pictures: int, width: int, height: int) -> int:
    """The widest pictures that all fit on the screen, over every way to break them into rows."""
    best = PICTURE_COLUMNS_MIN
    for across in range(1, pictures + 1):
        rows = -(-pictures // across)
        lines = (height - LINES_BESIDE_PICTURES - (rows - 1) * PANEL_LINES) // rows
        best = max(best, min(width // across - PANEL_EDGE_COLUMNS, 2 * lines))
    return min(best, PICTURE_COLUMNS_MAX)


def _acquaintance(view: NodeView, views: Sequence[NodeView]) -> Text:
    """A dot for each node: filled once this one sees it alive."""
    seen = alive(view)
    text = Text()
    for other in views:
        text.append("● " if other.id in seen else "○ ", style="green" if other.id in seen else draw.QUIET)
    return text


def _role(view: NodeView) -> Text:
    if view.leader == view.id:
        return Text(f"★ leads term {view.term}", style="yellow")
    if view.leader is None:
        return Text("looks for a leader", style="dim")
    return Text(f"follows {view.leader_name}")


def _calls(shared: int, local: int) -> Text:
    text = Text()
    if shared:
        text.append(f"{shared} shared", style=draw.SHARED)
    if shared and local:
        text.append(" + ")
    if local:
        text.append(f"{local} own", style=draw.LOCAL)
    return text


def _plan_line(errand: Errand, names: Mapping[NodeId, str]) -> Text:
    plan = errand.tale.plan
    assert plan is not None
    forecast = plan.forecast
    if not plan.shared_steps:
        return Text(f"{errand.wish.prompt}: nothing to share" + (f" ({plan.reason})" if plan.reason else ""))
    return Text.assemble(
        (names.get(plan.executor, plan.executor), "bold"),
        f" runs {plan.shared_steps} steps once for {len(plan.shared_with) + 1}: ",
        (f"{forecast.denoiser_calls} denoiser calls, not {forecast.denoiser_calls_alone}", draw.SHARED),
        f", about {forecast.seconds:.1f} s",
        (f"  ({plan.reason})" if plan.reason else "", "dim"),
    )


def _panel_line(errand: Errand, alone_step: int | None) -> Text:
    tale = errand.tale
    if alone_step is not None:
        told, style = f"alone {alone_step}/{tale.total}", "dim"
    elif tale.finished is not None:
        told, style = f"✓ {tale.finished.seconds:.1f} s", "green"
    elif tale.plan is None or not tale.total:
        told, style = "asks" if tale.plan is None else "waits", "dim"
    elif tale.in_shared_part:
        told, style = f"shared {tale.step}/{tale.total}", draw.SHARED
    else:
        told, style = f"own {tale.step}/{tale.total}", draw.LOCAL
    return Text.assemble((errand.node.name, "bold"), " ", (told, style), no_wrap=True, overflow="ellipsis")
