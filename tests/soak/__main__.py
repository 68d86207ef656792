"""`python -m tests.soak`: real daemons under faults that seeds draw, for so many minutes; a later soak goes on.

First every order of a few events is tried in the election of three nodes, if the protocol has changed since that was
done. Then the executor of a shared run is lost after each step, if no soak has done so yet. Then one line a cycle, and
at the end the summary of all soaks. Each daemon has a network of its own where this program may make one; else all are
on loopback, which is told, and the cycles that need more are left out, each with its reason. Exit code 1: a promise was
broken; the command that draws that cycle again is told.
"""

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import chain, count, islice, takewhile
from pathlib import Path
from typing import TypeVar

from peerd.demo.cluster import Cluster
from tests.soak.cycle import drawn
from tests.soak.every_step import SHARED, three, undisturbed
from tests.soak.faults import why_not
from tests.soak.house import House, house, memory_folder
from tests.soak.namespaces import why_not as why_no_street
from tests.soak.orders import Searched, searched
from tests.soak.play import play, play_loss, trio, warm
from tests.soak.record import Outcome, Record, summary

FOLDER = Path(__file__).parents[2] / ".work" / "soak"
STEP_S = 1.0
"""A run whose executor is lost leaves its first spare after four of eight shared steps, by time."""

Case = TypeVar("Case")


def lost_steps(steps: Iterator[int], on_street: bool) -> Iterator[Outcome]:
    def begin(house: House) -> Callable[[int], Outcome]:
        expected = undisturbed(house.cluster)
        return lambda step: play_loss(house, step, expected, STEP_S)

    return _in_houses(steps, lambda folder, mark: three(folder, STEP_S, mark), begin, on_street)


def cycles(seeds: Iterator[int], on_street: bool) -> Iterator[Outcome]:
    def begin(house: House) -> Callable[[int], Outcome | None]:
        warm(house)

        def one(seed: int) -> Outcome | None:
            cycle = drawn(seed)
            if reason := why_not(cycle.fault, house):
                print(f"seed {seed}: {cycle.what} is left out: {reason}", flush=True)
                return None
            return play(house, cycle)

        return one

    return _in_houses(seeds, trio, begin, on_street)


def _in_houses(
    cases: Iterator[Case],
    make: Callable[[Path, Mapping[str, str]], Cluster],
    begin: Callable[[House], Callable[[Case], Outcome | None]],
    on_street: bool,
) -> Iterator[Outcome]:
    """One house for all cases; after a violation a new one, and the logs of the old one are kept."""
    for first in cases:
        with memory_folder("peerd-soak-") as folder:
            with house(folder, make, on_street=on_street) as made:
                one = begin(made)
                for case in chain((first,), cases):
                    outcome = one(case)
                    if outcome is None:
                        continue
                    if outcome.violations:
                        made.keep_logs(FOLDER / outcome.name.replace(" ", "-"))
                    yield outcome
                    if outcome.violations:
                        break
            told = ", ".join(f"{invariant} {times}" for invariant, times in made.checker.judged.items())
            print(f"held against the witnesses: {told}; I5 and I6 once a cycle", flush=True)
            if left := made.strays():
                raise SystemExit("; ".join(left))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--first", type=int, help="the first seed; else the one after the last soak's")
    parser.add_argument("--cycles", type=int, help="so many and no more")
    parser.add_argument("--step", type=int, choices=range(1, SHARED + 1), help="lose the executor after this step only")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # homes, daemons and namespaces are taken down
    minutes: float = options.minutes
    record, deadline_s = Record(FOLDER), time.monotonic() + minutes * 60
    orders: Searched | None = None

    reason = why_no_street()
    on_street = not reason
    print("each daemon in a network namespace" if on_street else f"all daemons on loopback: {reason}", flush=True)

    def in_time(_: int) -> bool:
        return time.monotonic() < deadline_s

    if options.step:
        outcomes = lost_steps(iter([options.step]), on_street)
    elif options.first is not None:
        outcomes = cycles(takewhile(in_time, islice(count(options.first), options.cycles)), on_street)
    else:
        orders = searched(FOLDER)
        print(orders.line(), flush=True)
        steps = [step for step in range(1, SHARED + 1) if step not in record.steps()]
        seeds = islice(count(record.next_seed()), options.cycles)
        outcomes = chain(lost_steps(takewhile(in_time, steps), on_street), cycles(takewhile(in_time, seeds), on_street))
    broken = orders.violations if orders is not None else 0
    for outcome in outcomes:
        record.add(outcome)
        print(outcome.line(), flush=True)
        broken += len(outcome.violations)
    print("\n".join(summary(record.outcomes)))
    if orders is not None:
        print(orders.line())
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
