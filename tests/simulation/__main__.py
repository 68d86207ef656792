"""`python -m tests.simulation`: play the stories of many seeds, or tell the story of one.

One seed with one number of nodes is told in words, and made short if it fails. More are counted; each violation is one
line with the command that replays it.
"""

import argparse
import os
import sys
from itertools import cycle
from time import perf_counter

from tests.simulation import campaign
from tests.simulation.minimiser import as_test, minimised
from tests.simulation.play import Play
from tests.simulation.report import Report
from tests.simulation.stories import drawn

NODES = (2, 3, 5, 8, 16)
ENOUGH = 1_000
"""From so many stories on each fault and each passage must have occurred."""
TOLD_EACH = 1_000
"""After so many stories a line says how far it is."""
SHORTENED_MAX = 1
"""Violations of one campaign that are made short; the others may have the same cause."""


def tell(seed: int, nodes: int) -> int:
    """Replay one story in words."""
    story = drawn(seed, nodes)
    outcome = Play(story, say=print).run()
    for name, (ending, picture) in sorted(outcome.endings.items()):
        print(f"{name}  {ending}  {picture.decode()}")
    if outcome.violation is None:
        print("violations: 0")
        return 0
    print(f"VIOLATION {outcome.violation}; the story made short, to be kept as a test:")
    print(as_test(minimised(story, outcome.violation.invariant), outcome.violation.invariant))
    return 1


def count(first: int, seeds: int, nodes: list[int], processes: int) -> int:
    """Play many stories, each seed with the next number of nodes, and print what they showed."""
    began_s, report, told = perf_counter(), Report(), 0
    cases = zip(range(first, first + seeds), cycle(nodes), strict=False)
    for _ in campaign.run(report, cases, processes):
        if report.stories % TOLD_EACH == 0:
            print(f"{report.stories} stories, {perf_counter() - began_s:.0f} s", file=sys.stderr, flush=True)
        for story, _, text in report.violations[told:]:
            replay = f"make simulate FIRST_SEED={story.seed} SEEDS=1 NODES={story.nodes}"
            print(f"VIOLATION {text}; {replay}", flush=True)
        told = len(report.violations)
    print(f"seeds {first} to {first + seeds - 1}, nodes {' '.join(map(str, nodes))}")
    print("\n".join(report.lines(perf_counter() - began_s)))
    for story, invariant, _ in report.violations[:SHORTENED_MAX]:
        print(as_test(minimised(story, invariant), invariant))
    print(f"violations: {len(report.violations)}")
    return 1 if report.violations or (report.stories >= ENOUGH and report.never()) else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--nodes", type=int, nargs="*", default=list(NODES))
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    if arguments.seeds == 1 and len(arguments.nodes) == 1:
        return tell(arguments.first, arguments.nodes[0])
    return count(arguments.first, arguments.seeds, arguments.nodes, arguments.processes)


if __name__ == "__main__":
    sys.exit(main())
