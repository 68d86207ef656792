"""What a leader gave out a moment ago and its devices have not told of yet.

A device tells what waits for it with its next heartbeat; a plan made before that would take it for idle. Here lives
what fills that gap, and no longer: after it the device's own word counts. Never here: a clock, or a plan.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from peerd_protocol.events import Draft
from peerd_protocol.ids import NodeId
from peerd_protocol.profile import Profile

TOLD_AFTER_S = 2.5
"""A heartbeat of each side, the slower ones of a battery included, and the way between."""


@dataclass(slots=True)
class Ledger:
    """For each device, when it was last given work and until when that keeps it busy."""

    _given: dict[NodeId, tuple[float, float]] = field(default_factory=dict)

    def give(self, drafts: Iterable[Draft], now_s: float) -> None:
        """These drafts were made: their runners are busy until their pictures, their executors with what is shared."""
        for draft in drafts:
            runners = dict(draft.runners)
            for one in draft.forecast.each:
                if one.request in runners:
                    self._busy(runners[one.request], one.seconds, now_s)
            if draft.candidates and draft.shared_steps > draft.start:
                shared_s = (draft.shared_steps - draft.start) * draft.forecast.step_seconds
                self._busy(draft.candidates[0], shared_s, now_s)

    def as_given(self, devices: Iterable[tuple[NodeId, Profile]], now_s: float) -> tuple[tuple[NodeId, Profile], ...]:
        """The devices, each at least as busy as what it was given lately makes it."""
        return tuple((node, self._with_given(node, profile, now_s)) for node, profile in devices)

    def _with_given(self, node: NodeId, profile: Profile, now_s: float) -> Profile:
        given_s, until_s = self._given.get(node, (0.0, 0.0))
        if now_s - given_s > TOLD_AFTER_S or until_s - now_s <= profile.queued_s:
            return profile
        return msgspec.structs.replace(profile, queued_s=until_s - now_s)

    def _busy(self, node: NodeId, seconds: float, now_s: float) -> None:
        _, until_s = self._given.get(node, (0.0, 0.0))
        self._given[node] = (now_s, max(until_s, now_s + seconds))
