"""Sharing: three daemons with the real model run the common steps once, and every call is counted where it is made.

Never here: who may run shared steps (`test_negotiation.py`), or what goes wrong (`test_*_trouble.py`).
"""

import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from peerd.demo.cluster import Cluster
from peerd.demo.nodes import NodeProcess
from peerd_protocol.notices import HandedOff, LocalStep, PlanMade, Queued
from tests.world.asking import (
    PICTURE_S,
    Asked,
    all_files,
    ask,
    ask_together,
    end,
    leader_and_followers,
    peerd,
    pid_of,
    promises_of,
    until,
    wait_for_agreement,
    wait_for_engine,
    wait_until_gone,
)

FRUITS = ("apple on table", "lemon on table", "orange on table")
TOTAL, SHARED = 6, 3


@pytest.fixture
def cluster(real_cluster: Cluster) -> Cluster:
    wait_for_agreement(*real_cluster.nodes)
    return real_cluster


def calls_since(cluster: Cluster, before: dict[str, int]) -> dict[str, int]:
    return {name: calls - before[name] for name, calls in cluster.denoiser_calls().items()}


def by_lead(asked: Sequence[Asked]) -> tuple[Asked, list[Asked]]:
    """The one whose prompt ran the shared steps, and the others."""
    (lead,) = [one for one in asked if one.first(PlanMade).leads]
    return lead, [one for one in asked if one is not lead]


def test_shared_steps_run_once_and_the_lead_gets_exactly_the_picture_that_it_would_have_got_alone(
    cluster: Cluster,
) -> None:
    before = cluster.denoiser_calls()
    together = ask_together(cluster.nodes, FRUITS, "trio", steps=TOTAL, shared=SHARED, seed=7)
    pictures = {one.tale.prompt: one.finished(PICTURE_S) for one in together}
    executor = together[0].first(PlanMade).executor
    (runner,) = [node.name for node in cluster.nodes if node.client.view().id == executor]
    alike = dict.fromkeys(before, TOTAL - SHARED)
    assert calls_since(cluster, before) == {**alike, runner: TOTAL}, "whoever runs the shared steps runs them once"
    assert [picture.denoiser_calls for picture in pictures.values()] == [TOTAL - SHARED] * len(FRUITS)

    lead, others = by_lead(together)
    assert {one.first(PlanMade).executor for one in together} == {executor}
    assert {other.first(HandedOff).step for other in others} == {SHARED}
    # Anybody's engine makes the same bits: each prompt alone, and not at the node that made it before.
    elsewhere = [cluster["bob"], cluster["cleo"], cluster["ada"]]
    alone = [ask(node, prompt, steps=TOTAL, shared=0, seed=7) for node, prompt in zip(elsewhere, FRUITS, strict=True)]
    same = [one.tale.prompt for one in alone if one.finished().pixels_sha256 == pictures[one.tale.prompt].pixels_sha256]
    assert same == [lead.tale.prompt]
    assert pictures[lead.tale.prompt].exact
    assert len({picture.pixels_sha256 for picture in pictures.values()}) == len(FRUITS)


def test_unlike_prompts_in_one_named_group_do_not_share(cluster: Cluster) -> None:
    before = cluster.denoiser_calls()
    nodes, prompts = cluster.nodes[:2], ("apple on table", "a car on the beach")
    unlike = ask_together(nodes, prompts, "unlike", steps=2, shared=1, seed=7)
    for one in unlike:
        one.finished()
        plan = one.first(PlanMade)
        assert (plan.shared_steps, plan.shared_with) == (0, ())
    assert sum(calls_since(cluster, before).values()) == 4


def test_a_named_group_waits_for_its_number_and_no_longer_than_asked(cluster: Cluster) -> None:
    ada, bob, _ = cluster.nodes
    first = ask(ada, FRUITS[0], group_name="pair", group_size=2, wait_s=60.0, steps=2, shared=1, seed=7)
    first.first(Queued)
    lonely = ask(bob, FRUITS[1], group_name="nobody else comes", group_size=2, wait_s=0.5, steps=2, shared=1, seed=7)
    assert lonely.first(PlanMade).shared_with == ()
    assert not [notice for notice in first.notices if isinstance(notice, PlanMade)], "it waits for the second"
    second = ask(bob, FRUITS[1], group_name="pair", group_size=2, wait_s=60.0, steps=2, shared=1, seed=7)
    assert first.first(PlanMade).shared_with == (second.request,)
    assert second.first(PlanMade).shared_with == (first.request,)
    for one in (first, lonely, second):
        one.finished()


