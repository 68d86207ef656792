"""`python -m examples.quality`: measure what is missing, within the minutes given, and write the page.

Here the study, the clock and the model meet. Never here: arithmetic.
"""

from __future__ import annotations

import argparse
import time
import warnings

from examples.quality import report
from examples.quality.curve import Course
from examples.quality.engine_road import differs
from examples.quality.goals import Goal, goals_table
from examples.quality.making import make
from examples.quality.pairs import pairs, scenes_for_testing
from examples.quality.pictures import Look, alone, blend, of_legs, shared
from examples.quality.planners import Planner
from examples.quality.sampler import Sampler
from examples.quality.sets import wishes
from examples.quality.sheet import draw_sheet
from examples.quality.study import CROWDS, DECIDING, SCHEDULERS, STEPS, Study
from examples.quality.tools import quiet
from examples.quality.workshop import RESULTS, STATE, asked_for, calibrated, model, open_archive

DIFFERENCE_MAX = 1e-3
"""What the batches may differ from the engine in any number of a latent or of a look: hundreds of times rounding."""
SHEET_ROWS = 6


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=38, help="stop making pictures after so long (38)")
    parser.add_argument("--processes", type=int, default=2, help="one a core (2)")
    parser.add_argument("--parts", help="make only these, by the names that the progress shows; comma between (all)")
    parser.add_argument(
        "--only", choices=["deciding"], help="measure who decides alone, and renew no more than that on the page"
    )
    options = parser.parse_args()
    begun = time.monotonic()
    until = begun + 60 * options.minutes
    warnings.filterwarnings("ignore")
    quiet()
    sampler, archive = Sampler(), open_archive()
    off = check(sampler)
    prompts = sorted(
        {scene.prompt for one in wishes(CROWDS) for scene in one.scenes} | {s.prompt for s in scenes_for_testing()}
    )
    embeddings = dict(zip(prompts, sampler.loaded.embed(prompts), strict=True))
    study = Study(archive, *(Planner(embeddings, model(), known) for known in (calibrated(), asked_for())))
    chosen = options.parts.split(",") if options.parts else [what for what, _ in study.parts]
    chosen = list(DECIDING) if options.only else chosen
    missing = {
        what: make(archive, things(), until if what in chosen else 0, options.processes, what)
        for what, things in study.parts
        if what in DECIDING or not options.only
    }
    if options.only and any(missing.values()):
        print("Time ran out; run it again and it goes on. Missing:", missing)
        return
    RESULTS.mkdir(parents=True, exist_ok=True)
    found = report.renew_deciding(study, RESULTS) if options.only else whole_page(study, sampler, missing, off)
    print("\n".join(goals_table(found)))
    print(f"\n{(time.monotonic() - begun) / 60:.0f} minutes. Written to {RESULTS / report.PAGE}.")
    print(f"What was measured is kept in {STATE}.")
    if any(missing.values()):
        print("Time ran out; run it again and it goes on. Missing:", missing)


def whole_page(study: Study, sampler: Sampler, missing: dict[str, int], off: float) -> list[Goal]:
    """All of it, with its pictures."""
    near = [pair for pair in pairs(SHEET_ROWS) if pair.kind == "near"]
    draw_sheet(sampler, Course(SCHEDULERS[0], STEPS, blended=True), near, RESULTS / "sheet.png")
    return report.write(study, RESULTS, missing, off, study.seeds_apart())


def check(sampler: Sampler) -> float:
    """Loud if the batches are not what the engine makes."""
    first, second, third = "an apple on the table", "a lemon on the table", "a pear on the table"
    worst = 0.0
    for scheduler in (*SCHEDULERS, "dpmpp_2m", "lcm", "tcd"):
        blended = shared(blend((first, second)), second, 7, 5, scheduler, STEPS)
        pictures = [
            alone(first, 5, scheduler, STEPS),
            shared(first, second, 5, 5, scheduler, STEPS),
            blended,
            of_legs([(blend((first, second, third)), 3), (second, 6), (third, STEPS)], 5, scheduler),
        ]
        worst = max(worst, differs(sampler, pictures, [Look(blended, 1), Look(blended, 3)]))
    if worst > DIFFERENCE_MAX:
        raise SystemExit(f"The batched sampler differs from the engine by {worst:.1e}; nothing here would be true.")
    print(f"The batched sampler differs from the engine by at most {worst:.1e}.", flush=True)
    return worst


if __name__ == "__main__":
    main()
