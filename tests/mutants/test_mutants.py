"""A few mutants die quickly; `make mutants` kills them all. A mutant whose text is gone is an error."""

from pathlib import Path

import pytest

from tests.mutants.catalogue import MUTANTS
from tests.mutants.killing import kill
from tests.mutants.mutant import StaleError, swap

BY_NAME = {mutant.name: mutant for mutant in MUTANTS}
QUICK = {
    "a claim is revealed before it is on disk": "I2",
    "no leader yields to another": "I6",
    "bind not remembered": "I9",
    "a joiner doesn't listen": "C1",
    "what came before a branch counts as its own run": "C6",
    "a request waits for its named group again": "C7",
}


@pytest.mark.parametrize("name", QUICK)
def test_a_mutant_is_killed_by_the_invariant_that_it_breaks(name: str) -> None:
    assert kill(BY_NAME[name]).by == QUICK[name]


def test_every_mutant_still_finds_its_text(tmp_path: Path) -> None:
    assert len(BY_NAME) == len(MUTANTS)
    for number, mutant in enumerate(MUTANTS):
        mutant.write(tmp_path / str(number))


def test_a_text_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StaleError, match="0 times"):
        swap("stale", "terms.py", "no such text", "").write(tmp_path)
