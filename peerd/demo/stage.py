"""What a demo shows of itself, and the plain way to show it: one line for each thing that happens.

The drawn way is in `live.py`. Never here: making anything happen.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from rich.console import Console

from peerd.api.desk import NodeView
from peerd.demo.cluster import alive
from peerd.demo.errands import Errand
from peerd.demo.report import Cut, Report
from peerd.screen.tale import describe
from peerd_protocol.ids import NodeId
from peerd_protocol.notices import AnyNotice, LocalStep, SharedStep


class Stage(Protocol):
    """Everything a demo tells. `act` begins a part; the others fill it."""

    def act(self, title: str) -> None: ...
    def note(self, line: str) -> None: ...
    def nodes(self, views: Sequence[NodeView]) -> None: ...
    def cast(self, errands: Sequence[Errand], names: Mapping[NodeId, str]) -> None: ...
    def alone(self, errands: Sequence[Errand]) -> None: ...
    def heard(self, errand: Errand, notice: AnyNotice) -> None: ...
    def report(self, report: Report) -> None: ...
    def close(self) -> None: ...


class PlainStage:
    """Lines for logs and for terminals without colour. `answer` takes the report's lines, `log` all others."""

    def __init__(self, log: Console, answer: Console | None) -> None:
        self._log = log
        self._answer = answer
        self._names: Mapping[NodeId, str] = {}
        self._seen = ""

    def act(self, title: str) -> None:
        self._say(title)

    def note(self, line: str) -> None:
        self._say(f"  {line}")

    def nodes(self, views: Sequence[NodeView]) -> None:
        seen = ", ".join(
            f"{view.name} sees {len(alive(view)) - 1}" + (f" and follows {view.leader_name}" if view.leader else "")
            for view in views
        )
        if seen != self._seen:
            self._say(f"  {seen}")
            self._seen = seen

    def cast(self, errands: Sequence[Errand], names: Mapping[NodeId, str]) -> None:
        self._names = names
        for errand in errands:
            self._say(f"  {errand.wish.prompt!r} asked at {errand.node.name}")

    def alone(self, errands: Sequence[Errand]) -> None:
        pass

    def heard(self, errand: Errand, notice: AnyNotice) -> None:
        if not isinstance(notice, SharedStep | LocalStep):
            self._say(f"  {errand.node.name}: {describe(notice, self._names)}")

    def report(self, report: Report) -> None:
        if self._answer is not None:
            for word, told in report_lines(report):
                self._answer.print(f"{word}: {told}", soft_wrap=True, markup=False)

    def close(self) -> None:
        pass

    def _say(self, line: str) -> None:
        self._log.print(line, soft_wrap=True, markup=False)


def report_lines(report: Report) -> list[tuple[str, str]]:
    """The end of the story, as a word and what is to be said of it; both stages close with it."""
    lines = [(picture.prompt, str(picture.path)) for picture in report.pictures]
    lines.append(("alone beside shared", str(report.sheet)))
    for band in report.groups:
        if band.shared_steps:
            told = f"{band.executor} ran {band.shared_steps} steps once for {', '.join(band.prompts)}"
        else:
            told = f"nothing, for {', '.join(band.prompts)}"
        lines.append(("shared", told))
    lines.append(("handed over", f"{report.handoff_bytes:,} bytes of checkpoints, encrypted"))
    lines.append(("denoiser calls", f"{report.calls}, not {report.denoiser_calls_alone}"))
    lines.append(
        (
            "seconds",
            f"{report.seconds:.1f} together (predicted {report.seconds_predicted:.1f}),"
            f" {report.seconds_alone:.1f} alone (predicted {report.seconds_predicted_alone:.1f})",
        )
    )
    if report.cut is not None:
        lines += _cut_lines(report.cut)
    same = [picture.prompt for picture in report.pictures if picture.same_as_alone]
    if same:
        lines.append(("bit for bit as alone", ", ".join(same)))
    return lines


def _cut_lines(cut: Cut) -> list[tuple[str, str]]:
    went_on = f"{cut.successor} went on" if cut.successor else "each went on alone"
    lines = [("power cut", f"{cut.killed}, after {cut.step} of {cut.shared_steps} shared steps; {went_on}")]
    same = [survivor.prompt for survivor in cut.survivors if survivor.same_picture]
    other = [survivor.prompt for survivor in cut.survivors if not survivor.same_picture]
    if same:
        lines.append(("same picture, bit for bit", ", ".join(same)))
    if other:
        lines.append(("another picture", ", ".join(other)))
    lines.append(("came back", f"{cut.killed} finished its own request {cut.return_seconds:.1f} s after its return"))
    return lines
