"""Groups of many live prompts: how fast, how near to what is best, and what trees save over flat groups.

`python tests/benchmarks/grouping.py` prints it, with a verdict for every goal, and exits with 1 where one is missed: 99
of 100 inserts at 1,000 live prompts within 10 ms, 10,000 prompts from nothing within 20 s, groups that are kept as
requests come and go worth at least 98 % of those made at once, where all pairs are compared and joined without any
bound, and the same groups in any order of arrival. Times are the processor's: a busy device has no other clock.
"""

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

from peerd.planning.dendrogram import Knot, Rows, complete_linkage
from peerd.planning.live_groups import LiveGroups, group_requests
from peerd.planning.nearness import Nearness, asked
from peerd.planning.objective import Appraiser, Price
from peerd.planning.settings import PlanSettings
from peerd.planning.trees import branch_count, grow, saved, worth
from peerd_protocol.ids import RequestId
from peerd_protocol.plan import Request
from tests.goals import verdict
from tests.peerd.planning.crowd import crowd
from tests.peerd.planning.people import UNCALIBRATED, ask

SIMILAR_MIN = PlanSettings().similar_min
PRICE = Price()
allowed = UNCALIBRATED.allowed
"""The table for models that nobody has calibrated."""
STEPS = 20

INSERT_P99_MS, INSERTS = 10.0, 500
FROM_NOTHING_S = 20.0
WORTH_MIN = 0.98
ORDERS = 5
PLAN_REQUESTS = 32
"""New requests in a plan: one window's, all that a leader ever groups at once."""


def rows_of(requests: Sequence[Request]) -> Rows:
    """Every pair of requests of one call."""
    near, everyone = Nearness(SIMILAR_MIN, allowed), [asked(request) for request in requests]
    rows: dict[RequestId, dict[RequestId, float]] = {request.id: {} for request in requests}
    for at, one in enumerate(everyone):
        for other in everyone[:at]:
            if value := near(one, other):
                rows[one.request.id][other.request.id] = rows[other.request.id][one.request.id] = value
    return rows


def at_once(requests: Sequence[Request]) -> float:
    """What the groups are worth if every pair is compared and all are joined in one piece."""
    rows, appraiser = rows_of(requests), Appraiser(PRICE)
    return sum(worth(grow(knot, rows, appraiser), PRICE) for knot in appraiser.cut(complete_linkage(rows, rows)))


def seconds(act: Callable[[], object]) -> tuple[float, float]:
    """Of the processor, and by the clock."""
    busy, began = time.process_time(), time.perf_counter()
    act()
    return time.process_time() - busy, time.perf_counter() - began


def changes(live: int, count: int) -> float:
    """One request comes, its group is asked for; one goes, the groups are settled. What 99 of 100 inserts keep, ms."""
    draw = random.Random(1)
    requests = crowd(draw, live + count)
    groups, present = LiveGroups(SIMILAR_MIN, allowed, PRICE), requests[:live]
    for request in present:
        groups.insert(request)
    groups.groups()
    came, went = [], []
    for request in requests[live:]:
        gone = present.pop(draw.randrange(len(present))).id
        present.append(request)
        settle = partial(groups.group_of, request.id)
        came.append(_both(seconds(partial(groups.insert, request)), seconds(settle)))
        went.append(_both(seconds(partial(groups.remove, gone)), seconds(settle)))
    for name, took in (("insert", came), ("removal", went)):
        busy, clock = (sorted(part) for part in zip(*took, strict=True))
        print(
            f"{name:8} at {live} live, {count} times, ms: median {statistics.median(busy) * 1000:.1f}"
            f" p99 {busy[int(0.99 * count)] * 1000:.1f} max {busy[-1] * 1000:.1f} of the processor;"
            f" median {statistics.median(clock) * 1000:.1f} p99 {clock[int(0.99 * count)] * 1000:.1f} by the clock"
        )
    return sorted(busy for busy, _ in came)[int(0.99 * count)] * 1000


