"""Times one order of the engine as it goes, for `pace` to learn from.

    begun -> first step -> ... -> last step -> ended

Times are handed in; an order waits for the one before it, and that wait is no part of its own time. Never here: what
the order was for.
"""

from dataclasses import dataclass, field
from statistics import median

from peerd.device.pace import Finished
from peerd_protocol.plan import Call

HUNG = 3.0
"""A step that took longer than this many of its order's middle step met something else; it counts as so many."""


@dataclass(slots=True)
class Stopwatch:
    """`begun_s` is when the order was given and the engine free for it; `warm`: its model was loaded by then.

    `plain`: it reads one prompt; an order with a blend or a probe reads several before its first step, and how long
    that takes is nothing to learn for others. During the steps of `looks` a probe makes calls of its own. `joined`: the
    engine was at something that is no order, perhaps loading this very model; since when is not known here, so that
    nothing is learnt of what came before the first step.
    """

    call: Call
    begun_s: float
    warm: bool
    plain: bool = True
    looks: frozenset[int] = frozenset()
    joined: bool = False
    _first_began_s: float | None = None
    _probed_first: bool = False
    """A look during the first step is among what came before it."""
    _last_s: float = 0.0
    _took_s: list[float] = field(default_factory=list)
    _crowds: list[float] = field(default_factory=list)

    def stepped(self, now_s: float, seconds: float, crowd: float, step: int = 0) -> None:
        """Step number `step` is done, that took the engine so many seconds."""
        looked = step in self.looks
        if self._first_began_s is None:
            self._first_began_s = self._last_s = max(self.begun_s, now_s - seconds)
            self._probed_first = looked
        # Between two steps lies what a picture really waits for: previews and checkpoints too, which the engine leaves
        # out of its seconds. It leaves out probes as well, and those the planner counts by themselves.
        self._took_s.append(seconds if looked else now_s - self._last_s)
        self._last_s = now_s
        self._crowds.append(crowd)

    def ended(self, now_s: float, *, painted: bool, usual_prepare_s: float) -> Finished | None:
        """What is to be learnt of it; None if it never made a step."""
        if self._first_began_s is None:
            return None
        before_s = self._first_began_s - self.begun_s
        return Finished(
            call=self.call,
            steps=len(self._took_s),
            steps_s=self._steps_s(),
            prepare_s=before_s if self.warm and self.plain and not self.joined else None,
            decode_s=now_s - self._last_s if painted and self.warm else None,
            start_s=None if self.warm or self.joined or self._probed_first else max(0.0, before_s - usual_prepare_s),
            crowd=sum(self._crowds) / len(self._crowds),
        )

    def _steps_s(self) -> float | None:
        """All steps together. A cold engine's first one is slow and belongs to its start: it is counted like the others
        after it, so that a device learns its pace even if its engine is cold for each order.
        """
        timed_s = self._took_s if self.warm else self._took_s[1:]
        if not timed_s:
            return None
        longest_s = HUNG * median(timed_s)
        return sum(min(took_s, longest_s) for took_s in timed_s) * len(self._took_s) / len(timed_s)
