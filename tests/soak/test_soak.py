"""The soak draws the same again, knows the pictures that plans promise, and adds up. Never here: real daemons."""

from pathlib import Path

from tests.soak import pictures
from tests.soak.cycle import FAULTS, PROMPTS, ROLES, drawn
from tests.soak.orders import searched
from tests.soak.record import Outcome, Record, summary


def test_a_seed_draws_the_same_cycle_again_and_seeds_draw_every_fault_at_every_role() -> None:
    cycles = [drawn(seed) for seed in range(300)]
    assert cycles == [drawn(seed) for seed in range(300)]
    met = {(cycle.fault, cycle.roles[0]) for cycle in cycles}
    assert met == {(fault, role) for fault in FAULTS for role in ROLES}
    assert {len(cycle.roles) for cycle in cycles} == {1, 2}


def test_a_picture_depends_on_whose_words_ran_its_shared_steps() -> None:
    apple = PROMPTS[0]
    assert len({pictures.shared_with(lead, apple) for lead in PROMPTS}) == len(PROMPTS)
    assert pictures.shared_with(apple, apple) == pictures.alone(apple)


def test_every_order_of_events_is_searched_once(tmp_path: Path) -> None:
    found = searched(tmp_path, depth=1)
    assert "every order of 1 events in the election of 3 nodes: " in found.line()
    assert (found.violations, found.states > 20) == (0, True)
    assert searched(tmp_path, depth=1) == found, "with its seconds: it was not searched again"
    assert searched(tmp_path, depth=2).states > found.states


def test_a_later_soak_goes_on_from_the_next_seed_and_adds_up(tmp_path: Path) -> None:
    record = Record(tmp_path)
    assert record.next_seed() == 0
    record.add(Outcome(step=3, what="executor lost after step 3", accepted=2, delivered=2, again=3, seconds=9.0))
    for seed, took_s in ((0, 0.4), (1, 0.8)):
        record.add(Outcome(seed=seed, what="leader killed", accepted=3, delivered=3, replaced_s=took_s, seconds=5.0))
    broken = ("a daemon has logged a bug",)
    record.add(Outcome(seed=2, what="origin paused", accepted=2, delivered=2, seconds=5.0, violations=broken))

    later = Record(tmp_path)
    assert (later.next_seed(), later.steps()) == (3, {3})
    told = "\n".join(summary(later.outcomes))
    assert "cycles: 4, pictures: 10, seconds: 24" in told
    assert "leader killed, replaced: 2 times, p50 0.40 s, p99 0.80 s, max 0.80 s" in told
    assert "make soak FIRST_SEED=2 CYCLES=1: a daemon has logged a bug" in told
    assert told.endswith("violations: 1")
