"""What witnesses might write, with one promise broken in each story: the checker names it. Never here: real daemons."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.soak.checker import CHECKED, Checker
from tests.soak.healing import Healing
from tests.soak.testimony import Line, Witnesses

FIRST, SECOND = [1, "A", "a1"], [2, "B", "b1"]
NAMES = ("ada", "bob")


def line(at_s: float, by: str, what: str, **told: Any) -> Line:
    return {"t": at_s, "by": by, "is": what, **told}


def lives() -> list[Line]:
    """Ada leads and bob follows; bob asks for a picture, is given a checkpoint and delivers."""
    attempt = [FIRST, 1]
    plan = {"request": "r", "group": "g", "attempt": attempt}
    return [
        line(0.0, "ada", "born", node="A", boot="a1", term=None),
        line(0.0, "bob", "born", node="B", boot="b1", term=None),
        line(0.5, "ada", "connected", peer="B"),
        line(0.5, "bob", "connected", peer="A"),
        line(1.0, "ada", "turned", role="lead", term=FIRST, leader="A"),
        line(1.0, "ada", "kept term", term=FIRST),
        line(1.0, "ada", "revealed", term=FIRST),
        line(1.1, "bob", "turned", role="follow", term=FIRST, leader="A"),
        line(1.1, "bob", "kept term", term=FIRST),
        line(1.1, "bob", "revealed", term=FIRST),
        line(2.0, "bob", "kept request", request="r"),
        line(2.0, "bob", "announced", request="r"),
        line(2.1, "ada", "commanded", term=FIRST),
        line(2.2, "bob", "obeyed", sender="A", term=FIRST, accepted=FIRST),
        line(3.0, "bob", "offered", digest="d", **plan),
        line(3.1, "bob", "bound", request="r", digest="d"),
        line(3.1, "bob", "begun", start="d", resumes=False, **plan),
        line(4.0, "bob", "delivered", request="r", path="r.png", pixels="p"),
        line(4.0, "bob", "closed request", request="r"),
        line(4.0, "bob", "told", request="r", ending="finished"),
    ]


def changed(what: str, by: str, **told: Any) -> list[Line]:
    return [{**each, **told} if (each["is"], each["by"]) == (what, by) else each for each in lives()]


def without(what: str) -> list[Line]:
    return [each for each in lives() if each["is"] != what]


def test_nothing_is_wrong_with_a_life_as_it_should_be() -> None:
    checker = Checker()
    assert checker.hear(lives()) == []
    assert all(checker.judged[invariant] for invariant in CHECKED)


@pytest.mark.parametrize(
    ("invariant", "lines"),
    [
        ("I1", [*lives(), line(5.0, "bob", "turned", role="lead", term=FIRST, leader="A")]),
        ("I1", [*lives(), line(5.0, "bob", "turned", role="lead", term=[2, "B", "another"], leader="B")]),
        ("I2", [*lives(), line(5.0, "bob", "turned", role="join", term=None, leader=None)]),
        ("I2", [*lives(), line(5.0, "bob", "born", node="B", boot="b2", term=None)]),
        ("I2", without("kept term")),
        ("I3", changed("turned", "bob", leader="C")),
        ("I3", changed("obeyed", "bob", sender="C")),
        ("I4", changed("obeyed", "bob", term=SECOND)),
        ("I4", changed("commanded", "ada", term=SECOND)),
        ("I7", without("kept request")),
        ("I7", [each for each in lives() if each["is"] not in ("told", "delivered")]),
        ("I8", [*lives(), line(5.0, "bob", "delivered", request="r", path="r.png", pixels="q")]),
        ("I8", [*lives(), line(5.0, "bob", "told", request="r", ending="failed")]),
        ("I9", without("bound")),
        ("I9", without("offered")),
        ("I9", changed("begun", "bob", start="e")),
        ("I9", changed("begun", "bob", attempt=[FIRST, 2])),
    ],
)
def test_a_broken_promise_is_named(invariant: str, lines: list[Line]) -> None:
    checker = Checker()
    found = [*checker.hear(lines), *checker.ended()]
    assert {violation.split()[0] for violation in found} >= {invariant}, found


def test_a_leader_that_comes_late_or_leaves_without_a_fault_is_told() -> None:
    healing = Healing(NAMES)
    healed = healing.healed(lives(), healed_s=0.0, interval_s=1.0)
    assert (healed.connected_s, healed.one_leader_s, healed.violations) == (0.5, 1.1, ())
    assert healing.calm([]) == []
    (told,) = healing.calm([line(9.0, "ada", "turned", role="join", term=FIRST, leader=None)])
    assert told.startswith("I6 ")

    back = [line(19.0, "ada", "turned", role="lead", term=[3, "A", "a1"], leader="A")]
    late = healing.healed(
        [*back, line(19.1, "bob", "turned", role="follow", term=[3, "A", "a1"], leader="A")], 9.0, 1.0
    )
    assert [violation.split()[0] for violation in late.violations] == ["I5", "I6"]
    assert healing.leaderless == {"ada"}


def test_a_machine_that_stood_still_is_no_broken_promise() -> None:
    healing = Healing(NAMES)
    late = [{**each, "t": each["t"] + 30.0} for each in lives() if each["is"] == "turned"]
    stood = line(15.0, "bob", "stalled", seconds=14.0)
    healed = healing.healed([*(each for each in lives() if each["is"] != "turned"), stood, *late], 0.0, 1.0)
    assert (healed.stalled_s, healed.violations) == (14.0, ())


def test_testimonies_are_told_once_in_the_order_of_time_and_without_what_was_never_finished(tmp_path: Path) -> None:
    files = {name: tmp_path / f"{name}.events" for name in NAMES}
    witnesses = Witnesses(files)
    assert witnesses.more() == []
    files["ada"].write_text('\n{"t": 2.0, "is": "born"}\n{"t": 3.0, "is"')
    files["bob"].write_text('\n{"t": 1.0, "is": "born"}\n')
    assert [(each["by"], each["t"]) for each in witnesses.more()] == [("bob", 1.0), ("ada", 2.0)]
    with files["ada"].open("a") as file:  # the next life begins with a new line
        file.write("\n" + json.dumps({"t": 4.0, "is": "born"}) + "\n")
    assert [each["t"] for each in witnesses.more()] == [4.0]
