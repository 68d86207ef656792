"""Complete linkage: requests joined pair by pair, the two sets first whose farthest members may share most.

The result is a forest of knots. A knot says how many steps every pair below it may share, which only shrinks from the
leaves to a root; so it is a group and its tree of handoffs in one. Never here: which knots are worth it (`objective`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from peerd_protocol.ids import RequestId
from peerd_protocol.plan import GROUP_MEMBERS_MAX

Rows = Mapping[RequestId, Mapping[RequestId, float]]
"""For each request, how near those are with which it may share, both ways; whoever is missing must not share with it.

Nearness is the number of steps that the two may share plus half their similarity: steps count first, and among equal
ones the more similar pair is nearer. Its whole part is the steps again.
"""


@dataclass(frozen=True, slots=True)
class Knot:
    """`members`, sorted, every two of which may share `steps`; `parts` are the two sets it was joined from."""

    members: tuple[RequestId, ...]
    steps: int = 0
    parts: tuple["Knot", "Knot"] | None = None


def complete_linkage(names: Iterable[RequestId], rows: Rows, members_max: int = GROUP_MEMBERS_MAX) -> list[Knot]:
    """The roots, in the order of their lowest ids; two roots have a pair that must not share, or are too many.

    Ties go to the lower ids, so that the answer is one of the set, whatever its order. About n^2 log n.
    """
    order = sorted(names)
    knots = {at: Knot((name,)) for at, name in enumerate(order)}
    number = {name: at for at, name in enumerate(order)}
    # Negative, so that `min` of (nearness, index) finds the nearest, and of equals the lowest id.
    far = {
        at: {number[other]: -near for other, near in rows.get(name, {}).items() if other in number}
        for at, name in enumerate(order)
    }
    best = {at: _nearest(at, row) for at, row in far.items() if row}
    while best:
        near, one, other = min(best.values())
        one, other = min(one, other), max(one, other)
        first, second = knots[one], knots.pop(other)
        knots[one] = Knot(tuple(sorted(first.members + second.members)), int(-near), (first, second))
        for third in _join(far, one, other, knots, members_max):
            # Joining only makes rows longer or loses them: whose nearest was neither of the two keeps it.
            if third != one and best[third][2] not in (one, other):
                continue
            if far[third]:
                best[third] = _nearest(third, far[third])
            else:
                best.pop(third, None)
        best.pop(other, None)
    return [knots[at] for at in sorted(knots)]


def _join(
    far: dict[int, dict[int, float]], one: int, other: int, knots: Mapping[int, Knot], members_max: int
) -> set[int]:
    """Make the rows of `one` those of both; return whose nearest may have changed."""
    before, gone = far[one], far.pop(other)
    size = len(knots[one].members)
    joined: dict[int, float] = {}
    touched = {one}
    for third in (before.keys() | gone.keys()) - {one, other}:
        row = far[third]
        row.pop(one, None)
        row.pop(other, None)
        touched.add(third)
        if third in before and third in gone and size + len(knots[third].members) <= members_max:
            joined[third] = row[one] = max(before[third], gone[third])
    far[one] = joined
    return touched


def _nearest(at: int, row: Mapping[int, float]) -> tuple[float, int, int]:
    near, other = min(zip(row.values(), row.keys(), strict=True))
    return near, at, other
