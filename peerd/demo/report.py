"""What a demo did, as data: the values, and the JSON that `peerd demo --json` prints.

Never here: running it, or drawing.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peerd.demo.cluster import Agreement
from peerd.demo.errands import Errand
from peerd_protocol.ids import NodeId, RequestId
from peerd_protocol.notices import Finished, PlanMade


@dataclass(frozen=True, slots=True)
class Picture:
    """One prompt's picture as it was made together, and alone for comparison."""

    prompt: str
    node: str
    path: Path
    pixels_sha256: str
    shared_with: tuple[str, ...]
    alone_path: Path
    alone_pixels_sha256: str

    @property
    def same_as_alone(self) -> bool:
        return self.pixels_sha256 == self.alone_pixels_sha256


@dataclass(frozen=True, slots=True)
class Band:
    """One group: whose prompts, how many shared steps, who ran them."""

    prompts: tuple[str, ...]
    shared_steps: int
    executor: str | None


@dataclass(frozen=True, slots=True)
class Survivor:
    """A prompt whose device outlived the executor: whether its picture is the one of the undisturbed run."""

    prompt: str
    same_picture: bool


@dataclass(frozen=True, slots=True)
class Cut:
    """What a power cut at the executor did: after which step, who went on (None: each for itself), what came of it."""

    killed: str
    step: int
    shared_steps: int
    successor: str | None
    survivors: tuple[Survivor, ...]
    seconds: float
    return_seconds: float
    """Until the killed device was back and had finished its own request."""

    @property
    def same_pictures(self) -> bool:
        return all(survivor.same_picture for survivor in self.survivors)

    def as_json(self) -> dict[str, Any]:
        return {
            "killed": self.killed,
            "after_step": self.step,
            "successor": self.successor,
            "same_pictures": self.same_pictures,
            "survivors": [{"prompt": each.prompt, "same_picture": each.same_picture} for each in self.survivors],
            "seconds": round(self.seconds, 3),
            "return_seconds": round(self.return_seconds, 3),
        }


@dataclass(frozen=True, slots=True)
class Report:
    agreement: Agreement
    by_mdns: bool
    total_steps: int
    groups: tuple[Band, ...]
    denoiser_calls: Mapping[str, int]
    denoiser_calls_alone: int
    handoff_bytes: int
    pictures: tuple[Picture, ...]
    seconds: float
    seconds_alone: float
    seconds_predicted: float
    seconds_predicted_alone: float
    seconds_warming: float
    sheet: Path
    cut: Cut | None = None

    @property
    def calls(self) -> int:
        return sum(self.denoiser_calls.values())

    @property
    def executor(self) -> str | None:
        """Who ran the shared steps of the largest group."""
        largest = max(self.groups, key=lambda band: len(band.prompts))
        return largest.executor

    @property
    def shared_steps(self) -> int:
        return max(band.shared_steps for band in self.groups)

    def as_json(self) -> dict[str, Any]:
        return {
            "nodes": [view.name for view in self.agreement.views],
            "leader": self.agreement.leader_name,
            "term": self.agreement.term,
            "executor": self.executor,
            "total_steps": self.total_steps,
            "shared_steps": self.shared_steps,
            "groups": [
                {"prompts": list(band.prompts), "shared_steps": band.shared_steps, "executor": band.executor}
                for band in self.groups
            ],
            "denoiser_calls": dict(self.denoiser_calls),
            "denoiser_calls_alone": self.denoiser_calls_alone,
            "handoff_bytes": self.handoff_bytes,
            "images": [
                {
                    "prompt": picture.prompt,
                    "node": picture.node,
                    "path": str(picture.path),
                    "pixels_sha256": picture.pixels_sha256,
                    "shared_with": list(picture.shared_with),
                    "same_as_alone": picture.same_as_alone,
                    "path_alone": str(picture.alone_path),
                }
                for picture in self.pictures
            ],
            "seconds": round(self.seconds, 3),
            "seconds_predicted": round(self.seconds_predicted, 3),
            "seconds_alone": round(self.seconds_alone, 3),
            "seconds_predicted_alone": round(self.seconds_predicted_alone, 3),
            "seconds_warming": round(self.seconds_warming, 3),
            "found_by_mdns": self.by_mdns,
            "sheet": str(self.sheet),
            **({"power_cut": self.cut.as_json()} if self.cut is not None else {}),
        }


def finished(errand: Errand) -> Finished:
    """An errand's ending; `run_errands` has seen to it that it's a good one."""
    ending = errand.tale.finished
    assert ending is not None
    return ending


def bands(errands: Sequence[Errand], names: Mapping[NodeId, str]) -> tuple[Band, ...]:
    """The groups as they came about: a request that went alone after all is a group of its own."""
    members: dict[frozenset[RequestId], list[Errand]] = {}
    for errand in errands:
        members.setdefault(_group_of(errand), []).append(errand)
    found = []
    for group in members.values():
        shared = max(errand.tale.shared_steps for errand in group)
        plan = group[0].tale.plan
        executor = names.get(plan.executor, plan.executor) if plan is not None and shared else None
        found.append(Band(tuple(errand.wish.prompt for errand in group), shared, executor))
    return tuple(found)


def shared_with(errand: Errand, errands: Sequence[Errand]) -> tuple[str, ...]:
    """The other prompts of its group."""
    group = _group_of(errand)
    return tuple(other.wish.prompt for other in errands if other is not errand and _group_of(other) == group)


def calls_so_far(errands: Sequence[Errand], names: Mapping[NodeId, str]) -> dict[str, tuple[int, int]]:
    """Each node's shared and own steps, seen so far; a finished request counts what its engine counted."""
    shared: Counter[str] = Counter()
    own: Counter[str] = Counter()
    done: dict[tuple[str, frozenset[RequestId]], int] = {}
    for errand in errands:
        tale = errand.tale
        if tale.request is None:
            continue
        runner = names.get(tale.plan.runner, errand.node.name) if tale.plan is not None else errand.node.name
        own[runner] += tale.finished.denoiser_calls if tale.finished else max(0, tale.step - tale.shared_steps)
        if tale.plan is not None and tale.shared_steps:
            key = (names.get(tale.plan.executor, tale.plan.executor), _group_of(errand))
            done[key] = max(done.get(key, 0), tale.shared_done)
    for (executor, _), steps in done.items():
        shared[executor] += steps
    return {name: (shared[name], own[name]) for name in shared.keys() | own.keys()}


def predicted(errands: Sequence[Errand]) -> tuple[float, float]:
    """Seconds that the plans promised together and alone; the slowest group is what a person waits for."""
    plans: list[PlanMade] = [errand.tale.plan for errand in errands if errand.tale.plan is not None]
    together = max((plan.forecast.seconds for plan in plans), default=0.0)
    return together, max((plan.forecast.seconds_alone for plan in plans), default=0.0)


def _group_of(errand: Errand) -> frozenset[RequestId]:
    tale = errand.tale
    assert tale.request is not None
    if tale.plan is None or tale.alone_reason:
        return frozenset({tale.request})
    return frozenset({tale.request, *tale.plan.shared_with})
