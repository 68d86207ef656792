"""`python -m tests.fuzzing [--runs N] [DOOR ...]`: knock at each door so often; a later campaign goes on.

A line a door, and the sum of all campaigns. Exit code 1: a door let something through; its bytes lie beside the corpus.
"""

import argparse
import json
import sys
from pathlib import Path

from tests.fuzzing.campaign import ROOT, knock
from tests.fuzzing.doors import DOORS

FOLDER = ROOT / ".work" / "fuzzing"
ROUND = 1_000_000
"""Runs of one process: what was reached is written down after each."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000_000, help="of each door, earlier campaigns included")
    parser.add_argument("doors", nargs="*", metavar="DOOR", default=[], help=f"of {', '.join(DOORS)}")
    options = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    broken = 0
    for door in options.doors or DOORS:
        broken += _campaign(door, options.runs, FOLDER / door.replace(" ", "-"))
    return 1 if broken else 0


def _campaign(door: str, runs: int, corpus: Path) -> int:
    log = corpus.with_suffix(".json")
    told = json.loads(log.read_text()) if log.exists() else {"runs": 0, "seconds": 0.0, "peak_mb": 0, "crashes": 0}
    while told["runs"] < runs:
        outcome = knock(door, min(ROUND, runs - told["runs"]), corpus)
        told["runs"] += outcome.runs
        told["seconds"] += outcome.seconds
        told["peak_mb"] = max(told["peak_mb"], outcome.peak_mb)
        told["crashes"] += bool(outcome.trouble)
        log.write_text(json.dumps(told))
        if outcome.trouble:
            print(outcome.trouble)
            break
    print(
        f"{door:12} {told['runs']:>12,} executions, {told['seconds']:8.0f} s, at most {told['peak_mb']} MB,"
        f" {told['crashes']} crashes",
        flush=True,
    )
    return int(told["crashes"])


if __name__ == "__main__":
    sys.exit(main())
