"""Late requests: two daemons keep what a group left, and whoever asks later goes on from there. Every call is counted.

Toy engines: what is told here is plumbing. Each story begins with an empty shelf. Never here: bits of real pictures
(`test_sharing.py`), which checkpoint is best (`tests/peerd/planning/test_cached.py`), or the shelf's own disk
(`tests/peerd/test_checkpoint_cache.py`).
"""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from peerd.api.desk import KeptView
from peerd.checkpoint_cache import FOLDER_NAME
from peerd.demo.cluster import Cluster, pair
from peerd.demo.nodes import NodeProcess
from peerd_protocol.notices import Finished, HandedOff, PlanMade
from tests.world.asking import TOY, Asked, all_files, ask, ask_together, end, peerd, restart, until, wait_for_agreement

TOTAL, LAYOUT, SHARED = 11, 3, 5
"""Who comes late and asks for no number of steps starts behind the layout; that is kept beside where members left."""
LOCAL = TOTAL - SHARED
PAIR = ("apple on table", "lemon on table")
WISHES = {"steps": TOTAL, "shared": SHARED}
_numbers = count()


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cache"), ["ada", "bob"], environment=TOY) as two:
        two.start()
        two.pair_all()
        yield two


@pytest.fixture
def cluster(both: Cluster) -> Cluster:
    wait_for_agreement(*both.nodes)
    for node in both.nodes:
        node.client.clear_cache()
    return both


def group(cluster: Cluster, **wishes: object) -> list[Asked]:
    """Both ask at once for similar pictures, under a seed that no earlier story had."""
    number = next(_numbers)
    asked = ask_together(cluster.nodes, PAIR, f"pair {number}", seed=number, **{**WISHES, **wishes})
    for one in asked:
        one.finished()
        assert one.first(PlanMade).shared_steps == SHARED
    return asked


def alone_with_a_group(cluster: Cluster, node: NodeProcess | None = None) -> NodeProcess:
    """A node by itself, asked for two similar pictures at once; it keeps where they went their own ways."""
    node = node or cluster.nodes[0]
    wait_for_agreement(node)
    for one in ask_together([node, node], PAIR, "both mine", seed=7, **WISHES):
        one.finished()
    until(lambda: kept_by(node), "a checkpoint that is kept")
    return node


def at_the_leave(node: NodeProcess) -> KeptView:
    """What it keeps where the members of the last group left."""
    (kept,) = [kept for kept in kept_by(node) if kept.step == SHARED]
    return kept


def kept_by(node: NodeProcess) -> tuple[KeptView, ...]:
    return node.client.cache().entries


def holder_of(cluster: Cluster) -> tuple[NodeProcess, NodeProcess, KeptView]:
    """Who keeps the group's checkpoint, who doesn't, and what is kept; the leader has heard of it, too."""
    until(lambda: any(kept_by(node) for node in cluster.nodes), "a checkpoint that is kept")
    (holder,) = [node for node in cluster.nodes if kept_by(node)]
    (other,) = [node for node in cluster.nodes if node is not holder]
    time_passes(cluster)
    assert {kept.step for kept in kept_by(holder)} == {LAYOUT, SHARED}
    return holder, other, at_the_leave(holder)


def time_passes(cluster: Cluster) -> None:
    """Pictures that have nothing to do with anything: longer than it takes to tell a leader what one keeps."""
    for asked in [ask(node, "a car on the beach", share="nothing", steps=20) for node in cluster.nodes]:
        asked.finished()


def late(cluster: Cluster, node: NodeProcess, prompt: str, **wishes: object) -> tuple[Finished, Asked, dict[str, int]]:
    """One request that nobody waits for, and the denoiser calls that it cost each node."""
    before = cluster.denoiser_calls()
    asked = ask(node, prompt, **{**WISHES, **wishes})
    finished = asked.finished()
    return finished, asked, {name: calls - before[name] for name, calls in cluster.denoiser_calls().items()}


def test_late_requests_go_on_from_what_a_group_left_at_home_and_at_a_peer(cluster: Cluster) -> None:
    group(cluster)
    holder, other, kept = holder_of(cluster)
    assert (kept.step, kept.total, kept.share, kept.hits) == (SHARED, TOTAL, "prompt", 0)
    assert kept.prompt in PAIR

    for node, prompt in ((other, "orange on table"), (holder, "pear on table")):
        finished, asked, calls = late(cluster, node, prompt)
        assert asked.first(PlanMade).shared_steps == SHARED
        assert asked.first(HandedOff).step == SHARED
        assert finished.denoiser_calls == LOCAL
        assert calls == {node.name: LOCAL, (holder if node is other else other).name: 0}, "no shared step runs again"
    used = at_the_leave(holder)
    assert (used.digest, used.hits, used.calls_saved) == (kept.digest, 2, 2 * SHARED)


def test_who_asks_for_no_number_of_steps_starts_behind_the_layout(cluster: Cluster) -> None:
    """The late prompt had no say in the kept steps, so no more of them are taken than what only the layout needs."""
    group(cluster)
    holder, other, _ = holder_of(cluster)
    finished, asked, calls = late(cluster, other, "orange on table", shared=None)
    assert asked.first(PlanMade).shared_steps == LAYOUT
    assert finished.denoiser_calls == TOTAL - LAYOUT
    assert calls == {other.name: TOTAL - LAYOUT, holder.name: 0}


def test_one_who_asks_twice_does_not_get_one_picture_twice(cluster: Cluster) -> None:
    group(cluster)
    holder, _, _ = holder_of(cluster)
    first, _, _ = late(cluster, holder, "peach on table")
    again, asked, _ = late(cluster, holder, "Peach on  table")
    assert first.denoiser_calls == LOCAL, "nobody had a peach before"
    assert asked.first(PlanMade).shared_steps == 0
    assert again.pixels_sha256 != first.pixels_sha256


