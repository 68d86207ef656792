"""The tale of one request, gathered from its notices: how far it is, what it looks like, how it ended.

`generate` and the demo read the same tale. Never here: drawing it, or asking the daemon.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

from peerd_protocol.ids import NodeId, RequestId
from peerd_protocol.notices import (
    AnyNotice,
    Failed,
    Finished,
    HandedOff,
    LocalStep,
    PlanMade,
    Queued,
    SharedStep,
    WentAlone,
)

Names = Mapping[NodeId, str]


@dataclass(slots=True)
class Tale:
    """What is known of a request so far. `shared_done` and `step` count steps from the picture's beginning."""

    prompt: str
    request: RequestId | None = None
    plan: PlanMade | None = None
    shared_done: int = 0
    step: int = 0
    total: int = 0
    preview: bytes = field(default=b"", repr=False)
    preview_side: int = 0
    handoff: HandedOff | None = None
    alone_reason: str = ""
    ended: Finished | Failed | None = None

    @property
    def finished(self) -> Finished | None:
        return self.ended if isinstance(self.ended, Finished) else None

    @property
    def shared_steps(self) -> int:
        """Steps that it has from a group: none if it went alone after all."""
        return self.plan.shared_steps if self.plan is not None and not self.alone_reason else 0

    @property
    def in_shared_part(self) -> bool:
        """Whether what is seen now comes from the group's shared steps."""
        return self.ended is None and 0 < self.step <= self.shared_done

    @property
    def crossed(self) -> HandedOff | None:
        """The handoff, if its bytes left the executor's device."""
        if self.handoff is None or (self.plan is not None and self.handoff.sender == self.plan.runner):
            return None
        return self.handoff

    def hear(self, notice: AnyNotice) -> None:
        match notice:
            case Queued():
                pass
            case PlanMade():
                self.plan = notice
                self.alone_reason = ""
            case SharedStep():
                self.shared_done = self.step = notice.step
                self._look(notice)
            case LocalStep():
                self.step = notice.step
                self._look(notice)
            case HandedOff():
                self.handoff = notice
            case WentAlone():
                self.alone_reason = notice.reason
                self.shared_done = self.step = 0
            case Finished():
                self.ended = notice
                self.step = self.total
            case Failed():
                self.ended = notice
            case _:
                assert_never(notice)

    def _look(self, notice: SharedStep | LocalStep) -> None:
        self.total = notice.total
        if notice.preview:
            self.preview, self.preview_side = notice.preview, notice.preview_side


def describe(notice: AnyNotice, names: Names) -> str:
    """A notice as one plain line, for where nothing can be drawn."""

    def name(node: NodeId) -> str:
        return names.get(node, node[:7])

    match notice:
        case Queued(leader=leader):
            return f"asked {name(leader)}, the leader" if leader else "waiting for a leader"
        case PlanMade(shared_steps=0, runner=runner, reason=reason):
            return f"plan: {name(runner)} runs all steps" + (f" ({reason})" if reason else "")
        case PlanMade(shared_with=()):
            return (
                f"plan: the first {notice.shared_steps} steps come from {name(notice.executor)},"
                f" {name(notice.runner)} runs the rest ({notice.reason}); about {notice.forecast.seconds:.1f} s"
            )
        case PlanMade():
            return (
                f"plan: {name(notice.executor)} runs {notice.shared_steps} steps for {len(notice.shared_with) + 1}"
                f" requests, {name(notice.runner)} the rest; {notice.forecast.denoiser_calls} denoiser calls"
                f" instead of {notice.forecast.denoiser_calls_alone}, about {notice.forecast.seconds:.1f} s"
            )
        case SharedStep():
            return f"shared step {notice.step}/{notice.total} on {name(notice.executor)}"
        case LocalStep():
            return f"step {notice.step}/{notice.total} on {name(notice.runner)}"
        case HandedOff():
            return f"handoff of {notice.size:,} bytes from {name(notice.sender)} after step {notice.step}"
        case WentAlone(reason=reason):
            return f"goes on alone: {reason}"
        case Finished():
            return f"done in {notice.seconds:.1f} s: {notice.path}"
        case Failed(reason=reason):
            return f"failed: {reason}"
        case _:
            assert_never(notice)
