"""Stories of a shelf without room: numbers in, victims out."""

from hypothesis import given
from hypothesis import strategies as st

from peerd.eviction import UNIT_BYTES, Room, Weight, make_room, priority

KIB = 1024


def weight(calls: int, size_bytes: int = KIB, hits: int = 0, age: float = 0.0) -> Weight:
    return Weight(size_bytes, priority(age, calls, hits, size_bytes))


def test_the_formula_is_calls_saved_by_its_uses_per_mebibyte_above_the_age() -> None:
    assert priority(0.0, calls_saved=5, hits=0, size_bytes=UNIT_BYTES) == 5.0
    assert priority(2.5, calls_saved=5, hits=3, size_bytes=UNIT_BYTES) == 22.5
    assert priority(0.0, calls_saved=5, hits=0, size_bytes=UNIT_BYTES // 4) == 20.0


def test_where_there_is_room_nobody_goes() -> None:
    assert make_room({"a": weight(3)}, 1.5, 2 * KIB, weight(1)) == Room(True, (), 1.5)


def test_the_one_whose_bytes_save_least_goes_first() -> None:
    kept = {"long run": weight(9), "short run": weight(2), "popular": weight(2, hits=8), "large": weight(9, 3 * KIB)}
    room = make_room(kept, 0.0, 6 * KIB, weight(9))
    assert room.victims == ("short run",)
    assert room.age == kept["short run"].priority
    room = make_room(kept, 0.0, 4 * KIB, weight(10))
    assert room.victims == ("short run", "large")


def test_of_equals_the_longest_unused_goes() -> None:
    assert make_room({"old": weight(5), "new": weight(5)}, 0.0, 2 * KIB, weight(5)).victims == ("old",)


def test_a_newcomer_that_would_go_first_is_not_let_in_and_costs_nobody_the_place() -> None:
    room = make_room({"a": weight(5), "b": weight(6)}, 0.0, 2 * KIB, weight(1))
    assert (room.admitted, room.victims) == (False, ())


def test_what_is_larger_than_the_shelf_changes_nothing() -> None:
    assert make_room({"a": weight(5)}, 0.5, 2 * KIB, weight(900, 3 * KIB)) == Room(False, (), 0.5)


def test_a_lowered_bound_makes_the_least_worth_go() -> None:
    kept = {"a": weight(5), "b": weight(1), "c": weight(3)}
    assert make_room(kept, 0.0, 2 * KIB).victims == ("b",)
    assert set(make_room(kept, 0.0, 0).victims) == {"a", "b", "c"}


def test_what_was_popular_once_goes_at_last_though_all_newcomers_are_worth_little() -> None:
    """Also where the newcomers are worth so little that they are refused at first: refusals age the shelf too."""
    age, refused, admitted = 0.0, 0, False
    while not admitted:
        room = make_room({"star of last year": weight(10, hits=20)}, age, KIB, weight(1, age=age))
        age, admitted, refused = room.age, room.admitted, refused + 1
    assert 200 <= refused <= 220, "as many newcomers as it once saved calls"


Shelves = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=3),
    st.builds(weight, st.integers(1, 50), st.integers(1, 9 * KIB), st.integers(0, 5), st.floats(0, 100)),
    max_size=12,
)


@given(Shelves, st.floats(0, 100), st.integers(0, 20 * KIB), st.integers(1, 50), st.integers(1, 9 * KIB))
def test_the_bound_holds_the_age_never_falls_and_no_victim_was_worth_more_than_who_stays(
    kept: dict[str, Weight], age: float, bytes_max: int, calls: int, size_bytes: int
) -> None:
    kept = {name: one for name, one in kept.items() if not make_room(kept, 0.0, bytes_max).victims.count(name)}
    newcomer = weight(calls, size_bytes, age=age)
    room = make_room(kept, age, bytes_max, newcomer)
    stay = {name: one for name, one in kept.items() if name not in room.victims}
    if room.admitted:
        stay["newcomer"] = newcomer
    assert sum(one.size_bytes for one in stay.values()) <= bytes_max
    assert room.age >= age
    for victim in room.victims:
        assert all(kept[victim].priority <= one.priority for name, one in stay.items() if name in kept)
        assert kept[victim].priority <= newcomer.priority
