"""What the nodes kept and told of a cycle's requests, held against what was promised.

Every request that was accepted has one picture, which lies where it was noted and is one that its plan promises; only
whose disk was full may have been told so instead. Never here: playing the cycle (`play.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from peerd.demo.cluster import Cluster
from peerd_protocol.notices import Failed, Finished
from tests.soak import pictures
from tests.soak.cycle import Cycle
from tests.world.asking import Asked, results_of

TOLD_S = 5.0
"""A daemon that lived through it all has told the end by then."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """`refused` ended in the words that the disk is full."""

    delivered: int
    refused: int
    violations: tuple[str, ...]


def judge(cluster: Cluster, cycle: Cycle, asked: Sequence[Asked]) -> Judgement:
    kept = {node.name: results_of(node) for node in cluster.nodes}
    delivered = refused = 0
    violations: list[str] = []
    for wish, one in zip(cycle.asks, asked, strict=bool(asked)):
        ending, result = _ending(one), kept[one.node.name].get(one.request)
        if result is not None:
            delivered += 1
            violations += _wrong_with(one, ending, *result, cycle.company_of(wish))
        elif cycle.fault == "disk full" and _tells_of_the_disk(ending):
            refused += 1
        else:
            violations.append(f"{one.request} at {one.node.name} has no picture: {ending or one.broken}")
    for node in cluster.nodes:
        doubled = set((node.home / "pictures").glob("*.png")) - {path for path, _ in kept[node.name].values()}
        violations += [f"{path} is nobody's result" for path in sorted(doubled)]
    return Judgement(delivered, refused, tuple(violations))


def _ending(one: Asked) -> Finished | Failed | None:
    """What was told in the end, if the daemon lived to tell it."""
    if one.broken:
        return one.tale.ended
    try:
        return one.ended(TOLD_S)
    except AssertionError:
        return None


def _tells_of_the_disk(ending: Finished | Failed | None) -> bool:
    return isinstance(ending, Failed) and ("full" in ending.reason or "can not be written" in ending.reason)


def _wrong_with(
    one: Asked, ending: Finished | Failed | None, picture: Path, pixels: str, company: Sequence[str]
) -> list[str]:
    """Whether what was kept was told, lies where it should, and is a picture that its plan promises."""
    found = [] if pictures.digest_of(picture) == pixels else [f"{picture} is not what was noted of it"]
    if isinstance(ending, Failed) or (ending is not None and ending.pixels_sha256 != pixels):
        found.append(f"{one.request} has a result, and another ending was told: {ending}")
    own, shared = pictures.alone(one.tale.prompt), {pictures.shared_with(lead, one.tale.prompt) for lead in company}
    if ending is None:  # its last plan went unheard
        promised = {own, *shared}
    else:
        plan = one.tale.plan
        promised = shared if one.tale.shared_steps and plan is not None and not plan.leads else {own}
    return found if pixels in promised else [*found, f"{one.request}, {one.tale.prompt!r}, is no promised picture"]