def _both(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    return one[0] + other[0], one[1] + other[1]


def from_nothing(count: int) -> float:
    requests = crowd(random.Random(2), count)
    found = []
    busy, clock = seconds(lambda: found.extend(group_requests(requests, SIMILAR_MIN, allowed, PRICE)))
    alone = sum(len(tree.members) == 1 for tree in found)
    less = sum(map(saved, found)) / (STEPS * count)
    print(
        f"{count} from nothing: {busy:.1f} s of the processor, {clock:.1f} s by the clock;"
        f" {len(found) - alone} groups, {alone} alone, {less:.1%} fewer calls"
    )
    return busy


def orders(live: int) -> int:
    """How many different answers the same requests get as they come in several orders."""
    requests, answers = crowd(random.Random(4), live), set[str]()
    for seed in range(ORDERS):
        random.Random(seed).shuffle(requests)
        answers.add(repr(group_requests(requests, SIMILAR_MIN, allowed, PRICE)))
    print(f"{live} prompts in {ORDERS} orders: {len(answers)} different answer(s)")
    return len(answers)


def a_plan(others: int) -> None:
    """One window's requests grouped by themselves, as a leader does, and in groups kept from plan to plan."""
    requests = crowd(random.Random(3), others + 10 * PLAN_REQUESTS)
    kept = LiveGroups(SIMILAR_MIN, allowed, PRICE)
    for request in requests[:others]:
        kept.insert(request)
    kept.groups()
    alone_s, kept_s = [], []
    for at in range(others, len(requests), PLAN_REQUESTS):
        new = requests[at : at + PLAN_REQUESTS]
        for request in new:
            asked(request)  # both ways find the prompts read

        def come_and_go(new: Sequence[Request] = new) -> None:
            for request in new:
                kept.insert(request)
            kept.groups()
            for request in new:
                kept.remove(request.id)

        alone_s.append(seconds(partial(group_requests, new, SIMILAR_MIN, allowed, PRICE))[0])
        kept_s.append(seconds(come_and_go)[0])
    print(
        f"a plan of {PLAN_REQUESTS} beside {others} others, ms of the processor:"
        f" grouped afresh {statistics.median(alone_s) * 1000:.1f},"
        f" in kept groups {statistics.median(kept_s) * 1000:.1f}"
    )


def kept_against_at_once(live: int, count: int, streams: int) -> float:
    """Streams of requests that come and go, settled now and then; what is left at the end is also grouped at once."""
    shares = []
    for seed in range(streams):
        draw = random.Random(1_000 + seed)
        groups, present = LiveGroups(SIMILAR_MIN, allowed, PRICE), list[Request]()
        for request in crowd(draw, live + count):
            groups.insert(request)
            present.append(request)
            if len(present) > live:
                groups.remove(present.pop(draw.randrange(len(present))).id)
            if draw.random() < 0.1:
                groups.groups()
        shares.append(groups.worth() / at_once(present))
    print(
        f"{live} live after {count} changes, {streams} streams: worth, kept / at once:"
        f" least {min(shares):.4f}, median {statistics.median(shares):.4f}, greatest {max(shares):.4f}"
    )
    return min(shares)


FRUIT = "apple lemon orange pear banana cherry peach melon plum grape fig mango apricot kiwi papaya lime"
BEASTS = "cat dog rabbit fox horse cow sheep goat wolf bear deer lion tiger elephant zebra pig"
SETS = {
    "16 fruits on a table": (FRUIT, 16, ("on the table",)),
    "8 fruits on a table, a desk": (FRUIT, 8, ("on the table", "on the desk")),
    "32 fruits and animals on the grass": (FRUIT + " " + BEASTS, 32, ("on the grass",)),
    "8 things in 4 places": ("apple lemon pear orange cat dog rabbit fox", 8, (
        "on the table", "on the desk", "on the grass", "on the meadow")),
}  # fmt: skip


def trees() -> None:
    """Whole sets, fewer calls than alone: one flat group, the best flat groups of the same forest, trees."""
    print(f"{'':36}{'one group':>10}{'flat groups':>14}{'trees':>10}")
    for name, (things, count, places) in SETS.items():
        prompts = [f"{thing} {place}" for place in places for thing in things.split()[:count]]
        requests = [ask(prompt, prompt, steps=STEPS) for prompt in prompts]
        rows = rows_of(requests)
        least = min(int(rows[one].get(other, 0.0)) for one in rows for other in rows if one != other)
        work = STEPS * len(requests)
        flat = [group for root in complete_linkage(rows, rows) for group in _best_flat(root)[1]]
        flat_saved = sum(knot.steps * (len(knot.members) - 1) for knot in flat)
        found = group_requests(requests, SIMILAR_MIN, allowed, PRICE)
        print(
            f"{name:36}{least * (len(requests) - 1) / work:10.1%}{flat_saved / work:10.1%} /{len(flat):2}"
            f"{sum(map(saved, found)) / work:10.1%} /{len(found):2}, {sum(map(branch_count, found))} branches"
        )


def _best_flat(knot: Knot) -> tuple[float, list[Knot]]:
    """The knots of a forest whose worth is greatest if all members of a group leave at once."""
    if knot.parts is None:
        return 0.0, [knot]
    (one, left), (other, right) = map(_best_flat, knot.parts)
    whole = (knot.steps - PRICE.handoff_calls) * (len(knot.members) - 1) - PRICE.group_calls
    return (whole, [knot]) if whole > one + other else (one + other, left + right)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--live", type=int, default=1_000)
    parser.add_argument("--many", type=int, default=10_000)
    parser.add_argument("--streams", type=int, default=5)
    options = parser.parse_args()
    insert_ms = changes(options.live, INSERTS)
    for others in (0, 100, 1_000):
        a_plan(others)
    trees()
    answers = orders(300)
    shares = [kept_against_at_once(60, 300, options.streams), kept_against_at_once(600, 1_200, options.streams)]
    nothing_s = from_nothing(options.many)
    return verdict(
        {
            f"99 of 100 inserts within {INSERT_P99_MS:.0f} ms: {insert_ms:.1f} ms": insert_ms <= INSERT_P99_MS,
            f"from nothing within {FROM_NOTHING_S:.0f} s: {nothing_s:.1f} s": nothing_s <= FROM_NOTHING_S,
            f"kept groups worth at least {WORTH_MIN:.0%} of all at once: {min(shares):.1%}": min(shares) >= WORTH_MIN,
            f"the same groups in any order: {answers} different answer(s)": answers == 1,
        }
    )


if __name__ == "__main__":
    sys.exit(main())
