"""A device without an engine asks, and whoever draws for it is killed: another goes on, and little is drawn twice.

Real daemons with toy engines, slow enough to leave spares. Never here: shared steps that lose their executor
(`test_every_step.py`).
"""

import math
import time
from collections.abc import Iterator

import pytest

from peerd.daemon import TOY_STEP_S
from peerd.demo.cluster import Cluster
from peerd_protocol.coordination.leases import SPARE_S
from peerd_protocol.notices import AnyNotice, LocalStep, PlanMade
from tests.world.asking import TOY, ask, wait_for_agreement

APPLE = "apple on table"
TOTAL, STEP_S = 11, 0.9
SLOW = {"PEERD_ENGINE_SLOWDOWN": str(STEP_S / TOY_STEP_S)}
EACH = {"ada": SLOW, "bob": SLOW, "pi": {"PEERD_ENGINE": "none"}}
SEEN = 8
"""By this step one spare has come home, at least."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("lost_runner"), list(EACH), environment=TOY, each=EACH) as trio:
        trio.start()
        trio.pair_all()
        trio.wait_for_leader()
        yield trio


def test_another_goes_on_from_the_newest_spare(cluster: Cluster) -> None:
    wait_for_agreement(*cluster.nodes)
    nodes = {view.id: cluster[view.name] for view in cluster.views()}
    asked = ask(cluster["pi"], APPLE, steps=TOTAL, seed=7)
    first = nodes[asked.first(LocalStep).runner]
    other = next(node for name, node in (("ada", cluster["ada"]), ("bob", cluster["bob"])) if node is not first)
    before = other.client.view().denoiser_calls

    def is_far(notice: AnyNotice) -> bool:
        return isinstance(notice, LocalStep) and notice.step >= SEEN

    seen = asked.wait_for(is_far, f"step {SEEN}")
    assert isinstance(seen, LocalStep)
    first.kill()
    first.finish(time.monotonic())
    done = asked.finished()
    assert [nodes[notice.runner] for notice in asked.notices if isinstance(notice, PlanMade)] == [first, other]
    again = seen.step + other.client.view().denoiser_calls - before - TOTAL
    assert again <= math.ceil(SPARE_S / STEP_S)
    same = ask(other, APPLE, steps=TOTAL, seed=7, shared=0)
    assert same.finished().pixels_sha256 == done.pixels_sha256
