"""The part of the demo in which a power cut takes the device that runs the shared steps, in the middle of them.

The same prompts once more. Whoever is left finishes; then the killed device comes back and finishes its own request by
itself. Never here: how a cluster does it (`peerd_protocol.coordination`), or the parts before and after.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from peerd.demo.cluster import Cluster
from peerd.demo.errands import Errand, run_errands
from peerd.demo.nodes import POLL_S, DemoFailed, NodeProcess
from peerd.demo.report import Cut, Survivor, finished
from peerd.demo.stage import Stage
from peerd_protocol.notices import SharedStep

RETURN_S_MAX = 60.0
"""The device that comes back starts its engine anew."""


def cut_power(cluster: Cluster, errands: Sequence[Errand], before: Sequence[Errand], stage: Stage) -> Cut:
    """Kill the executor half way through, and hold what the others get against the pictures of `before`."""
    for one in errands:  # of an earlier demo: what is there in the end is of this one
        Path(one.wish.out or "").unlink(missing_ok=True)
    nodes = {view.id: cluster[view.name] for view in cluster.views()}
    lost: set[str] = set()
    killed: NodeProcess | None = None
    step = shared = 0
    began_s = time.monotonic()
    for one, notice in run_errands(cluster, errands, lost):
        stage.heard(one, notice)
        if killed is None and isinstance(notice, SharedStep) and 2 * notice.step >= one.tale.shared_steps:
            killed, step, shared = nodes[notice.executor], notice.step, one.tale.shared_steps
            lost.add(killed.name)
            killed.kill()
            stage.note(f"{killed.name} is dead, after {step} of {shared} shared steps")
    seconds = time.monotonic() - began_s
    if killed is None:
        raise DemoFailed("Nobody shared a step, so there was no executor to kill; ask for prompts that are alike.")
    left = [(one, other) for one, other in zip(errands, before, strict=True) if one.node is not killed]
    survivors = tuple(
        Survivor(one.wish.prompt, finished(one).pixels_sha256 == finished(other).pixels_sha256) for one, other in left
    )
    successors = {nodes[one.tale.plan.executor].name for one, _ in left if one.tale.plan} - {killed.name}
    own = [Path(one.wish.out or "") for one in errands if one.node is killed]
    back_s = _return(cluster, killed, own)
    return Cut(killed.name, step, shared, min(successors, default=None), survivors, seconds, back_s)


def _return(cluster: Cluster, killed: NodeProcess, pictures: Sequence[Path]) -> float:
    """Seconds until the killed device is back and has made what it was asked for before."""
    began_s = time.monotonic()
    killed.finish(began_s)
    killed.start("--port", "0", *([] if cluster.mdns else ["--no-mdns"]))
    killed.wait_until_up()
    while not all(picture.exists() for picture in pictures):
        cluster.check()
        if time.monotonic() - began_s > RETURN_S_MAX:
            raise DemoFailed(f"{killed.name} came back, and did not finish what it was asked for before.")
        time.sleep(POLL_S)
    cluster.wait_for_leader()
    return time.monotonic() - began_s
