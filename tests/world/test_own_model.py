"""A model of one's own: two daemons whose people have the same files in different places share, also after a restart.

Never here: who may run shared steps (`test_negotiation.py`), or the model that ships (`test_sharing.py`).
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from peerd.api.desk import Wish
from peerd.demo.cluster import Cluster
from peerd.demo.nodes import NodeProcess
from peerd.engine.model_folder import EMBEDDED_FOLDER
from peerd_protocol.notices import PlanMade
from tests.world.asking import PICTURE_S, SOON_S, Asked, ask, end, restart, until, wait_for_agreement

PROMPTS = ("apple on table", "lemon on table")
TOTAL, SHARED = 6, 3
SLOW = {"PEERD_ENGINE_SLOWDOWN": "3"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """ada's owner offers no steps and is slow, so bob runs what is shared, from its own copy of the model."""
    folder = tmp_path_factory.mktemp("own")
    with Cluster(folder, ["ada", "bob"], each={"ada": SLOW}) as two:
        make_model(folder_of(two["ada"]))
        shutil.copytree(folder_of(two["ada"]), folder_of(two["bob"]))
        two["ada"].home.mkdir(mode=0o700, parents=True, exist_ok=True)
        (two["ada"].home / "config.toml").write_text("[node]\noffers = false\n")
        two.start()
        two.pair_all()
        two.wait_for_leader(within_s=SOON_S)
        yield two


def make_model(folder: Path) -> None:
    """Another one than that which ships: it was made for other timesteps."""
    shutil.copytree(EMBEDDED_FOLDER, folder)
    scheduler = folder / "scheduler" / "scheduler_config.json"
    made_for = json.loads(scheduler.read_text())
    scheduler.write_text(json.dumps({**made_for, "timestep_spacing": "linspace"}))


def folder_of(node: NodeProcess) -> Path:
    """Where this node's people keep their model."""
    return node.home.parent / f"what-{node.name}-downloaded"


def ask_pair(*nodes: NodeProcess, group: str) -> list[Asked]:
    wishes = {"group_name": group, "group_size": 2, "wait_s": SOON_S, "steps": TOTAL, "shared": SHARED, "seed": 7}
    return [
        ask(node, prompt, model=str(folder_of(node)), **wishes) for node, prompt in zip(nodes, PROMPTS, strict=True)
    ]


def alone(node: NodeProcess, prompt: str) -> str:
    """The digest of the picture as this node makes it by itself."""
    asked = ask(node, prompt, model=str(folder_of(node)), steps=TOTAL, shared=0, seed=7)
    return asked.finished(PICTURE_S).pixels_sha256


def test_equal_files_in_different_places_are_one_model_and_share_when_first_asked_for(cluster: Cluster) -> None:
    ada, bob = cluster.nodes
    before = cluster.denoiser_calls()
    together = ask_pair(ada, bob, group="first")
    pictures = [one.finished(PICTURE_S) for one in together]
    calls = {name: calls - before[name] for name, calls in cluster.denoiser_calls().items()}
    assert calls == {"ada": TOTAL - SHARED, "bob": TOTAL}
    assert {one.first(PlanMade).executor for one in together} == {bob.client.view().id}

    (lead,) = [number for number, one in enumerate(together) if one.first(PlanMade).leads]
    # Anybody's engine makes the same bits: each prompt alone, at the node that was not asked for it before.
    same = [pictures[n].pixels_sha256 == alone(node, PROMPTS[n]) for n, node in enumerate((bob, ada))]
    assert same == [lead == 0, lead == 1]
    assert pictures[lead].exact


def test_a_node_that_was_asked_once_runs_the_model_for_others_after_a_restart(cluster: Cluster) -> None:
    ada, bob = cluster.nodes
    end(bob)
    restart(bob)
    wait_for_agreement(ada, bob)
    before = cluster.denoiser_calls()
    model = str(folder_of(ada))
    wishes = [Wish(prompt=prompt, model=model, steps=TOTAL, shared=SHARED, seed=7) for prompt in PROMPTS]

    def planned() -> bool:
        groups = ada.client.plan(wishes)["groups"]
        return [(group["shared_steps"], group["executor"]) for group in groups] == [(SHARED, bob.client.view().id)]

    until(planned, "bob tells that it has the model")
    together = ask_pair(ada, ada, group="again")
    for one in together:
        one.finished(PICTURE_S)
    calls = {name: calls - before[name] for name, calls in cluster.denoiser_calls().items()}
    assert calls == {"ada": 2 * (TOTAL - SHARED), "bob": SHARED}
