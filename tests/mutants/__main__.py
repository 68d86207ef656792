"""`python -m tests.mutants [WORD...]`: kill every mutant (whose name has one of the words) and print the table."""

import sys
from concurrent.futures import ThreadPoolExecutor

from tests.mutants.catalogue import MUTANTS
from tests.mutants.killing import kill


def main(words: list[str]) -> int:
    chosen = [mutant for mutant in MUTANTS if not words or any(word in mutant.name for word in words)]
    survivors = 0
    print(f"{'mutant':50} {'killed by':9} {'seed':>5} {'nodes':>5} {'seconds':>7}")
    with ThreadPoolExecutor(2) as pool:
        for mutant, death in zip(chosen, pool.map(kill, chosen), strict=True):
            survivors += not death.by
            seed, nodes = ("" if value is None else str(value) for value in (death.seed, death.nodes))
            print(f"{mutant.name:50} {death.by or 'SURVIVES':9} {seed:>5} {nodes:>5} {death.seconds:7.1f}", flush=True)
    print(f"{len(chosen)} mutants, {survivors} survive")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
