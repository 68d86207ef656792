"""Who decides: the probe of those who ask for one can say two things, pays for its looks, and its goal tells it so."""

import random
from collections.abc import Callable

import numpy as np
import pytest

from examples.quality import asked_probe, deciding, deciding_report
from examples.quality.archive import Seen
from examples.quality.curve import Course
from examples.quality.deciding import Compared, Way
from examples.quality.goals import probe
from examples.quality.look_kinds import FULL, TODAY
from examples.quality.look_trials import Tried
from examples.quality.pairs import Pair, Scene
from examples.quality.pictures import Picture
from examples.quality.statistics import Estimate
from examples.quality.vocabulary import PLACE_NAMES, THINGS
from peerd.planning import calibration
from peerd.planning.calibration import Band, Calibration, Row
from peerd_protocol.plan import Quality

TOTAL = 11
PAIRS = 80
COURSE = Course("ddim", TOTAL, blended=True)


def tried(knows: bool, least: int = 4, most: int = 9) -> list[Tried]:
    """Pairs of which half bear `least` steps and half `most`; the look knows which, or is dice."""
    chance, found = random.Random(3), []
    for number in range(PAIRS):
        largest = (least, most)[number % 2]
        seen = [1.5 - 0.05 * largest + 0.01 * chance.random() if knows else 1 + chance.random() / 2 for _ in range(6)]
        looks = {FULL: {TODAY: seen}}
        found.append(Tried("ddim", f"a {number}", f"b {number}", number, 0.7, (largest, largest), looks))
    return found


def table(steps: int) -> Callable[[object], int]:
    return lambda picture: steps


def test_a_look_that_knows_lets_those_stay_that_bear_it_and_says_of_others_what_the_table_says() -> None:
    known = asked_probe.pictures_of(tried(knows=True))
    found = asked_probe.asked_for("ddim", "balanced", known, table(4), TOTAL)
    assert found is not None and (found.early, found.late, found.lifted, found.lost) == (4, 9, True, 0.0)
    answers = {(picture.largest, found.probing.steps(picture, TOTAL)) for picture in known}
    assert (4, 4) in answers and (9, 9) in answers and (4, 9) not in answers
    assert found.steps > found.table == 4


def test_a_look_that_brings_less_than_it_costs_is_found_all_the_same() -> None:
    known = asked_probe.pictures_of(tried(knows=True, least=4, most=5))
    found = asked_probe.asked_for("ddim", "fast", known, table(4), TOTAL)
    assert found is not None and (found.early, found.late) == (4, 5)
    assert found.steps - found.table < asked_probe.LOOK_STEPS


def test_nobody_stays_longer_than_the_most_similar_where_a_look_has_two_things_to_say() -> None:
    known = asked_probe.pictures_of(tried(knows=True))
    words = lambda picture: 4 if picture.pair % 4 else 7  # noqa: E731
    found = asked_probe.asked_for("ddim", "balanced", known, words, TOTAL)
    assert found is not None and (found.early, found.late, found.lifted) == (4, 7, False)


def test_what_loses_too_much_is_no_probe_even_for_those_who_ask() -> None:
    known = asked_probe.pictures_of(tried(knows=False, least=4, most=4))
    assert asked_probe.asked_for("ddim", "balanced", known, table(4), TOTAL) is None


def test_the_probe_is_the_shipped_table_with_a_look_in_it_and_reads_back() -> None:
    wishes: tuple[Quality, ...] = ("strict", "balanced", "fast")
    rows = [Row(scheduler="ddim", total=TOTAL, quality=wish, bands=(Band(0.45, 4 / TOTAL),)) for wish in wishes]
    other = Row(scheduler="lcm", total=4, quality="fast", bands=(Band(0.45, 0.5),))
    shipped = Calibration(model="0" * 64, guidance=3.0, pairs=86, seed=1, rows=(*rows, other))
    found, asked = asked_probe.calibration_of(shipped, {"ddim": tried(knows=True)}, TOTAL)
    assert calibration.parse(calibration.dump(found)) == found
    assert [row.bands for row in found.rows] == [row.bands for row in shipped.rows] and found.rows[-1] == other
    for one in asked:
        (glance,) = calibration.looks(found, "ddim", TOTAL, one.wish)
        assert [step for _, step in glance.stays] == [one.late, one.early] == [9, 4]
    assert len(asked_probe.table_of_asked(asked, TOTAL)) == 2 + len(asked)


