"""`python -m tests.simulation.promises`: what little trouble may cost, C1 to C7, on many seeds and all cores.

    python -m tests.simulation.promises --seeds 3000                # a line for each that breaks, and how many did
    python -m tests.simulation.promises --first 641 --seeds 1       # one again

Never here: what is promised (`calm`, `losses`).
"""

import argparse
import os
import sys
from collections.abc import Iterator
from multiprocessing import get_context

from tests.simulation import calm, losses

NODES = (2, 3, 5)
PROMISES = (*calm.PROMISES, *losses.PROMISES)
CHUNK = 5


def broken(case: tuple[int, int]) -> list[str]:
    """What does not hold of this seed with so many devices."""
    seed, nodes = case
    return [f"seed {seed}, {nodes} devices, {name}: {text}" for name, text in calm.broken(PROMISES, seed, nodes)]


def all_broken(first: int, seeds: int, processes: int) -> Iterator[str]:
    cases = [(seed, nodes) for seed in range(first, first + seeds) for nodes in NODES]
    with get_context("fork").Pool(processes) as pool:
        for found in pool.imap(broken, cases, chunksize=CHUNK):
            yield from found


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=1000)
    options = parser.parse_args(arguments)
    count = 0
    for text in all_broken(options.first, options.seeds, os.cpu_count() or 1):
        count += 1
        print(text, flush=True)
    last, names = options.first + options.seeds - 1, ", ".join(promise.__name__ for promise, _ in PROMISES)
    print(f"seeds {options.first} to {last} with 2, 3 and 5 devices: {names}")
    print(f"broken: {count}")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
