"""One cluster with the real model for all stories that need it: its engines take longer to start than most stories.

Never here: clusters of toy engines, which each file starts for itself.
"""

from collections.abc import Iterator

import pytest

from peerd.demo.cluster import Cluster
from tests.world.asking import ask

SLOW = {"PEERD_ENGINE_SLOWDOWN": "3"}


@pytest.fixture(scope="session")
def real_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """ada, and bob and cleo who are three times as slow, so that whoever is asked, ada is the best executor."""
    folder = tmp_path_factory.mktemp("real")
    with Cluster(folder, ["ada", "bob", "cleo"], each={"bob": SLOW, "cleo": SLOW}) as three:
        three.start()
        three.pair_all()
        three.wait_for_leader(within_s=30.0)
        for warming in [ask(node, "apple on table", steps=3, shared=0) for node in three.nodes]:
            warming.finished()
        yield three
