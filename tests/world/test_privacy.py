"""What leaves a device: every byte that its daemon hands to a network socket is written down before it is encrypted.

Never here: who may see what by the rules (`tests/protocol/`), or that strangers are kept out (`tests/peerd/network/`).
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from peerd.demo.cluster import Cluster
from peerd.demo.nodes import NodeProcess
from peerd_protocol.checkpoint import prompt_digest_of
from peerd_protocol.notices import HandedOff, PlanMade
from peerd_protocol.plan import Call
from tests.world.asking import ask, ask_together, leader_and_followers

RECORDER = Path(__file__).parent / "recorder"
NAMES = ("ada", "bob", "cleo")
TOTAL = 8
SECRETS = ("Winifred", "crimson", "apple", "blurry", "mustard")
PROMPT, NEGATIVE = "a crimson apple on the table, as Winifred likes it", "blurry mustard"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three daemons with the real model, each with its record beside its home."""
    folder = tmp_path_factory.mktemp("privacy")
    path = os.pathsep.join([str(RECORDER), os.environ.get("PYTHONPATH", "")])
    each = {name: {"PYTHONPATH": path, "RECORD_SENT_TO": str(folder / f"{name}.sent")} for name in NAMES}
    with Cluster(folder, NAMES, each=each) as three:
        three.start()
        three.pair_all()
        leader_and_followers(three)
        yield three


def sent_by(node: NodeProcess) -> bytes:
    return node.home.with_suffix(".sent").read_bytes()


def traces(prompt: str, words: tuple[str, ...], sent: bytes) -> list[str]:
    """What of these words, or of a digest of the prompt with or without its negative one, is in what was sent."""
    found = [word for word in words if word.casefold().encode() in sent.lower()]
    for negative in ("", NEGATIVE):
        digest = prompt_digest_of(call_of(prompt, negative))
        if digest.encode() in sent or bytes.fromhex(digest) in sent:
            found.append("the prompt's digest")
    return found


def call_of(prompt: str, negative: str) -> Call:
    """A call with these words; nothing else of it enters their digest."""
    return Call(
        model="", prompt=prompt, negative=negative, steps=1, seed=0, guidance=1.0, scheduler="ddim", width=8, height=8
    )


def test_the_record_is_complete_enough_to_hold_a_shared_prompt(recorded: Cluster) -> None:
    """Without this the other stories would prove nothing."""
    _, (asker, _) = leader_and_followers(recorded)
    ask(asker, "a violet plum on the table", steps=2, seed=7).finished()
    assert traces("", ("violet", "plum"), sent_by(asker)) == ["violet", "plum"]


def test_concepts_alone_leave_the_device_and_still_share(recorded: Cluster) -> None:
    _, (asker, friend) = leader_and_followers(recorded)
    wishes = {"group_name": "fruits", "group_size": 2, "wait_s": 30.0, "steps": TOTAL, "seed": 7}
    private = ask(asker, PROMPT, negative=NEGATIVE, share="concepts", **wishes)
    other = ask(friend, "lemon on table", **wishes)
    private.finished()
    other.finished()
    plan = private.first(PlanMade)
    assert plan.shared_steps > 0, plan.reason
    assert private.first(HandedOff).step > 0
    for node in recorded.nodes:
        assert traces(PROMPT, SECRETS, sent_by(node)) == [], node.name


def test_two_that_share_concepts_alone_begin_with_what_they_have_in_common(recorded: Cluster) -> None:
    _, (asker, friend) = leader_and_followers(recorded)
    prompts = ("a scarlet pear on the table", "an emerald banana on the table")
    together = ask_together([asker, friend], prompts, "quiet", share="concepts", steps=TOTAL, seed=7)
    for one in together:
        one.finished()
        assert one.first(PlanMade).shared_steps > 0
    for node in recorded.nodes:
        for prompt, words in zip(prompts, (("scarlet", "pear"), ("emerald", "banana")), strict=True):
            assert traces(prompt, words, sent_by(node)) == [], node.name


def test_nothing_leaves_of_what_is_not_to_be_shared(recorded: Cluster) -> None:
    _, (asker, _) = leader_and_followers(recorded)
    prompt = "an indigo zeppelin over the table"
    alone = ask(asker, prompt, share="nothing", steps=2, seed=7)
    alone.finished()
    for node in recorded.nodes:
        assert traces(prompt, ("indigo", "zeppelin", alone.request), sent_by(node)) == [], node.name
