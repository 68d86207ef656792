"""Who leaves a shared run after which step, and what a probe's look changes of it: values alone, for every engine.

A leaf leaves after its step at the latest. A look may only bring that forward. Never here: torch, or how a difference
between prompts is found (probe.py).
"""

from collections.abc import Mapping, Sequence

from peerd.engine.port import Look
from peerd_protocol.errors import EngineError
from peerd_protocol.plan import Leave


class Departures:
    """The leaves of one run of `prompt` ("": of several) that starts after `start` steps; there may be none."""

    def __init__(self, prompt: str, leaves: Sequence[Leave], probe: Sequence[Look], start: int, total: int) -> None:
        for leave in leaves:
            if not 1 <= leave.step <= total:
                raise EngineError(
                    f"The call takes {total} scheduler steps; nobody can leave it after step {leave.step}."
                )
        self._blended = not prompt
        self._steps = {leave.name: leave.step for leave in leaves}
        # The run's own prompt differs in nothing from itself.
        self._prompts = {leave.name: leave.prompt for leave in leaves if leave.prompt not in ("", prompt)}
        self.seen: dict[int, Mapping[str, float]] = {}
        """What each look saw, by its step."""
        self._looks = {look.step: look for look in probe if look.step > start}
        self.early = tuple(leave.name for leave in leaves if leave.step <= start)
        """Those for whom the run starts where they leave, or beyond."""

    @property
    def last(self) -> int | None:
        """The step with which the run ends; None where nobody leaves it."""
        return max(self._steps.values(), default=None)

    def at(self, step: int) -> tuple[str, ...]:
        """Those that leave after this step."""
        return tuple(name for name, leaves_at in self._steps.items() if leaves_at == step)

    def asked(self, step: int) -> tuple[str, ...]:
        """The prompts whose noise is to be predicted during this step, each once; those that leave with it need not."""
        if step not in self._looks:
            return ()
        return tuple(dict.fromkeys(prompt for name, prompt in self._prompts.items() if self._steps[name] > step))

    @property
    def prompts(self) -> tuple[str, ...]:
        """All prompts that some look of this run may ask for."""
        return tuple(dict.fromkeys(prompt for step in sorted(self._looks) for prompt in self.asked(step)))

    def learn(self, step: int, differences: Mapping[str, float]) -> None:
        """What the look during `step` saw of each prompt: from now on its leaves leave no later than that allows."""
        self.seen[step] = differences
        for name, prompt in self._prompts.items():
            if prompt in differences and self._steps[name] > step:
                self._steps[name] = min(self._steps[name], stay(self._looks[step], differences[prompt]))
        self._leave_nobody_alone(step)

    def _leave_nobody_alone(self, step: int) -> None:
        """Who would stay as the only one leaves with those before: steps that nobody else needs save nothing, and the
        own prompt runs them better than a mean of all. A run of somebody's own prompt is at home, and a branch is more
        than one.
        """
        last = self.last
        staying = [] if last is None else self.at(last)
        if self._blended and len(staying) == 1 and staying[0] in self._prompts:
            before = [leaves_at for name, leaves_at in self._steps.items() if name != staying[0]]
            self._steps[staying[0]] = min(self._steps[staying[0]], max(step, *before, 0))


def stay(look: Look, difference: float) -> int:
    """After which step a prompt of this difference leaves; never before the look's own. Not a number is far."""
    return max(look.step, next((step for bound, step in look.stays if difference <= bound), look.step))