def test_the_leads_own_prompt_and_seed_bring_its_own_picture_for_the_steps_that_are_left(cluster: Cluster) -> None:
    """Whoever names the seed asks for the very picture; it is the one that its prompt makes alone."""
    asked = group(cluster)
    holder, other, kept = holder_of(cluster)
    (lead,) = [one for one in asked if one.tale.prompt == kept.prompt]
    seed = lead.first(PlanMade).seed
    again, _, calls = late(cluster, other, kept.prompt, seed=seed)
    assert calls == {other.name: LOCAL, holder.name: 0}
    assert again.exact
    alone, _, _ = late(cluster, other, kept.prompt, seed=seed, shared=0)
    assert alone.denoiser_calls == TOTAL
    assert again.pixels_sha256 == alone.pixels_sha256 == lead.finished().pixels_sha256


def test_another_seed_by_name_starts_from_noise(cluster: Cluster) -> None:
    group(cluster)
    _, other, _ = holder_of(cluster)
    finished, asked, _ = late(cluster, other, "orange on table", seed=1_000_000)
    assert asked.first(PlanMade).shared_steps == 0
    assert finished.denoiser_calls == TOTAL


def test_after_clearing_a_late_request_starts_from_noise(cluster: Cluster) -> None:
    group(cluster)
    holder, other, kept = holder_of(cluster)
    shown = peerd(holder.home, "cache")
    assert "2 checkpoints kept" in shown.stdout
    assert kept.prompt in shown.stdout
    assert json.loads(peerd(holder.home, "cache", "clear", "--json").stdout) == {"cleared": 2}
    assert not list(all_files(holder.home / FOLDER_NAME))
    time_passes(cluster)
    finished, asked, calls = late(cluster, other, "orange on table")
    assert asked.first(PlanMade).shared_steps == 0
    assert calls == {other.name: TOTAL, holder.name: 0}
    assert finished.denoiser_calls == TOTAL


def test_a_damaged_checkpoint_costs_its_steps_and_no_picture(cluster: Cluster) -> None:
    group(cluster)
    holder, other, kept = holder_of(cluster)
    file = holder.home / FOLDER_NAME / kept.digest
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    finished, _, calls = late(cluster, other, "orange on table")
    assert finished.denoiser_calls == TOTAL
    assert calls == {other.name: TOTAL, holder.name: 0}
    assert {left.step for left in kept_by(holder)} == {LAYOUT}, "nobody trips over it again"
    assert not [file for file in all_files(holder.home / FOLDER_NAME) if file.name.startswith(kept.digest)]


def test_a_restart_keeps_the_cache(cluster: Cluster) -> None:
    group(cluster)
    holder, other, kept = holder_of(cluster)
    end(holder)
    restart(holder)
    wait_for_agreement(*cluster.nodes)
    time_passes(cluster)
    assert at_the_leave(holder).digest == kept.digest
    finished, _, calls = late(cluster, other, "orange on table")
    assert finished.denoiser_calls == LOCAL
    assert calls == {other.name: LOCAL, holder.name: 0}


def test_a_prompt_that_is_not_to_be_kept_is_kept_by_nobody(cluster: Cluster) -> None:
    words = ("apricot on table", "quince on table")
    number = next(_numbers)
    for one in ask_together(cluster.nodes, words, f"secret {number}", seed=number, keep=False, **WISHES):
        one.finished()
        assert one.first(PlanMade).shared_steps == SHARED
    time_passes(cluster)
    for node in cluster.nodes:
        assert not kept_by(node)
        assert not list(all_files(node.home / FOLDER_NAME))


def test_concepts_leave_the_phrase_in_the_cache_and_none_of_the_words(cluster: Cluster) -> None:
    words = ("nectarine on table", "tangerine on table")
    number = next(_numbers)
    together = ask_together(cluster.nodes, words, f"phrases {number}", seed=number, share="concepts", **WISHES)
    for one in together:
        one.finished()
        assert one.first(PlanMade).shared_steps == SHARED
    holder, _, kept = holder_of(cluster)
    assert kept.share == "concepts"
    assert kept.prompt not in words
    for file in all_files(holder.home / FOLDER_NAME):
        assert not [word for word in words if word.split()[0].encode() in file.read_bytes()]


def test_a_leader_that_restarts_still_knows_what_it_had_drawn(tmp_path: Path) -> None:
    with Cluster(tmp_path, ["cleo"], environment=TOY) as one:
        one.start()
        cleo = alone_with_a_group(one)
        first, _, _ = late(one, cleo, "mango on table")
        assert first.denoiser_calls == LOCAL
        end(cleo)
        restart(cleo)
        wait_for_agreement(cleo)
        other, _, _ = late(one, cleo, "orange on table")
        assert other.denoiser_calls == LOCAL, "what it keeps is known again"
        again, _, _ = late(one, cleo, "mango on table")
        assert again.denoiser_calls == TOTAL
        assert again.pixels_sha256 != first.pixels_sha256


def test_who_joins_another_cluster_takes_nothing_along(tmp_path: Path) -> None:
    """What others shared with its old cluster is not told to the leader of a new one."""
    with Cluster(tmp_path, ["cleo", "dan"], environment=TOY) as two:
        two.start()
        cleo, dan = two.nodes
        alone_with_a_group(two, dan)
        pair(cleo, dan)
        assert not kept_by(dan)
        assert not list(all_files(dan.home / FOLDER_NAME))
