"""`python -m examples.quality.look_worth`: whether any look at a blended beginning, however cheap, is worth its calls.

Looks at pairs of the half of all prompts that calibration is made of, finds out how long each pair may share as
calibration does, and writes results/looks.md: what each statistic of a look foresees, and what it would save on pairs
that its rule was not fitted to, against deciding blindly. Never here: looking (`look_trials.py`), or the rules
themselves (`peerd.planning.probing`).
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from examples.quality.asked_probe import calibration_of, table_of_asked
from examples.quality.look_kinds import CALLS, FULL, TODAY, looks_for
from examples.quality.look_trials import LOOKS, Notebook, Tried, portions, try_out
from examples.quality.statistics import Estimate, ranked
from examples.quality.study import SCHEDULERS, STEPS
from examples.quality.workshop import ASKED, RESULTS, STATE, calibrated, model
from peerd.planning.calibration import WISHES, dump
from peerd.planning.calibration_pairs import Pair, choose, prompts
from peerd.planning.fitting import table_of
from peerd.planning.losing import PAIRS_MIN, Bound, Picture
from peerd.planning.probing import FOLDS, GROUP, Table, fitter, left_out
from peerd.planning.probing import Tried as Left
from peerd.planning.similarity import read, similarity

if TYPE_CHECKING:
    from examples.quality.sampler import Sampler

PAGE = "looks.md"
SEED = 1
DICE = 12
"""Statistics that are dice: what fitting a rule to them brings is no look's merit."""
AS_NOW = "today's statistic"
LESS = "less "
KEPT_AT = (6, 7, 8)
"""Shared steps for which foresight is told: at fewer nearly all pictures are still their own."""
HEAD = """# What a look at a shared beginning could be worth

Made by `python -m examples.quality.look_worth`; COUNT pairs of the half of all prompts that calibration is made of,
groups of two, STEPS steps. Model MODEL. How long a pair may share is found as `peerd models calibrate` finds it.

A look during a blended beginning has the predictions of no words, of the mean of both prompts, and of each prompt.
Made *in place of the step* (both prompts' rows for the mean's, whose mean is then the step's prediction) it costs a
member of a pair a quarter of a call, *at half the resolution* an eighth, and what *the run's own predictions* tell is
free. A shared step saves half a call, so looks must bring twice their calls in steps.

Everything that chooses here chooses in hindsight: the statistic, the step of the look and the sign are those that did
best on these very pairs. What has to choose beforehand does no better.
"""
FORESIGHT = """## What is foreseen

The chance that a pair of which both pictures are still their own is told from one where one is lost (0.5: by chance;
95 % intervals over redrawn pairs). *Dice*: the best of as many tries with statistics that are dice; what lies below is
no foresight.
"""
WORTH = """## What it would save

Steps shared by pairs that the rule was not fitted to, in the mean, where the share lost there keeps the wish.
*Blindly*: the best of the calibrated words, of one number of steps for all, and of a rule fitted to dice, in the mean
of all dice. *Dice*: how much more the luckiest of them brings; what a look brings below that may be luck. Then for each
way to look its best statistic: steps more than blindly, and what it must bring. *Bounded*: nobody stays longer than the
most similar by their words, as calibration has it; *free*: to the last step but one. Free rules believe the model's
own judgement where calibration does not: it is kinder than the judge, who says in [quality.md](quality.md) (*Who
decides*, the most that a look could bring) what leaving that late costs on other pairs.
"""

ASKED_FOR = """## The probe of those who ask for one

Worth its calls or not: the product's look, at half a call, whose two answers let pairs share most that it was not
fitted to, under the rules of calibration. One of both is an answer of the table, so that it neither always says what
the table says nor never. Late is no later than the table lets the most similar leave; where no look so bounded has two
things to say, it is any step but the last (*lifted*). *Must bring*: steps that pay for the look. What became of it on
other pairs: [quality.md](quality.md), *Who decides*.
"""


@dataclass(frozen=True, slots=True)
class Found:
    """A look that did best: steps more than deciding blindly, and by what."""

    way: str
    gain: float
    lost: float
    name: str
    step: int

    @property
    def needed(self) -> float:
        """Steps that it must bring."""
        looks = looks_for(self.name.removeprefix(LESS), self.step)
        return looks * CALLS[self.way] / (1 - 1 / GROUP)

    @property
    def net(self) -> float:
        """Steps that it brings beyond its calls."""
        return self.gain - self.needed


@dataclass(frozen=True, slots=True)
class Worth:
    """One scheduler, wish and bound: what deciding blindly gives, and the best look of each way."""

    scheduler: str
    wish: str
    bound: str
    pairs: int
    blind: float
    by: str
    dice: float
    """Steps more that the best of all dice brings: what lies below may be chance."""
    best: tuple[Found, ...]


