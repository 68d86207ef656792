"""Which prompts are compared: pairs of a lead and a member, near, middle and far by construction.

Here lives the choice, always the same one, from the half of all prompts that calibration never saw. Never here: how
near the planner finds them; that is printed beside the class, and decides nothing here.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from examples.quality.vocabulary import BY_NAME, NEAR_PLACES, all_pairs, prompt_of

Kind = Literal["near", "middle", "far"]
KINDS: tuple[Kind, ...] = ("near", "middle", "far")


@dataclass(frozen=True, slots=True, order=True)
class Scene:
    """A thing in a place; `said` is how it is asked for, where not by its plain name."""

    noun: str
    place: str
    said: str = ""

    @property
    def prompt(self) -> str:
        """The sentence that asks for it."""
        return prompt_of(self.said or self.noun, self.place)


@dataclass(frozen=True, slots=True)
class Pair:
    """The lead's prompt runs the shared steps; the picture looked at is the member's."""

    lead: Scene
    member: Scene
    kind: Kind
    seed: int


def scenes_for_testing() -> list[Scene]:
    """The half of all prompts on which quality is tested; calibration measures on the other."""
    return [scene for scene in (Scene(*names) for names in all_pairs()) if is_for_testing(scene)]


def is_for_testing(scene: Scene) -> bool:
    """Decided by the words alone, so that both sides agree without a list."""
    return hashlib.sha256(f"{scene.noun} {scene.place}".encode()).digest()[0] % 2 == 0


def kind_of(lead: Scene, member: Scene) -> Kind | None:
    """Near: another thing of one kind in one place. Middle: one place and another kind, or one thing and another place.

    Far: another kind in a place that is not alike. None for what lies between, and for one thing in one place.
    """
    kin = BY_NAME[lead.noun].kind == BY_NAME[member.noun].kind
    if lead.place == member.place:
        return None if lead.noun == member.noun else "near" if kin else "middle"
    if lead.noun == member.noun:
        return "middle"
    return "far" if not kin and frozenset((lead.place, member.place)) not in NEAR_PLACES else None


def pairs(each: int) -> list[Pair]:
    """For each of `each` members one near, one middle and one far lead, with the member's own seed."""
    rng, scenes, found = random.Random(11), scenes_for_testing(), list[Pair]()
    members = list(scenes)
    rng.shuffle(members)
    turn = 0
    while len(found) < 3 * each:
        if turn == 4 * len(members):
            raise ValueError(f"There are not {each} different near pairs among {len(scenes)} prompts.")
        member = members[turn % len(members)]
        turn += 1
        leads = [_lead(rng, scenes, member, kind, found) for kind in KINDS]
        if all(leads):
            found += [Pair(lead, member, kind, 1000 + turn) for lead, kind in zip(leads, KINDS, strict=True) if lead]
    return found


def _lead(rng: random.Random, scenes: list[Scene], member: Scene, kind: Kind, taken: Iterable[Pair]) -> Scene | None:
    """A lead that this member has not had; half of the middle ones keep the place, half the thing."""
    had = {pair.lead for pair in taken if pair.member == member}
    choice = [scene for scene in scenes if scene not in had and kind_of(scene, member) == kind]
    if kind == "middle":
        keeps_place = rng.random() < 0.5
        choice = [scene for scene in choice if (scene.place == member.place) == keeps_place] or choice
    return rng.choice(choice) if choice else None


def all_far_pairs() -> list[tuple[Scene, Scene]]:
    """Every far pair of test prompts, once."""
    scenes = scenes_for_testing()
    return [(a, b) for i, a in enumerate(scenes) for b in scenes[:i] if kind_of(a, b) == "far"]
