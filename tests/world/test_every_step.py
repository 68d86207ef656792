"""An executor that is lost early, and one that is lost late, in the shared steps: same pictures, nothing run thrice.

The soak loses it after every step. Never here: how it is lost and what is counted (`tests/soak/every_step.py`).
"""

from collections.abc import Iterator

import pytest

from peerd.demo.cluster import Cluster
from tests.soak.every_step import Pictures, lose_executor, three, undisturbed

STEP_S = 0.2
"""A spare is due after five seconds of work; those of this run are left where late requests may begin, sooner."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with three(tmp_path_factory.mktemp("every_step"), STEP_S) as trio:
        trio.start()
        trio.pair_all()
        trio.wait_for_leader()
        yield trio


@pytest.fixture(scope="module")
def pictures(cluster: Cluster) -> Pictures:
    return undisturbed(cluster)


@pytest.mark.parametrize("step", [2, 7])
def test_whoever_is_left_gets_the_same_pictures(cluster: Cluster, pictures: Pictures, step: int) -> None:
    loss = lose_executor(cluster, step, pictures, STEP_S)
    assert not loss.violations()
    assert len(loss.others) == 2
    assert loss.again > 0, "the shared steps were taken over, and not avoided"
