"""The page's section on who decides, and how it replaces an older one. Never here: deciding or marking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from examples.quality import deciding
from examples.quality.curve_report import plain
from examples.quality.deciding import Compared
from examples.quality.statistics import verdict
from examples.quality.study import ASKED, SCHEDULERS, STEPS, Study
from peerd.planning import calibration
from peerd.planning.calibration import WISHES

TITLE = "## Who decides: fixed, table, probe"
DECIDES = f"""COUNT near and middle pairs that the planner lets share, as groups of {deciding.MEMBERS}; a probe's
look at each counted as {deciding.LOOK_CALLS} calls. Each against what is offered beside it, mixed so that it makes as
many calls."""
ASKED_FOR = """Calibrating found no look that is worth its calls. The *probe asked for* looks all the same: which look,
bound and steps do best was found out on calibration's half of all prompts ([looks.md](looks.md) says how), and is
carried out here as peerd does it. A pair of which neither prompt differs more than the bound leaves late, any other
early."""
KEPT = """What each wish cost on these pairs, by the judge, against what it allows:"""
HINDSIGHT = """the most that a look could bring which lets pairs leave after one or the other of two of the fixed
numbers, both and its bound chosen from these very outcomes:"""
FORESIGHT = """Whether either can know beforehand which members come out as asked (0.5: by chance):"""
NONE_FITS = "no look has two things to say and keeps the wish"


def section(study: Study, compared: Mapping[str, Sequence[Compared]]) -> list[str]:
    """Its lines, the title first."""
    lines = [TITLE, "", DECIDES.replace("COUNT", str(len(study.linked(SCHEDULERS[0])))), ""]
    if any(row.way.startswith(ASKED) for rows in compared.values() for row in rows):
        lines += [ASKED_FOR, "", *_looks(study, compared), ""]
    for name, rows in compared.items():
        none = ["Nobody is probed with this scheduler by the calibration as shipped, or time ran out."]
        lines += [f"{name}:", "", *(table(rows) if rows else none), ""]
    lines += [KEPT, "", "| scheduler, wish | may lose | pairs | steps shared | lost | kept |", "|---" * 6 + "|"]
    for name in SCHEDULERS:
        for row in study.wishes_kept(name):
            answer = "yes" if row.lost.mean <= WISHES[row.wish] else "**no**"
            way = row.way.removeprefix("table, ")
            lines.append(
                f"| {name}, {way} | {100 * WISHES[row.wish]:.0f} | {row.pairs} | {row.shared:.2f} of {STEPS} | "
                f"{row.lost.signed()} | {answer} |"
            )
    lines.append("")
    for name in SCHEDULERS:
        lines += [f"{name}: {HINDSIGHT}", "", *table(study.hindsight(name)), ""]
    lines += [FORESIGHT, "", "| scheduler, shared | who foresees | area under the curve |", "|---|---|---|"]
    for name in SCHEDULERS:
        for after in (5, 7):
            for who, area in study.foresight(name, after):
                lines.append(f"| {name}, {after} of {STEPS} | {who} | {plain(area)} |")
    return [*lines, ""]


def table(rows: Sequence[Compared]) -> list[str]:
    """As Markdown."""
    lines = [
        "| who decides | calls a picture | as asked | against, at equal calls | as asked | difference |",
        "|---" * 6 + "|",
    ]
    for row in rows:
        rival = f"{row.rival}, of {row.rival_calls:.2f} calls" if row.calls_apart else row.rival
        lines.append(
            f"| {row.way} | {row.calls:.2f} | {row.asked.points()} | {rival} | {row.rival_asked.points()} | "
            f"{row.difference.signed()} ({verdict(row.difference, row.way.split(',')[0], row.rival.split(',')[0])}) |"
        )
    return lines


def in_place_of_older(page: str, lines: Sequence[str]) -> str:
    """The page with this section where an older one of the same title stands."""
    before, title, rest = page.partition(f"{lines[0]}\n")
    if not title:
        raise ValueError(f"There is no section {lines[0]!r} to replace.")
    _, following, after = rest.partition("\n## ")
    return before + "\n".join(lines) + following + after


def rows_in_place_of_older(page: str, rows: Sequence[str]) -> str:
    """The page with these rows of a table where older ones of the same first cell stand."""
    newer = {row.split(" | ")[0]: row for row in rows}
    return "\n".join(newer.get(line.split(" | ")[0], line) for line in page.split("\n"))


def _looks(study: Study, compared: Mapping[str, Sequence[Compared]]) -> list[str]:
    """What each asked-for probe does, and how often it says something else than the table."""
    lines = ["| scheduler, wish | looks | leave late | leave early | otherwise than the table |", "|---" * 5 + "|"]
    for name, rows in compared.items():
        probed = {row.wish: row for row in rows if row.rival == "table"}
        for wish in WISHES:
            row, glances = probed.get(wish), calibration.looks(study.asked.measured, name, STEPS, wish)
            if row is None or not glances:
                lines.append(f"| {name}, {wish} | never: {NONE_FITS} | | | |")
                continue
            (bound, late), *_, (_, early) = glances[0].stays
            share = row.unlike / row.difference.pairs
            lines.append(
                f"| {name}, {wish} | in step {glances[0].step} | after {late} of {STEPS}, up to {bound:.3f} | "
                f"after {early} | {row.unlike} of {row.difference.pairs} ({100 * share:.1f} %) |"
            )
    return lines
