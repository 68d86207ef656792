"""Words that can not be granted, at a lone node: one sentence on stderr, JSON alone on stdout, and nothing is lost.

Never here: trouble with the daemon itself (`test_daemon_trouble.py`).
"""

import json
import subprocess
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from peerd.api.wire import PairingLine
from peerd.demo.cluster import pair
from peerd.demo.nodes import NodeProcess, stop_all
from peerd.pairing_news import TokenMade
from tests.world.asking import TOY, ask, begin, open_requests_of, peerd, restart, the_sentence

GENERATE = ("generate", "apple on table", "--steps", "4")


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[NodeProcess]]:
    """ada and bob, strangers to each other."""
    folder = tmp_path_factory.mktemp("words")
    strangers = [NodeProcess(name, folder / name, TOY) for name in ("ada", "bob")]
    try:
        restart(*strangers, options=("--no-mdns",))
        yield strangers
    finally:
        stop_all(strangers)


def _refusals(folder: Path) -> dict[tuple[str, ...], tuple[int, str]]:
    """The words, the exit code they deserve, and what the sentence must say. Most of what the daemon never hears of is
    told in `tests/peerd/test_cli.py`."""
    return {
        ("generate", "  "): (2, "The prompt is empty"),
        (*GENERATE, "--shared", "4"): (1, "at least one step is the request's own"),
        (*GENERATE, "--model", str(folder)): (1, "is not a model folder"),
        (*GENERATE, "--model", "sdxl"): (1, "There is no model 'sdxl'"),
        (*GENERATE, "--out", str(folder / "no" / "where.png")): (1, "There is no folder"),
        ("join", "rubbish", "--yes"): (1, "token"),
    }


def test_each_is_one_sentence_and_json_stays_alone_on_stdout(nodes: list[NodeProcess], tmp_path: Path) -> None:
    ada = nodes[0]
    refusals = _refusals(tmp_path)
    asked = {words: begin(ada.home, *words, "--json") for words in refusals}
    for words, (code, said) in refusals.items():
        ended = _ended(asked[words])
        sentence = the_sentence(ended.stderr)
        assert (ended.returncode, said in sentence) == (code, True), (words, sentence)
        assert json.loads(ended.stdout) == {"error": sentence}, words
    assert open_requests_of(ada) == []
    ask(ada, "apple on table", steps=1).finished()


def test_without_a_daemon_the_sentence_says_how_to_start_one(tmp_path: Path) -> None:
    for words in (("status",), GENERATE):
        ended = peerd(tmp_path / "nobody", *words, "--json")
        assert ended.returncode == 1
        assert "start one with `peerd up`" in the_sentence(ended.stderr)
        assert json.loads(ended.stdout)["error"]
    assert not (tmp_path / "nobody").exists()


def test_a_wrong_a_garbled_and_a_used_token_let_nobody_in(nodes: list[NodeProcess]) -> None:
    ada, bob = nodes
    clusters = {node.name: node.client.view().cluster for node in nodes}
    first, token = _invitation(ada)
    middle = len(token) // 2
    garbled = token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]
    for wrong in (garbled, token[:-3], token[::-1]):
        ended = peerd(bob.home, "join", wrong, "--yes", "--json")
        assert ended.returncode == 1
        assert json.loads(ended.stdout)["error"] == the_sentence(ended.stderr)
    first.close()  # the window is shut, and its token with it
    ended = peerd(bob.home, "join", token, "--yes")
    assert ended.returncode == 1
    assert "Ask for a new one" in the_sentence(ended.stderr)
    assert {node.name: node.client.view().cluster for node in nodes} == clusters

    pair(ada, bob)
    ended = peerd(bob.home, "join", token, "--yes")
    assert ended.returncode == 1
    assert "alone" in the_sentence(ended.stderr)
    assert {node.client.view().cluster for node in nodes} == {clusters["ada"]}


def _invitation(node: NodeProcess) -> tuple[Generator[PairingLine, None, None], str]:
    news = node.client.invite(minutes=1)
    made = next(news)
    assert isinstance(made, TokenMade)
    return news, made.token


def _ended(process: "subprocess.Popen[str]") -> "subprocess.CompletedProcess[str]":
    with process:
        stdout, stderr = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)
