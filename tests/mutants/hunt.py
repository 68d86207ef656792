"""What kills a mutant: the first seed, in a fixed order, on which a named invariant breaks.

Run as `python -m tests.mutants.hunt NAME` by `killing`, with the mutated package before the shipped one. An exception
kills nothing: that seed is passed over. Never here: how a mutant is made.
"""

import json
import sys
from collections.abc import Iterator

from tests.mutants.catalogue import MUTANTS
from tests.simulation import calm, losses
from tests.simulation.calm import Promises
from tests.simulation.play import play
from tests.simulation.stories import drawn

SEEDS = 300
NODES = (2, 3, 5)


def hunt(where: str, first: int) -> Iterator[tuple[int, int, str]]:
    """Seed, nodes and invariant of each violation."""
    for seed in range(first, first + SEEDS):
        for nodes in NODES:
            try:
                invariants = broken(where, seed, nodes)
            except Exception:
                continue  # the mutant fell over its own feet; another seed may let it do harm first
            for invariant in invariants:
                yield seed, nodes, invariant


def broken(where: str, seed: int, nodes: int) -> list[str]:
    """The invariants that break on this seed."""
    match where:
        case "calm":
            return _broken(calm.PROMISES, seed, nodes)
        case "loss":
            return _broken(losses.PROMISES, seed, nodes)
        case _:
            return _storm(seed, nodes)


def _storm(seed: int, nodes: int) -> list[str]:
    violation = play(drawn(seed, nodes)).violation
    return [] if violation is None else [violation.invariant]


def _broken(promises: Promises, seed: int, nodes: int) -> list[str]:
    return [violation.invariant for _, violation in calm.broken(promises, seed, nodes)]


if __name__ == "__main__":
    mutant = next(mutant for mutant in MUTANTS if mutant.name == sys.argv[1])
    print(json.dumps(next(hunt(mutant.where, mutant.first), None)))
