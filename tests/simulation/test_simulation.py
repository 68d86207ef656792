"""Seeds of the simulation that must pass, and what all of them together must have seen.

`make simulate` plays more, and replays the one that fails.
"""

import copy
from dataclasses import replace

import pytest

from tests.simulation import calm, campaign, losses
from tests.simulation.faults import KINDS, Crash
from tests.simulation.invariants import Violation
from tests.simulation.minimiser import as_test, minimised
from tests.simulation.play import Play, play
from tests.simulation.report import REQUESTS, ROLES, Report
from tests.simulation.stories import Story, drawn

SEEDS = {2: 160, 3: 120, 5: 50, 8: 20, 16: 5}
"""Half a minute on one slow core; `make simulate` is for more."""


@pytest.fixture(scope="module")
def report() -> Report:
    played = Report()
    for nodes, seeds in SEEDS.items():
        for seed in range(seeds):
            story = drawn(seed, nodes)
            played.add(story, play(story))
    return played


def test_all_invariants_hold_under_every_fault(report: Report) -> None:
    assert [text for _, _, text in report.violations] == []


def test_every_fault_and_every_passage_occurs(report: Report) -> None:
    assert set(report.faults) == {kind.__name__ for kind in KINDS}
    assert set(report.roles) >= ROLES
    assert set(report.requests) >= REQUESTS


@pytest.mark.parametrize(("seed", "nodes"), [(2_004_658, 8)])
def test_a_story_of_a_campaign_is_not_broken_any_more(seed: int, nodes: int) -> None:
    """A candidate yielded for half its interval, and went on battery, whose interval is longer, meanwhile."""
    assert play(drawn(seed, nodes)).violation is None


@pytest.mark.parametrize("nodes", [2, 3, 5])
def test_little_trouble_changes_no_more_than_it_must(nodes: int) -> None:
    for seed in range(15):
        calm.hold(calm.PROMISES, seed, nodes)


@pytest.mark.parametrize("nodes", [2, 3, 5])
def test_a_lost_device_costs_no_more_than_it_must(nodes: int) -> None:
    for seed in range(5):
        calm.hold(losses.PROMISES, seed, nodes)


@pytest.mark.parametrize(("seed", "nodes"), [(14, 3), (394, 3), (641, 5), (690, 3), (1116, 2), (1207, 5), (1885, 5)])
def test_a_loss_that_cost_more_once_does_so_no_more(seed: int, nodes: int) -> None:
    """Trees whose leader was lost, one that a branch without members cried for, members that missed it a second apart,
    and spares that overtook the offer that they are of.
    """
    calm.hold(losses.PROMISES, seed, nodes)


def test_most_requests_share_and_nearly_all_finish(report: Report) -> None:
    assert report.endings["finished"] > 4 * (report.endings["failed"] + report.endings["cancelled"])


def test_a_violation_that_another_process_found_is_told_here() -> None:
    told = copy.copy(Violation("I1", "two leaders of one term"))  # by the same way as between processes
    assert (told.invariant, str(told)) == ("I1", "I1 two leaders of one term")


def test_a_seed_tells_the_same_story_again() -> None:
    assert play(drawn(11, 5)) == play(drawn(11, 5))


def test_a_fault_that_hits_nobody_changes_nothing() -> None:
    """So what a kind of fault changes can be told by leaving it out."""
    story = replace(drawn(11, 3), faults=(), engineless=())
    outcome = play(replace(story, faults=(Crash(12.0, "worker", 1.0, refuses=True), *story.faults)))
    assert outcome.faults in ({}, {"Crash": 1})
    assert outcome.faults or outcome.gist == play(story).gist


def test_stories_are_dealt_out_whole() -> None:
    report = Report()
    for _ in campaign.run(report, [(seed, 2) for seed in range(3)], processes=1):
        pass
    assert report.stories == 3
    assert sum(report.compared.plays.values()) > 0


def test_a_failing_story_is_made_as_short_as_it_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here every crash breaks something, so that one crash is what is left."""
    asked = Play._do

    def fragile(self: Play, fault: object) -> None:
        if isinstance(fault, Crash):
            raise Violation("I0", "a crash")
        asked(self, fault)  # type: ignore[arg-type]

    monkeypatch.setattr(Play, "_do", fragile)
    story = next(story for story in (drawn(seed, 2) for seed in range(9)) if any(map(_is_crash, story.faults)))
    short = minimised(story, "I0")
    assert [type(fault) for fault in short.faults] == [Crash]
    assert short.asks == ()
    assert _read(as_test(short, "I0")) == short


def _is_crash(fault: object) -> bool:
    return isinstance(fault, Crash)


def _read(text: str) -> Story:
    return eval(text, {"Story": Story, "Crash": Crash})  # type: ignore[no-any-return]
