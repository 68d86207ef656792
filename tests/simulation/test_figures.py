"""How soon there is a leader, in a calm world of equal devices."""

import pytest

from tests.simulation.figures import crash_to_leader, heal_to_one_leader, second_node_to_common_leader


def middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


@pytest.mark.parametrize("nodes", [2, 5])
def test_a_leaders_device_dies_and_a_new_leader_comes_soon(nodes: int) -> None:
    seconds = [crash_to_leader(seed, nodes) for seed in range(20)]
    assert middle(seconds) <= 4.5
    assert max(seconds) <= 6.0


@pytest.mark.parametrize("nodes", [2, 5])
def test_a_leaders_process_dies_and_nobody_waits_for_silence(nodes: int) -> None:
    assert max(crash_to_leader(seed, nodes, refuses=True) for seed in range(20)) <= 1.5


@pytest.mark.parametrize("nodes", [2, 5])
def test_a_healed_partition_soon_has_one_leader(nodes: int) -> None:
    assert max(heal_to_one_leader(seed, nodes) for seed in range(20)) <= 6.0


@pytest.mark.parametrize("leads_first", [True, False])
def test_a_second_node_has_a_common_leader_within_four_seconds(leads_first: bool) -> None:
    assert max(second_node_to_common_leader(seed, leads_first) for seed in range(40)) <= 4.0
