"""What all soaks so far have shown, one line a cycle in a file, so that a later soak goes on from the next seed.

Never here: playing cycles (`play.py`).
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tests.soak.watching import percentile


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one cycle. `seed` -1: it was no drawn one, but the loss of the executor after `step`."""

    seed: int = -1
    step: int = 0
    what: str
    accepted: int
    delivered: int
    refused: int = 0
    """Ended in the words that the disk is full."""
    replaced_s: float | None = None
    connected_s: float | None = None
    """After the fault ended, until all were connected with all; and until all followed one leader."""
    one_leader_s: float | None = None
    stalled_s: float = 0.0
    """The machine stood still for so long meanwhile, so that what must come within seconds was not judged."""
    again: int = 0
    """Denoiser calls that were made twice; counted where a step is told."""
    seconds: float
    violations: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"seed {self.seed}" if self.seed >= 0 else f"step {self.step}"

    @property
    def replay(self) -> str:
        return f"make soak FIRST_SEED={self.seed} CYCLES=1" if self.seed >= 0 else f"make soak STEP={self.step}"

    def line(self) -> str:
        parts = [f"{self.delivered} of {self.accepted} pictures"]
        parts += [f"{self.refused} told of a full disk"] if self.refused else []
        parts += [f"new leader after {self.replaced_s:.2f} s"] if self.replaced_s is not None else []
        parts += [f"one leader after {self.one_leader_s:.2f} s"] if self.one_leader_s else []
        parts += [f"the machine stood still for {self.stalled_s:.1f} s"] if self.stalled_s else []
        parts += [f"{self.again} steps again"] if self.seed < 0 else []
        told = [f"{self.name:9} {self.what:32} {', '.join(parts)}; {self.seconds:.1f} s"]
        return "\n".join([*told, *(f"  VIOLATION {violation}; {self.replay}" for violation in self.violations)])


class Record:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "cycles.jsonl"
        text = self._file.read_text() if self._file.exists() else ""
        self.outcomes = [msgspec.json.decode(line, type=Outcome) for line in text.splitlines()]

    def add(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        with self._file.open("a") as file:
            file.write(msgspec.json.encode(outcome).decode() + "\n")

    def next_seed(self) -> int:
        return max((outcome.seed for outcome in self.outcomes), default=-1) + 1

    def steps(self) -> set[int]:
        """After which steps an executor was lost already, and nothing was wrong."""
        return {outcome.step for outcome in self.outcomes if outcome.seed < 0 and not outcome.violations}


def summary(outcomes: Sequence[Outcome]) -> list[str]:
    """Of all soaks: how many cycles and faults, how soon leaders were replaced, and what was violated."""
    pictures = sum(outcome.delivered for outcome in outcomes)
    lines = [f"cycles: {len(outcomes)}, pictures: {pictures}, seconds: {sum(one.seconds for one in outcomes):.0f}"]
    kinds = Counter(outcome.what for outcome in outcomes)
    lines += [f"  {count:5} {what}" for what, count in sorted(kinds.items())]
    for kind in ("killed", "paused", "stopped", "cut off", "unheard"):
        of_kind = [one for one in outcomes if one.replaced_s is not None and one.what.endswith(kind)]
        figures = [one.replaced_s for one in of_kind if one.replaced_s is not None]
        if figures:
            low_s, high_s = percentile(figures, 0.5), percentile(figures, 0.99)
            lines.append(
                f"leader {kind}, replaced: {len(figures)} times,"
                f" p50 {low_s:.2f} s, p99 {high_s:.2f} s, max {max(figures):.2f} s"
            )
    for what, every in (
        ("all connected", [one.connected_s for one in outcomes if one.connected_s is not None]),
        ("one leader for all", [one.one_leader_s for one in outcomes if one.one_leader_s is not None]),
    ):
        if every:
            low_s, high_s = percentile(every, 0.5), percentile(every, 0.99)
            lines.append(f"healed, {what}: p50 {low_s:.2f} s, p99 {high_s:.2f} s, max {max(every):.2f} s")
    if stalled := sum(outcome.stalled_s > 0 for outcome in outcomes):
        lines.append(f"I5 and I6 not judged, since the machine stood still: {stalled} cycles")
    violated = [outcome for outcome in outcomes if outcome.violations]
    lines += [f"  {outcome.replay}: {violation}" for outcome in violated for violation in outcome.violations]
    return [*lines, f"violations: {sum(len(outcome.violations) for outcome in violated)}"]
