"""A leader whose charger is pulled: it hands over, and nobody is without a leader for a moment. Toy engines.

Never here: how power is read (`tests/peerd/device/`), or leaders that are lost (`test_vanishing.py`).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from peerd.demo.cluster import Cluster
from tests.soak.house import House, house, now_s
from tests.world.asking import TOY, agreement_of, ask, leader_and_followers, until


def two_daemons(folder: Path, environment: Mapping[str, str]) -> Cluster:
    return Cluster(folder, ["ada", "bob"], environment={**TOY, **environment})


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("charger")
    with house(
        folder, lambda at, more: Cluster(at, ["ada", "bob"], environment={**TOY, **more}), on_street=False
    ) as two:
        yield two


def test_a_leader_low_on_battery_hands_over_without_a_gap(pair: House) -> None:
    cluster = pair.cluster
    leader, (other,) = leader_and_followers(cluster)

    def leads() -> bool:
        agreement = agreement_of(*cluster.nodes)
        return agreement is not None and agreement.leader_name == other.name

    assert pair.calm() == []
    pulled_s = now_s()
    with pair.chargers[leader.name].pulled():
        until(leads, f"{other.name} leads")
        ask(leader, "apple on table", steps=2, seed=7).finished()  # its own people lose nothing
    healed, violations = pair.healed(pulled_s, interval_s=2.0)
    assert [*healed.violations, *violations] == []
    assert pair.healing.leaderless == set()
    assert pair.calm() == [], "a charger that is back takes no leadership back"