def a_pair(seed: int) -> Pair:
    return Pair(Scene("lemon", "table"), Scene("apple", "table"), "near", seed)


def saw(picture: Picture) -> Seen:
    """The apple of an even seed comes out whatever is shared, that of an odd one after fewer than 5 steps."""
    shared = picture.legs[0][1] if len(picture.legs) > 1 else 0
    noun = "apple" if picture.seed % 2 == 0 or shared < 5 else "lemon"
    return Seen(
        np.eye(len(THINGS))[THINGS.index(noun)], np.eye(len(PLACE_NAMES))[PLACE_NAMES.index("table")], np.zeros(4)
    )


def test_a_probe_that_knows_pays_for_its_looks() -> None:
    pairs = [a_pair(seed) for seed in range(40)]
    tables = [Way("table, fast", dict.fromkeys(pairs, 4), wish="fast"), Way("fixed 7", dict.fromkeys(pairs, 7))]
    knows = Way("probe, fast", {pair: (7, 4)[pair.seed % 2] for pair in pairs}, looks=40, wish="fast")
    assert knows.calls(TOTAL) == TOTAL - 5.5 / 2 + deciding.LOOK_CALLS
    found = deciding.compare(COURSE, knows, tables, "table", saw)
    assert found.rival_calls == found.calls and found.unlike == 20
    assert found.asked.mean == 1 and found.unpaid is not None
    assert found.unpaid.mean > found.difference.mean > 0


def test_rivals_that_make_more_calls_are_told_with_their_own() -> None:
    pairs = [a_pair(seed) for seed in range(4)]
    tables = [Way("table, fast", dict.fromkeys(pairs, 4), wish="fast")]
    found = deciding.compare(COURSE, Way("probe, fast", dict.fromkeys(pairs, 7), 4, "fast"), tables, "table", saw)
    assert (found.calls, found.rival_calls) == (8.0, 9.0)
    (line,) = deciding_report.table([found])[2:]
    assert "table, of 9.00 calls" in line and found.unpaid is None


def estimate(mean: float) -> Estimate:
    return Estimate(mean, mean - 0.01, mean + 0.01, 40)


def compared(mean: float, unlike: int, rival: str = "table") -> Compared:
    return Compared(
        "probe asked for, fast", 9.0, estimate(0.9), rival, estimate(0.9), estimate(mean), "fast", 9.0, unlike,
        estimate(0.02),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("mean", "unlike", "reached", "why"),
    [
        (0.0, 10, True, ""),
        (0.0, 0, False, "always says what the table says"),
        (0.0, 40, False, "never says what the table says"),
        (
            -0.005,
            10,
            False,
            "no difference is seen: what looks foresee brings less than they cost (looks.md); were they free, +2.0",
        ),
        (-0.02, 10, False, "is worse: what looks foresee brings less than they cost (looks.md); were they free, +2.0"),
    ],
)
def test_the_goal_of_the_probe(mean: float, unlike: int, reached: bool, why: str) -> None:
    goal = probe("ddim", [compared(mean, unlike), compared(-1.0, 40, "fixed")])
    assert goal.reached is reached and why in goal.why
    assert f"otherwise than the table for {unlike} of 40" in goal.measured


def test_a_probe_that_nobody_has_reaches_nothing() -> None:
    assert probe("ddim", []).reached is None
    assert probe("ddim", [compared(0.0, 3, "fixed")]).reached is False


def test_a_section_and_its_goals_are_renewed_and_nothing_else() -> None:
    page = "# Page\n\n| a | old | no |\n| b | old | no |\n\n## Who\n\nolder\n\n## Next\n\n| c | old | no |\n"
    newer = deciding_report.in_place_of_older(page, ["## Who", "", "newer", ""])
    assert newer == page.replace("older", "newer")
    assert deciding_report.rows_in_place_of_older(newer, ["| b | new | yes |"]) == newer.replace(
        "| b | old | no |", "| b | new | yes |"
    )
    with pytest.raises(ValueError, match="no section"):
        deciding_report.in_place_of_older(page, ["## Whoever", ""])