def pictures(tried: Sequence[Tried], values: np.ndarray) -> list[Picture]:
    """The sides of these pairs. `values` (pairs by looks) become ranks: rules only compare."""
    ranks = (values.argsort(0).argsort(0) + 1) / len(values)
    return [
        Picture(number, one.similarity, largest, tuple(ranks[number]))
        for number, one in enumerate(tried)
        for largest in one.largest
        if largest >= 0
    ]


def statistics(tried: Sequence[Tried]) -> Iterator[tuple[str, str, np.ndarray]]:
    """Way, name and values (pairs by looks) of every statistic, and of its opposite."""
    for way, named in tried[0].looks.items():
        for name in named:
            values = np.asarray([one.looks[way][name] for one in tried])
            yield way, name, values
            yield way, f"{LESS}{name}", -values


def dice(count: int) -> Iterator[np.ndarray]:
    """Values of as many pairs that say nothing."""
    chance = np.random.default_rng(SEED)
    for _ in range(DICE):
        yield chance.random((count, LOOKS))


def one_number(total: int, wish: float) -> Callable[[Sequence[Picture]], Table]:
    """Everyone leaves after the most steps that keep the wish over all of them together."""

    def fit(known: Sequence[Picture]) -> Table:
        bound = Bound(known, SEED)
        kept = (k for k in range(total - 1, 0, -1) if bound.keeps(wish, [one for one in known if one.largest < k]))
        most = next(kept, 0)
        return lambda picture: most

    return fit


def worth(scheduler: str, tried: Sequence[Tried], total: int, quality: str, wish: float) -> Iterator[Worth]:
    """What looks could save under one wish: bounded by the words as in calibration, and free."""
    values = {(way, name): seen for way, name, seen in statistics(tried)}
    known = pictures(tried, values[FULL, TODAY])
    table = table_of(known, total, wish, SEED)
    shared = {picture.pair for picture in known if table(picture)}
    most = max(map(table, known))
    if len(shared) < FOLDS * PAIRS_MIN:
        return

    def of(seen: np.ndarray) -> list[Picture]:
        return [picture for picture in pictures(tried, seen) if picture.pair in shared]

    words = left_out(of(values[FULL, TODAY]), lambda rest: table_of(rest, total, wish, SEED))
    for bound, longest in (("bounded", most), ("free", total - 1)):

        def look(seen: list[Picture], step: int, longest: int = longest) -> Left:
            return left_out(seen, fitter(step, total, longest, wish, SEED))

        steps = range(1, min(LOOKS, longest) + 1)
        thrown = [[look(of(seen), step) for step in steps] for seen in dice(len(tried))]
        blindly = {"words": words, "one number": left_out(of(values[FULL, TODAY]), one_number(longest + 1, wish))}
        blindly |= {f"dice, step {step}": _mean([one[step - 1] for one in thrown]) for step in steps}
        by, blind = max(((by, one.steps) for by, one in blindly.items() if one.lost <= wish), key=lambda one: one[1])
        luckiest = max(one.steps for thrown_one in thrown for one in thrown_one if one.lost <= wish) - blind
        best: dict[str, Found] = {}
        for (way, name), seen in values.items():
            for step in steps:
                if np.ptp(seen[:, step - 1]) == 0:
                    continue
                left = look(of(seen), step)
                found = Found(way, left.steps - blind, left.lost, name, step)
                for kind in (way, AS_NOW) if (way, name) == (FULL, TODAY) else (way,):
                    if left.lost <= wish and (kind not in best or found.net > best[kind].net):
                        best[kind] = found
        yield Worth(scheduler, quality, bound, len(shared), blind, by, luckiest, tuple(dict.fromkeys(best.values())))


def is_worth(row: Worth, found: Found) -> bool:
    """Whether it brings more than it costs, and more than the luckiest dice."""
    return found.gain > max(found.needed, row.dice)


def worth_table(rows: Sequence[Worth]) -> list[str]:
    """As Markdown."""
    lines = ["| scheduler, wish | pairs | blindly | dice | look | steps more | must bring | lost | worth it |",
             "|---" * 9 + "|"]  # fmt: skip
    for row in rows:
        for found in row.best:
            lines.append(
                f"| {row.scheduler}, {row.wish}, {row.bound} | {row.pairs} | {row.blind:.2f} ({row.by}) | "
                f"{row.dice:+.2f} | {found.way}: {found.name}, step {found.step} | {found.gain:+.2f} | "
                f"{found.needed:.2f} | {100 * found.lost:.1f} % | {'**yes**' if is_worth(row, found) else 'no'} |"
            )
    return lines