def test_share_nothing_leaves_nothing_for_peers(cluster: Cluster) -> None:
    secret = "a violet zeppelin on table"
    leader, (asker, other) = leader_and_followers(cluster)
    before = cluster.denoiser_calls()
    alone = ask(asker, secret, share="nothing", steps=2, seed=7)
    alone.finished()
    assert calls_since(cluster, before) == {asker.name: 2, leader.name: 0, other.name: 0}
    for node in (leader, other):
        for file in [*all_files(node.home), node.log]:
            content = file.read_bytes()
            assert secret.encode() not in content, f"{node.name} knows the prompt from {file.name}"
            assert alone.request.encode() not in content, f"{node.name} knows of the request from {file.name}"
        assert not [plan for plan in promises_of(node) if alone.request in plan.requests]


def test_a_plan_says_what_then_happens(cluster: Cluster) -> None:
    ada = cluster["ada"]
    words = ("--steps", str(TOTAL), "--shared", str(SHARED), "--seed", "7", "--json")
    told = json.loads(peerd(ada.home, "plan", *FRUITS, *words).stdout)
    assert told["denoiser_calls"] == SHARED + len(FRUITS) * (TOTAL - SHARED)
    assert told["denoiser_calls_alone"] == len(FRUITS) * TOTAL
    assert 0 < told["seconds"] < told["seconds_alone"] * 1.25 + 0.5

    before = cluster.denoiser_calls()
    together = ask_together(cluster.nodes, FRUITS, "planned", steps=TOTAL, shared=SHARED, seed=7)
    for one in together:
        one.finished()
    (group,) = told["groups"]
    plan = together[0].first(PlanMade)
    assert sorted(group["prompts"]) == sorted(FRUITS)
    assert group["shared_steps"] == plan.shared_steps
    assert sum(calls_since(cluster, before).values()) == told["denoiser_calls"]

    after = json.loads(peerd(ada.home, "plan", *FRUITS, *words).stdout)
    # On a busy host another device may be the best a moment later; it is so before the request or after it.
    assert plan.executor in (group["executor_id"], after["groups"][0]["executor_id"])
    record = after["track_record"]
    assert record["requests"] >= 1
    assert record["denoiser_calls"] == 0.0, "every call that a plan promised was made, and no other"
    crossed = sum(one.tale.crossed.size for one in together if one.tale.crossed)
    assert crossed == pytest.approx(told["handoff_bytes"], rel=0.05)


def test_a_late_request_goes_on_from_what_a_peer_kept_bit_for_bit(cluster: Cluster) -> None:
    """Whoever names the lead's prompt and seed gets its very picture, for the steps that are left."""
    for node in cluster.nodes:
        node.client.clear_cache()
    wishes = {"steps": TOTAL, "shared": SHARED, "seed": 1_111}
    together = ask_together(cluster.nodes[:2], FRUITS[:2], "kept", **wishes)
    pictures = {one.tale.prompt: one.finished().pixels_sha256 for one in together}

    def kept_by(node: NodeProcess) -> list[str]:
        return [kept.prompt for kept in node.client.cache().entries if kept.step == SHARED]

    holder = until(
        lambda: next((node for node in cluster.nodes if kept_by(node)), None),
        "whoever ran the shared steps keeps them",
    )
    asker, other = [node for node in cluster.nodes if node is not holder]
    # Longer than it takes to tell a leader what one keeps.
    ask(asker, "a car on the beach", share="nothing", steps=3).finished()
    (prompt,) = kept_by(holder)
    before = cluster.denoiser_calls()
    late = ask(asker, prompt, **wishes)
    assert late.finished().pixels_sha256 == pictures[prompt]
    assert late.first(HandedOff).step == SHARED
    assert calls_since(cluster, before) == {holder.name: 0, other.name: 0, asker.name: TOTAL - SHARED}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows what another process has mapped")
def test_no_daemon_has_torch_in_its_process_and_none_is_heavy(cluster: Cluster) -> None:
    """After all that was shared here."""
    for node in cluster.nodes:
        daemon = psutil.Process(pid_of(node))
        loaded = {Path(mapped.path).name for mapped in daemon.memory_maps() if "/torch/" in mapped.path}
        assert not loaded
        assert any("/torch/" in mapped.path for mapped in wait_for_engine(node).memory_maps())
        resident = daemon.memory_info().rss / 1e6
        print(f"{node.name}: {resident:.0f} MB resident (goal <= 90)")
        assert resident < 120


def test_a_daemon_killed_in_the_middle_of_steps_leaves_no_engine_behind(cluster: Cluster) -> None:
    """The last story here: cleo is not needed any more."""
    cleo = cluster["cleo"]
    ask(cleo, "apple on table", steps=200, shared=0).first(LocalStep)
    engine = wait_for_engine(cleo)
    end(cleo, signal.SIGKILL)
    wait_until_gone(engine)
