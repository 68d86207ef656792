"""The published page: goals first, then every table, and the charts beside it. Never here: measuring."""

from __future__ import annotations

from pathlib import Path

from examples.quality import deciding_report, far, sets_report
from examples.quality.curve import Course
from examples.quality.curve_report import Curves, curve_chart, equal_calls_chart, table, title
from examples.quality.goals import Goal, goals, goals_table, probe
from examples.quality.study import SCHEDULERS, SHORT, STEPS, Study

PAGE, MARK = "quality.md", "<!-- written by make quality -->"
HEAD = """# What sharing costs, measured

Made by `make quality`. The embedded model, guidance 3, 128 px. A *member* lets the first steps of its run be made
together with another prompt's, and then goes on alone. *Blended*, as peerd plans it: the shared steps run with the mean
of what the text encoder makes of all prompts that share them. *By the lead's prompt*, as in the paper: one of the
prompts runs them alone. Near pairs are two things of one kind in one place, middle ones keep the place or the thing,
far ones neither.

Who judges: a small classifier that was trained on renderings and never on generated pictures
(`examples/embedded_model/judge.py`). Who groups: the planner, with WordNet's graph and the model's own text encoder.
They are different models, and neither sees what the other knows. Calibration measured CALIBRATED pairs of one half of
all prompts; everything here is of the other half. Model MODEL.

- *As asked*: the judge sees the right thing in the right place. *Leak*: it sees the other prompt's thing instead (of
  two prompts for one thing: the other's place).
- *Distance*: the finished latent's rms from the one made alone (0: the same picture; two seeds of one prompt: SEEDS).
- *At equal calls*: alone with as many steps as the group's denoiser calls divided by its members; where that is no
  whole number, so many of the runs take the next one that the mean is the same.
- *8 members*: these pictures are of two prompts, their calls are counted as if eight shared the beginning. The sets of
  eight below are whole.
- The blended curves hold PICTURES members' pictures, each beside its own
  made alone.
- Brackets: 95 % intervals over redrawn prompt pairs, whose number stands in each row (for sets, over
  redrawn sets), never over pictures. All numbers but distances and calls are percents.
"""

TREES = """*Ways*: wishes for 5 to 11 kin things in one place, each said in several ways (a kitten, a red bird, a nice
cat). *Things*: different things of every kind, in one place or in two that are alike. Calls are counted on the trees as
they ran."""
SHORT_SAID = """Near pairs, blended. The model was not distilled for LCM or TCD; the row without shared steps says
whether it bears so few."""


def write(study: Study, folder: Path, missing: dict[str, int], differs: float, seeds: float) -> list[Goal]:
    """The page and its charts into `folder`; the goals."""
    folder.mkdir(parents=True, exist_ok=True)
    blended = {
        Course(name, STEPS, blended=True): study.curves(Course(name, STEPS, blended=True)) for name in SCHEDULERS
    }
    led = {Course(name, STEPS): study.curves(Course(name, STEPS)) for name in SCHEDULERS}
    eights, trees = study.fared(study.eights), study.fared(study.trees)
    sorted_out = study.sorted_out()
    compared = {name: study.compared(name) for name in SCHEDULERS}
    found = goals(blended, eights, trees, sorted_out, compared)
    measured = study.planner.measured
    head = HEAD.replace("SEEDS", f"{seeds:.2f}").replace("MODEL", study.planner.model[:12])
    head = head.replace("CALIBRATED", str(measured.pairs if measured else "no"))
    known = sum(curve.pairs * len(curve.spots) for curves in blended.values() for curve in curves.values())
    head = head.replace("PICTURES", f"{known:,}")
    lines = [head, "## Goals", "", *goals_table(found), ""]
    if any(missing.values()):
        short = ", ".join(f"{count} of {name}" for name, count in missing.items() if count)
        lines += [f"Time ran out before these pictures were made: {short}. Run it again: it goes on from there.", ""]
    lines += ["![As asked, against denoiser calls](equal-calls.svg)", ""]
    for course, curves in (blended | led).items():
        name = f"curve-{course.scheduler}{'' if course.blended else '-lead'}.svg"
        (folder / name).write_text(curve_chart(course, curves))
        how = "blended" if course.blended else "by the lead's prompt"
        lines += [
            f"## The curve: {course.scheduler}, {how}",
            "",
            *table(course, curves),
            "",
            f"![{title(course)}]({name})",
            "",
        ]
    (folder / "equal-calls.svg").write_text(equal_calls_chart(blended))
    lines += [
        "A near pair a row: the other prompt's own picture, then the member's after 0, .27, .45, .64 and .82 of the "
        "steps, blended.",
        "",
        "![Pictures](sheet.png)",
        "",
    ]
    lines += ["## Sets of eight kin things in one place", "", *sets_report.table(eights), ""]
    lines += ["## Trees: sets of 16, 24 and 32", "", TREES, "", *sets_report.table(trees), ""]
    lines += ["## Whom the planner lets share", "", *far.table(sorted_out), ""]
    lines += deciding_report.section(study, compared)
    lines += [*_short(study, folder)]
    lines += ["## The sampler", "", "Thousands of pictures need batches. A handful of them, made by the engine's own "
              f"road too, differed by at most {differs:.1e} in any number of the latent.", ""]  # fmt: skip
    (folder / PAGE).write_text("\n".join(lines))
    _headline(folder.parent / "README.md", goals_table(found))
    return found


def renew_deciding(study: Study, folder: Path) -> list[Goal]:
    """Who decides anew, in the page and README as they are: its section and its goals, which are returned."""
    compared = {name: study.compared(name) for name in SCHEDULERS}
    found = [probe(name, rows) for name, rows in compared.items()]
    page, readme = folder / PAGE, folder.parent / "README.md"
    page.write_text(deciding_report.in_place_of_older(page.read_text(), deciding_report.section(study, compared)))
    for path in (page, readme):
        path.write_text(deciding_report.rows_in_place_of_older(path.read_text(), goals_table(found)[2:]))
    return found


def _headline(readme: Path, rows: list[str]) -> None:
    """Puts the goals where the README keeps them."""
    before, _, rest = readme.read_text().partition(f"{MARK}\n")
    _, _, after = rest.partition(f"{MARK}\n")
    readme.write_text(f"{before}{MARK}\n\n" + "\n".join(rows) + f"\n\n{MARK}\n{after}")


def _short(study: Study, folder: Path) -> list[str]:
    measured: dict[Course, Curves] = {course: study.short_curves(course) for course in SHORT}
    lines = ["## Short runs", "", SHORT_SAID, ""]
    for course, curves in measured.items():
        lines += [f"{title(course)}:", "", *table(course, curves), ""]
    (folder / "short.svg").write_text(equal_calls_chart(measured, columns=2))
    return [*lines, "![Short runs](short.svg)", ""]
