"""What leaves a device: every byte that its daemon hands to a network socket is written down before it is encrypted,
with who can read it.

Never here: who may see what by the rules (`tests/protocol/`), or that strangers are kept out (`tests/peerd/network/`).
"""

from collections.abc import Sequence

import pytest

from peerd.demo.cluster import Cluster
from peerd_protocol.messages import HandoffBegin, Submit
from peerd_protocol.notices import HandedOff, PlanMade
from tests.world import record
from tests.world.asking import Asked, ask, ask_together, leader_and_followers, promises_of
from tests.world.record import Sent, traces

NAMES = ("ada", "bob", "cleo")
TOTAL = 8
TRIES_MAX = 5
NEGATIVE = "blurry mustard"


@pytest.fixture
def recorded(real_cluster: Cluster) -> Cluster:
    """Its record holds other stories too; nothing that is looked for here is said there."""
    leader_and_followers(real_cluster)
    return real_cluster


def embedding_of(cluster: Cluster, prompt: str) -> bytes:
    """As the engine reads this prompt: a follower that shares it sends that to its leader. Its words leave with it."""
    _, (follower, _) = leader_and_followers(cluster)
    for _ in range(TRIES_MAX):  # an engine that is busy for a moment is not asked
        shown = ask(follower, prompt, steps=1)
        shown.finished()
        for _, message in record.messages(record.read([follower])):
            if isinstance(message, Submit) and message.request.id == shown.request and message.request.embedding:
                return message.request.embedding
    raise AssertionError("no engine was free to read a prompt")


def assert_hidden(cluster: Cluster, *prompts: tuple[str, tuple[str, ...]]) -> None:
    """Of no prompt anything has left any device. The record is read first: to learn an embedding reveals its words."""
    sent = record.read(cluster.nodes)
    for prompt, words in prompts:
        assert traces(sent, prompt, words, [NEGATIVE], embedding_of(cluster, prompt)) == [], prompt


def test_the_record_is_complete_enough_to_hold_a_shared_prompt(recorded: Cluster) -> None:
    """Without this the other stories would prove nothing."""
    leader, (asker, _) = leader_and_followers(recorded)
    prompt = "a violet plum on the table"
    embedding = embedding_of(recorded, prompt)
    sent = record.read(recorded.nodes)
    assert traces(sent, prompt, ("violet", "plum"), embedding=embedding) == ["violet", "plum", "its embedding"]
    told = {(each.sender, each.receiver) for each in sent if b"violet" in each.data}
    assert told == {(asker.name, leader.name), (leader.name, asker.name)}, "the leader tells the plan to its asker"


def test_concepts_alone_leave_the_device_and_still_share(recorded: Cluster) -> None:
    """The leader hides its words as a follower does, from one who shows them."""
    leader, (asker, friend) = leader_and_followers(recorded)
    hidden = (
        ("a crimson apricot on the table, as Winifred likes it", ("Winifred", "crimson", "apricot", *NEGATIVE.split())),
        ("a scarlet pear on the table", ("scarlet", "pear")),
    )
    wishes = {"group_name": "fruits", "group_size": 3, "wait_s": 30.0, "steps": TOTAL, "seed": 7}
    private = [
        ask(node, prompt, negative=NEGATIVE if node is leader else "", share="concepts", **wishes)
        for node, (prompt, _) in zip((leader, asker), hidden, strict=True)
    ]
    other = ask(friend, "lemon on table", **wishes)
    for one in (*private, other):
        one.finished()
    for one in private:
        plan = one.first(PlanMade)
        assert plan.shared_steps > 0, plan.reason
    assert [handoff for one in private for handoff in one.notices if isinstance(handoff, HandedOff) and handoff.step]
    assert_hidden(recorded, *hidden)


def test_two_that_share_concepts_alone_begin_with_what_they_have_in_common(recorded: Cluster) -> None:
    leader, (asker, _) = leader_and_followers(recorded)
    hidden = (
        ("an ochre peach on the table", ("ochre", "peach")),
        ("an emerald banana on the table", ("emerald", "banana")),
    )
    prompts = [prompt for prompt, _ in hidden]
    for one in ask_together([leader, asker], prompts, "quiet", share="concepts", steps=TOTAL, seed=7):
        one.finished()
        assert one.first(PlanMade).shared_steps > 0
    assert_hidden(recorded, *hidden)


def test_a_shared_prompt_is_seen_by_the_leader_and_by_who_runs_the_shared_steps_or_stands_by_alone(
    recorded: Cluster,
) -> None:
    """Nor does a picture leave its asker."""
    leader, followers = leader_and_followers(recorded)
    asked = {
        leader.name: ("a turquoise apple on the table", ("turquoise",)),
        followers[0].name: ("a maroon lemon on the table", ("maroon",)),
        followers[1].name: ("a beige orange on the table", ("beige",)),
    }
    before = len(record.read(recorded.nodes))
    nodes = [recorded[name] for name in asked]
    together = ask_together(nodes, [prompt for prompt, _ in asked.values()], "open", steps=TOTAL, seed=7)
    for one in together:
        one.finished()
    assert leader_and_followers(recorded)[0] is leader, "this story has one leader"
    names = {node.client.view().id: node.name for node in recorded.nodes}
    of_these = [plan for plan in promises_of(leader) if {one.request for one in together} & {*plan.requests}]
    standbys = {names[plan.standby] for plan in of_these if plan.standby}
    helpers = executors_of(recorded, together) | standbys
    sent = record.read(recorded.nodes)
    assert len(sent) > before
    for origin, (prompt, words) in asked.items():
        for receiver in {*NAMES} - {origin}:
            seen = set(traces(of(sent, receiver), prompt, words)) & {*words}
            if receiver == leader.name:
                assert seen == {*words}, "the leader plans by it"
            elif receiver not in helpers:
                assert not seen, f"{receiver} sees what {origin} asked"
        unknown = [each for each in sent if each.receiver not in NAMES]
        assert traces(unknown, prompt, words) == [], "to nobody else"
    pictures = [m for _, m in record.messages(sent) if isinstance(m, HandoffBegin) and m.what == "picture"]
    assert not pictures


def executors_of(cluster: Cluster, together: Sequence[Asked]) -> set[str]:
    """The names of those who run the shared steps of these."""
    names = {node.client.view().id: node.name for node in cluster.nodes}
    plans = [one.first(PlanMade) for one in together]
    assert any(plan.shared_steps for plan in plans), plans[0].reason
    return {names[plan.executor] for plan in plans if plan.shared_steps}


def of(sent: Sequence[Sent], receiver: str) -> list[Sent]:
    return [each for each in sent if each.receiver == receiver]


def test_nothing_leaves_of_what_is_not_to_be_shared(recorded: Cluster) -> None:
    leader, (asker, _) = leader_and_followers(recorded)
    prompts = ("an indigo zeppelin over the table", "a khaki submarine under the table")
    words = (("indigo", "zeppelin"), ("khaki", "submarine"))
    alone = [
        ask(node, prompt, share="nothing", steps=2, seed=7)
        for node, prompt in zip((asker, leader), prompts, strict=True)
    ]
    for one in alone:
        one.finished()
    hidden = [(prompt, (*said, one.request)) for prompt, said, one in zip(prompts, words, alone, strict=True)]
    assert_hidden(recorded, *hidden)
