"""`peerd` as a person types it, against real daemons with the toy engine: good days, and words for bad ones."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from peerd.demo.cluster import Cluster
from peerd.demo.nodes import NodeProcess
from tests.world.processes import ROOT

PYTHONPATH = os.pathsep.join([str(ROOT), str(ROOT / "protocol"), os.environ.get("PYTHONPATH", "")])
TOY = {"PEERD_ENGINE": "toy", "PYTHONPATH": PYTHONPATH}
FRUITS = ("--steps", "11", "--shared", "5", "--seed", "41", "--group", "fruits:2")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """ada and bob, who have met."""
    with Cluster(tmp_path_factory.mktemp("pair"), ["ada", "bob"], environment=TOY) as cluster:
        cluster.start()
        cluster.pair_all()
        cluster.wait_for_leader()
        yield cluster


def start(node: NodeProcess | Path, *words: str, **environment: str) -> "subprocess.Popen[str]":
    home = node if isinstance(node, Path) else node.home
    return subprocess.Popen(
        [sys.executable, "-m", "peerd", *words],
        env={**os.environ, **TOY, "PEERD_HOME": str(home), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    try:
        stdout, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, stdout, stderr


def answer(process: "subprocess.Popen[str]") -> Any:
    code, stdout, stderr = end(process)
    assert code == 0, stderr
    return json.loads(stdout)


def test_two_people_share_a_beginning_and_the_one_who_led_gets_exactly_their_own_picture(
    pair: Cluster, tmp_path: Path
) -> None:
    ada, bob = pair.nodes
    asked = [
        (node, prompt, start(node, "generate", prompt, *FRUITS, "--out", str(tmp_path / f"{node.name}.png"), "--json"))
        for node, prompt in ((ada, "apple on table"), (bob, "lemon on table"))
    ]
    told = [(node, prompt, answer(process)) for node, prompt, process in asked]
    assert sorted(picture["denoiser_calls"] for _, _, picture in told) == [6, 6]
    assert all(picture["shared_steps"] == 5 and len(picture["shared_with"]) == 1 for _, _, picture in told)
    assert sum(picture["leads"] for _, _, picture in told) == 1
    for node, prompt, picture in told:
        assert Path(picture["path"]).read_bytes().startswith(b"\x89PNG")
        alone = answer(start(node, "generate", prompt, "--steps", "11", "--shared", "0", "--seed", "41", "--json"))
        assert alone["denoiser_calls"] == 11
        assert (alone["pixels_sha256"] == picture["pixels_sha256"]) == picture["leads"]


def test_status_names_leader_members_and_endpoints(pair: Cluster) -> None:
    told = [answer(start(node, "status", "--json")) for node in pair.nodes]
    assert told[0]["leader"] == told[1]["leader"] != None  # noqa: E711 - one chain says all three
    assert {member["name"] for member in told[0]["members"]} == {"ada", "bob"}
    for view in told:
        host, _, port = view["endpoints"][0].removeprefix("tcp://").rpartition(":")
        with socket.create_connection((host, int(port)), timeout=5):
            pass
    (peer,) = answer(start(pair["ada"], "peers", "--json"))
    assert (peer["name"], peer["status"]) == ("bob", "alive")


def test_a_plan_counts_the_calls_that_it_would_save_and_runs_nothing(pair: Cluster) -> None:
    before = pair.denoiser_calls()
    prompts = ("apple on table", "lemon on table", "orange on table", "pear on table")
    told = answer(start(pair["bob"], "plan", *prompts, "--steps", "11", "--shared", "5", "--json"))
    assert (told["denoiser_calls"], told["denoiser_calls_alone"]) == (29, 44)
    assert [sorted(group["prompts"]) for group in told["groups"]] == [sorted(prompts)]
    assert {"seconds", "seconds_alone", "handoff_bytes"} <= told.keys()
    assert pair.denoiser_calls() == before


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["generate", "apple", "--steps", "5", "--shared", "5"], "at least one step is the request's own"),
        (["generate", "apple", "--model", "sdxl"], "There is no model 'sdxl'"),
        (["generate", "apple", "--model", "/"], "is not a model"),
        (["generate", "apple", "--out", "/no/such/folder/apple.png"], "There is no folder /no/such/folder"),
        (["join", "rubbish", "--yes"], "only a node that is alone may join"),
    ],
)
def test_what_the_daemon_can_not_grant_is_one_sentence(pair: Cluster, words: list[str], sentence: str) -> None:
    code, stdout, stderr = end(start(pair["ada"], *words))
    assert (code, stdout) == (1, "")
    assert sentence in stderr
    assert len(stderr.strip().splitlines()) == 1


def test_ctrl_c_cancels_and_the_node_goes_on(pair: Cluster) -> None:
    ada = pair["ada"]
    running = start(ada, "generate", "a slow walk", "--group", "nobody:2", "--wait", "60")
    assert running.stdout is not None
    assert "the leader" in running.stdout.readline()
    running.send_signal(signal.SIGINT)
    code, _, stderr = end(running)
    assert code == 130
    assert "Cancelled." in stderr
    assert answer(start(ada, "generate", "apple", "--steps", "2", "--json"))["total_steps"] == 2


def test_a_device_comes_in_by_invite_and_join_and_a_token_works_once(pair: Cluster, tmp_path: Path) -> None:
    ada = pair["ada"]
    cleo = NodeProcess("cleo", tmp_path / "cleo", TOY)
    late = NodeProcess("late", tmp_path / "late", TOY)
    try:
        for node in (cleo, late):
            node.start("--port", "0")
        for node in (cleo, late):
            node.wait_until_up()
        inviting = start(ada, "invite", "--yes", "--json")
        assert inviting.stdout is not None
        token = json.loads(inviting.stdout.readline())["token"]
        code, joined, _ = end(start(cleo, "join", token, "--yes"))
        assert code == 0
        code, invited, _ = end(inviting)
        assert code == 0
        words = json.loads(invited.splitlines()[0])["words"]
        assert words in joined, "both sides show the same check words"
        code, _, stderr = end(start(late, "join", token, "--yes"))
        assert code == 1
        assert len(stderr.strip().splitlines()) == 1
    finally:
        for node in (cleo, late):
            node.kill()


def test_one_home_has_one_daemon_and_a_port_one_listener(pair: Cluster, tmp_path: Path) -> None:
    code, _, stderr = end(start(pair["ada"], "up"))
    assert code == 1
    assert "already runs on" in stderr
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen(1)
        code, _, stderr = end(start(tmp_path, "up", "--port", str(taken.getsockname()[1])))
    assert code == 1
    assert len([line for line in stderr.splitlines() if line.startswith("peerd: ")]) == 1


def test_up_tells_programs_where_it_is_and_why_it_can_not_be(pair: Cluster, tmp_path: Path) -> None:
    running = start(tmp_path, "up", "--name", "solo", "--no-mdns", "--json")
    assert running.stdout is not None
    told = json.loads(running.stdout.readline())
    view = NodeProcess("solo", tmp_path).client.view()
    assert (told["name"], told["id"], told["endpoints"]) == ("solo", view.id, list(view.endpoints))
    assert (told["home"], told["api"]) == (str(tmp_path), str(tmp_path / "api.sock"))
    running.send_signal(signal.SIGTERM)
    code, stdout, _ = end(running)
    assert (code, stdout) == (0, "")
    code, stdout, _ = end(start(pair["ada"], "up", "--json"))
    assert code == 1
    assert "already runs on" in json.loads(stdout)["error"]


@pytest.mark.parametrize("goodbye", [signal.SIGTERM, signal.SIGINT])
def test_up_says_when_it_is_ready_and_says_goodbye(tmp_path: Path, goodbye: signal.Signals) -> None:
    running = start(tmp_path, "up", "--name", "solo", "--no-mdns")
    assert running.stdout is not None
    word, name, node, endpoint, *_ = running.stdout.readline().split()
    assert (word, name) == ("ready", "solo")
    assert len(node) > 50
    assert endpoint.startswith("tcp://")
    running.send_signal(goodbye)
    code, _, _ = end(running)
    assert code == 0
