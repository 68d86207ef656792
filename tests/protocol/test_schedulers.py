"""The schedulers' names and their counting of steps."""

import pytest

from peerd_protocol.errors import LocalError
from peerd_protocol.schedulers import DEFAULT_SCHEDULER, SCHEDULERS, calls_per_run


@pytest.mark.parametrize(
    ("name", "steps", "calls"), [("ddim", 11, 11), ("heun", 6, 11), ("pndm", 11, 12), ("flow_heun", 1, 1)]
)
def test_calls_of_a_run(name: str, steps: int, calls: int) -> None:
    assert calls_per_run(name, steps) == calls


def test_an_unknown_name_is_answered_with_the_choices() -> None:
    with pytest.raises(LocalError, match="There is no scheduler 'foo'; choose one of ddim, ddpm"):
        calls_per_run("foo", 5)


@pytest.mark.parametrize(("name", "steps"), [("ddim", 0), ("pndm", 1), ("lcm", 51), ("euler", 1001)])
def test_steps_that_a_scheduler_can_not_make_are_refused(name: str, steps: int) -> None:
    with pytest.raises(LocalError, match=f"The scheduler {name} takes"):
        calls_per_run(name, steps)


def test_the_default_is_one_of_them() -> None:
    assert DEFAULT_SCHEDULER in SCHEDULERS
