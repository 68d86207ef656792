"""The executor of a shared run is lost after a chosen step: what the others get, and how much is computed again.

Three real daemons with toy engines draw eleven steps, eight of them shared. Every call is counted where it is made, so
what is computed again is known and not guessed. Never here: other faults (`faults.py`), or which steps are tried.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from peerd.daemon import TOY_STEP_S
from peerd.demo.cluster import Cluster
from peerd.demo.nodes import NodeProcess
from peerd_protocol.coordination.leases import SPARE_S
from peerd_protocol.notices import AnyNotice, PlanMade, SharedStep
from tests.world.asking import TOY, Asked, ask_together, open_requests_of, restart, until

TOTAL, SHARED = 11, 8
NAMES = ("ada", "bob", "cleo")
FRUITS = ("apple on table", "lemon on table", "orange on table")
OTHERS_SLOWER = 1.2
"""Ada's engine is the fastest, so that the same device runs the shared steps of each run."""
COMPANY_S = 60.0
"""All ask at once, and whoever was lost was planned with them: it comes back and waits for nobody."""
RETURN_S_MAX = 45.0

Pictures = Mapping[str, str]
"""The digest of each prompt's pixels."""


@dataclass(frozen=True, slots=True)
class Loss:
    """What became of a run whose executor was lost after `step` shared steps. `again` counts denoiser calls."""

    step: int
    again: int
    again_max: int
    others: Pictures
    undisturbed: Pictures
    seconds: float

    def violations(self) -> list[str]:
        changed = [prompt for prompt, pixels in self.others.items() if pixels != self.undisturbed[prompt]]
        found = [f"{prompt!r} is another picture than undisturbed" for prompt in changed]
        if self.again > self.again_max:
            found.append(f"{self.again} steps were computed again, and {self.again_max} may be")
        return found


def three(folder: Path, step_s: float, environment: Mapping[str, str] | None = None) -> Cluster:
    """Daemons whose engines take so long for a step that a run has a middle."""
    slow = {name: step_s * (1.0 if name == "ada" else OTHERS_SLOWER) / TOY_STEP_S for name in NAMES}
    each = {name: {"PEERD_ENGINE_SLOWDOWN": str(slowdown)} for name, slowdown in slow.items()}
    return Cluster(folder, NAMES, environment={**TOY, **(environment or {})}, each=each)


def undisturbed(cluster: Cluster) -> Pictures:
    """What they draw together when nobody is lost."""
    return pictures_of(_draw(cluster, "undisturbed"))


def lose_executor(cluster: Cluster, step: int, pictures: Pictures, step_s: float) -> Loss:
    """Kill it, daemon and engine, once another has heard of its `step`; all run again when this returns."""
    nodes = {view.id: cluster[view.name] for view in cluster.views()}
    before = cluster.denoiser_calls()
    began_s = time.monotonic()
    asked = _draw(cluster, f"lost after {step}")
    executor = nodes[asked[0].first(PlanMade).executor]
    living = [one for one in asked if one.node is not executor]

    def is_far(notice: AnyNotice) -> bool:
        return isinstance(notice, SharedStep) and notice.step >= step

    seen = living[0].wait_for(is_far, f"shared step {step}")
    executor.kill()
    assert isinstance(seen, SharedStep)
    others = pictures_of(living)
    seconds = time.monotonic() - began_s
    after = {one.node.name: one.node.client.view().denoiser_calls for one in living}
    needed = SHARED + len(living) * (TOTAL - SHARED)
    again = seen.step + sum(calls - before[name] for name, calls in after.items()) - needed
    _return(cluster, executor)
    return Loss(step, again, min(seen.step, math.ceil(SPARE_S / step_s)), others, pictures, seconds)


def pictures_of(asked: Sequence[Asked]) -> Pictures:
    return {one.tale.prompt: one.finished().pixels_sha256 for one in asked}


def _draw(cluster: Cluster, group: str) -> list[Asked]:
    """Nothing is kept for later: a run that began with another's checkpoint would show nothing."""
    wishes = {"steps": TOTAL, "shared": SHARED, "seed": 7, "keep": False, "wait_s": COMPANY_S}
    return ask_together(cluster.nodes, FRUITS, group, **wishes)


def _return(cluster: Cluster, lost: NodeProcess) -> None:
    """It comes back and finishes what it was asked for, before anything else is asked."""
    lost.finish(time.monotonic())
    restart(lost)
    until(lambda: not open_requests_of(lost), f"{lost.name} finishes what it was asked for", RETURN_S_MAX)
    cluster.wait_for_leader(within_s=RETURN_S_MAX)