def foresight_table(scheduler: str, tried: Sequence[Tried]) -> Iterator[str]:
    """Rows: who foresees which pairs are both kept."""
    whole = [one for one in tried if min(one.largest) >= 0]
    values = {(way, name): seen for way, name, seen in statistics(whole)}
    for after in KEPT_AT:
        kept = [min(one.largest) >= after for one in whole]
        if all(kept):
            continue
        near = ranked([one.similarity for one in whole], kept)
        tries = {
            (way, name, step): _area(seen[:, step], kept)
            for (way, name), seen in values.items()
            for step in range(LOOKS)
            if np.ptp(seen[:, step]) > 0
        }
        way, name, step = max(tries, key=lambda one: tries[one])
        best = ranked((-values[way, name][:, step]).tolist(), kept)
        today = max(range(LOOKS), key=lambda step: tries[FULL, TODAY, step])
        now = ranked((-values[FULL, TODAY][:, today]).tolist(), kept)
        chance = np.random.default_rng(SEED)
        thrown = max(_area(chance.random(len(whole)), kept) for _ in range(len(tries)))
        yield (
            f"| {scheduler}, {after} of {STEPS} | {len(kept) - sum(kept)} of {len(kept)} | {_told(near)} | "
            f"{_told(now)} (step {today + 1}) | {_told(best)} ({way}: {name}, step {step + 1}) | {thrown:.2f} |"
        )


def write(tried: dict[str, list[Tried]]) -> list[Worth]:
    """The page, and the probe of those who ask for one; what looks are worth."""
    count = min(map(len, tried.values()))
    head = HEAD.replace("COUNT", str(count)).replace("STEPS", str(STEPS)).replace("MODEL", model()[:12])
    rows = [
        row for name, some in tried.items() for wish, part in WISHES.items()
        for row in worth(name, some, STEPS, wish, part)
    ]  # fmt: skip
    lines = [head, FORESIGHT]
    lines += ["| scheduler, shared | pairs with one lost | similarity | today's statistic | the best | dice |",
              "|---" * 6 + "|"]  # fmt: skip
    for name, some in tried.items():
        lines += foresight_table(name, some)
    lines += ["", WORTH, *worth_table(rows), ""]
    kept = [(row, one) for row in rows for one in row.best if is_worth(row, one)]
    for bound in ("bounded", "free"):
        lines += [f"Worth their calls, {bound}: {_summed([pair for pair in kept if pair[0].bound == bound])}.", ""]
    probes, asked = calibration_of(calibrated(), tried, STEPS)
    lines += [ASKED_FOR, *table_of_asked(asked, STEPS), ""]
    ASKED.write_bytes(dump(probes))
    (RESULTS / PAGE).write_text("\n".join(lines))
    return rows


def main() -> None:
    """Try what was not tried yet, within the minutes given, and write the page."""
    from examples.quality.sampler import Sampler
    from examples.quality.tools import quiet

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=160, help="how many (160)")
    parser.add_argument("--minutes", type=float, default=25, help="stop trying pairs after so long (25)")
    options = parser.parse_args()
    until = time.monotonic() + 60 * options.minutes
    warnings.filterwarnings("ignore")
    quiet()
    sampler, notebook = Sampler(), Notebook(STATE / f"looks-{model()[:12]}.jsonl")
    pairs = chosen(sampler, options.pairs)
    for scheduler, some in portions(notebook, SCHEDULERS, pairs):
        if time.monotonic() > until:
            print("Time ran out; run it again and it goes on.")
            break
        notebook.write(try_out(sampler, scheduler, STEPS, some))
        print(f"{len(notebook.known)} of {len(SCHEDULERS) * len(pairs)} tried", flush=True)
    print("\n".join(worth_table(write({name: notebook.of(name, pairs) for name in SCHEDULERS}))))


def chosen(sampler: Sampler, count: int) -> list[Pair]:
    """As calibration chooses its pairs."""
    every = prompts()
    readings = {words: read(words, seen) for words, seen in zip(every, sampler.loaded.embed(every), strict=True)}
    return choose(every, lambda one, other: similarity(readings[one], readings[other]), count, SEED)


def _area(scores: np.ndarray, good: Sequence[bool]) -> float:
    """The chance that a good one has a lower score, as `statistics.ranked` has it, without the interval."""
    ranks, kept = scores.argsort().argsort() + 1.0, np.asarray(good)
    below = ranks[~kept].sum() - (~kept).sum() * ((~kept).sum() + 1) / 2
    return float(below / (kept.sum() * (~kept).sum()))


def _summed(kept: Sequence[tuple[Worth, Found]]) -> str:
    """Which looks those are, and the calls of a picture that they save, their own included."""
    said = [
        f"{row.scheduler}, {row.wish}, {one.way} ({one.net * (1 - 1 / GROUP):.2f} of "
        f"{STEPS - row.blind * (1 - 1 / GROUP):.1f} calls a picture)"
        for row, one in kept
    ]
    return "; ".join(said) or "none"


def _mean(left: Sequence[Left]) -> Left:
    return Left(float(np.mean([one.steps for one in left])), float(np.mean([one.lost for one in left])))


def _told(area: Estimate) -> str:
    return f"{area.mean:.2f} [{area.low:.2f}, {area.high:.2f}]"


if __name__ == "__main__":
    main()
