"""Receipts between real daemons: three share a beginning, one of them a guest, and every log shows it.

Toy engines. Never here: cheats (`tests/attacks/test_receipts.py`).
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from peerd.demo.cluster import Cluster
from peerd.demo.nodes import NodeProcess
from peerd.network.identity import Identity
from peerd.network.roster import Roster
from peerd.receipt_log import FILE_NAME, read_log
from peerd_protocol.certificates import ALL_ROLES
from peerd_protocol.notices import PlanMade
from peerd_protocol.roles import GUEST
from tests.world.asking import TOY, ask_together, peerd, the_sentence, until, wait_for_agreement

PROMPTS = ("apple on table", "lemon on table", "orange on table")
ROLES = {"ada": ALL_ROLES, "bob": ALL_ROLES, "gus": GUEST}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """One cluster from the first start, Gus a guest in it."""
    with Cluster(tmp_path, list(ROLES), environment=TOY) as three:
        for node in three.nodes:
            node.home.mkdir(mode=0o700)
        founder, *others = three.nodes
        roster = Roster.load_or_found(founder.home, Identity.load_or_make(founder.home), founder.name)
        for node in others:
            them = Identity.load_or_make(node.home)
            roster.admit(them.device_key, them.curve_key, them.key_bind, node.name, ROLES[node.name])
        for node in others:
            own = Roster.load_or_found(node.home, Identity.load_or_make(node.home), node.name)
            own.adopt(roster.keys, roster.certificates, roster.revocations)
        three.start()
        wait_for_agreement(*three.nodes)
        yield three


def kinds(node: NodeProcess) -> list[str]:
    log = read_log(node.home)
    return [] if log is None else [entry.kind for entry in log.entries]


def test_each_receiver_counter_signs_what_the_executor_ran_and_all_logs_agree(cluster: Cluster) -> None:
    asked = ask_together(cluster.nodes, PROMPTS, "trio", steps=8, shared=4, seed=7)
    for one in asked:
        one.finished()
    runner = asked[0].first(PlanMade).executor
    (executor,) = [node for node in cluster.nodes if node.client.view().id == runner]
    others = [node for node in cluster.nodes if node is not executor]
    assert executor.name != "gus", "a guest runs nothing for others"
    until(lambda: kinds(executor).count("answered") == 2, "both receivers counter-signed")
    assert sorted(kinds(executor)) == ["answered", "answered", "gave", "gave"]
    assert [kinds(other) for other in others] == [["got"], ["got"]]

    homes = [str(other.home) for other in others]
    exported = executor.home.parent / "exported.log"
    told = peerd(executor.home, "audit", *homes, "--json", "--export", str(exported))
    found = json.loads(told.stdout)
    assert told.returncode == 0 and found["sound"] and len(found["logs"]) == 3
    receipts = found["logs"][0]["receipts"]
    assert {receipt["device"] for receipt in receipts} == {other.client.view().id for other in others}
    assert [(receipt["first"], receipt["step"], receipt["answered"]) for receipt in receipts] == [(0, 4, True)] * 2
    assert all(receipt["seconds"] > 0 and receipt["joules"] > 0 for receipt in receipts)

    picture = peerd(others[0].home, "audit", str(exported))
    assert picture.returncode == 0
    assert "counter-signed" in picture.stdout and executor.name in picture.stdout
    refused = peerd(executor.home, "audit", str(executor.log))
    assert refused.returncode == 1 and "no log of receipts" in the_sentence(refused.stderr)
    disks = b"".join((node.home / FILE_NAME).read_bytes() for node in cluster.nodes)
    assert not [word for prompt in PROMPTS for word in prompt.split() if len(word) > 2 and word.encode() in disks]
