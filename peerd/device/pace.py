"""How long this device takes for a picture, learnt from its own finished work: what it tells in its `Profile`.

Every time is first brought to full speed: a host that was crowded is not a slow device. A denoiser call costs something
fixed and something for each pixel; two sizes tell them apart, so that sizes never made can be predicted. Never here: a
clock, or what is planned with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from peerd_protocol.errors import UNREADABLE
from peerd_protocol.plan import Call
from peerd_protocol.profile import Pace

WEIGHT_MIN = 0.15
"""Of each new picture, once many are known; the first ones count evenly."""
CHANGED = 1.5
WEIGHT_CHANGED = 0.8
"""A picture whose steps all took so many times longer or shorter than usual is of a device that has changed: one is
enough to know it. A single step that hung does not look like that (`stopwatch`)."""
SECONDS_MAX = 3_600.0
"""Longer is a machine that slept."""
SIZES_MAX = 16
"""Sizes remembered a model; the one used least recently goes first."""
MODELS_MAX = 32
MPIXEL = 1e6
GUIDED = 2
"""With guidance each denoiser call predicts twice."""


@dataclass(frozen=True, slots=True)
class Finished:
    """One order, as its owner timed it. None: not seen in it.

    `crowd` is how many times slower than at full speed the host was while it ran.
    """

    call: Call
    steps: int
    steps_s: float | None
    """All its denoiser calls together, without what a cold engine took longer for the first."""
    prepare_s: float | None = None
    decode_s: float | None = None
    start_s: float | None = None
    crowd: float = 1.0

    @property
    def full_speed_s(self) -> float | None:
        """What its denoiser calls would have taken on a host with nothing else to do."""
        return None if self.steps_s is None else self.steps_s / max(1.0, self.crowd)


class Figure(msgspec.Struct):
    """A smoothed number of seconds, and how many pictures it was learnt from. 0: only a trial at the start told it."""

    value: float = 0.0
    count: int = 0

    def learn(self, value: float) -> None:
        if not 0.0 <= value <= SECONDS_MAX:
            return
        if self.count and self.value > 0.0:
            changed = not self.value / CHANGED <= value <= self.value * CHANGED
            weight = WEIGHT_CHANGED if changed else max(WEIGHT_MIN, 1 / (self.count + 1))
            self.value += weight * (value - self.value)
        else:
            self.value = value
        self.count += 1


class Known(msgspec.Struct):
    """What is known of one model; kept as it is. `calls` are by the million pixels denoised in a call."""

    calls: dict[float, Figure] = msgspec.field(default_factory=dict)
    prepare: Figure = msgspec.field(default_factory=Figure)
    decode: Figure = msgspec.field(default_factory=Figure)
    start: Figure = msgspec.field(default_factory=Figure)


class PaceShelf(Protocol):
    """Where paces outlive the daemon, by model."""

    def paces(self) -> Mapping[str, bytes]: ...
    def save_pace(self, model: str, pace: bytes) -> None: ...


class Paces:
    """The paces of this device, model by model."""

    def __init__(self, shelf: PaceShelf | None = None) -> None:
        self._shelf = shelf
        self._known: dict[str, Known] = {}
        for model, kept in (shelf.paces() if shelf else {}).items():
            try:
                self._known[model] = msgspec.msgpack.decode(kept, type=Known)
            except UNREADABLE:
                continue  # of another version; it is learnt again with the next picture

    def learn(self, done: Finished) -> None:
        """One order is finished. A LocalError of the shelf is for the caller to tell; what was learnt stays."""
        known = self._known.pop(done.call.model, None) or Known()
        self._known[done.call.model] = known
        while len(self._known) > MODELS_MAX:
            del self._known[next(iter(self._known))]
        crowd = max(1.0, done.crowd)
        if done.full_speed_s is not None and done.steps > 0:
            work = mpixels_denoised(done.call)
            figure = known.calls.pop(work, None) or Figure()
            known.calls[work] = figure
            call_s = done.full_speed_s / done.steps
            before, tried = figure.value, not figure.count
            figure.learn(call_s)
            if before > 0.0 and (tried or not before / CHANGED <= call_s <= before * CHANGED):
                # A device that changed did so at every size; a trial that was wrong was so at all that it tried.
                for other in known.calls.values():
                    if other is not figure and not (tried and other.count):
                        other.value *= figure.value / before
            while len(known.calls) > SIZES_MAX:
                del known.calls[next(iter(known.calls))]
        if done.prepare_s is not None:
            known.prepare.learn(done.prepare_s / crowd)
        if done.decode_s is not None:
            known.decode.learn(done.decode_s / crowd / (done.call.width * done.call.height / MPIXEL))
        if done.start_s is not None:
            known.start.learn(done.start_s / crowd)
        if self._shelf is not None:
            self._shelf.save_pace(done.call.model, msgspec.msgpack.encode(known))

    def tried(self, trials: Sequence[tuple[Call, float]]) -> None:
        """The engine's own trial before any real work: the seconds of one call at each of some sizes of one model.

        Where a start was crowded they are all too long alike, so the first real picture corrects them together.
        """
        if trials and not self.knows(trials[0][0].model):
            known = self._known.setdefault(trials[0][0].model, Known())
            known.calls = {mpixels_denoised(call): Figure(seconds) for call, seconds in trials}

    def knows(self, model: str) -> bool:
        """Whether its calls were ever timed; a picture of a step or two may have told only how long a start takes."""
        return model in self._known and bool(self._known[model].calls)

    def call_s(self, call: Call) -> float:
        """Seconds of one denoiser call of this size at full speed; 0.0 where nothing was learnt."""
        pace = self.of(call.model)
        return pace.step_s + pace.step_s_per_mpixel * mpixels_denoised(call)

    def of(self, model: str) -> Pace:
        """What to tell of this model; zeros where nothing was learnt."""
        known = self._known.get(model)
        if known is None:
            return Pace()
        fixed_s, slope_s = fit([(work, figure.value, figure.count) for work, figure in known.calls.items()])
        return Pace(
            step_s=round(fixed_s, 6),
            step_s_per_mpixel=round(slope_s, 6),
            prepare_s=round(known.prepare.value, 6),
            decode_s_per_mpixel=round(known.decode.value, 6),
            start_s=round(known.start.value, 4),
        )


def fit(points: Sequence[tuple[float, float, int]]) -> tuple[float, float]:
    """The line of seconds over size that misses the points (size, seconds, count) least, in relative terms.

    Neither part is negative: a device that seems to fall below zero somewhere is taken as all fixed or all by the
    pixel. One size alone is all by the pixel: a larger picture is then promised too late rather than too early.
    """
    points = [point for point in points if point[0] > 0.0 and point[1] > 0.0]
    if not points:
        return 0.0, 0.0
    # Each point is weighed by how often it was seen, with a bound: the rare sizes hold the far end of the line.
    weights = [max(1, min(count, 8)) / seconds**2 for _, seconds, count in points]
    total = sum(weights)
    size = sum(weight * x for weight, (x, _, _) in zip(weights, points, strict=True)) / total
    mean = sum(weight * y for weight, (_, y, _) in zip(weights, points, strict=True)) / total
    spread = sum(weight * (x - size) ** 2 for weight, (x, _, _) in zip(weights, points, strict=True))
    if spread <= 0.0 or len(points) == 1:
        return 0.0, mean / size
    along = sum(weight * (x - size) * (y - mean) for weight, (x, y, _) in zip(weights, points, strict=True))
    slope = along / spread
    if slope <= 0.0:
        return mean, 0.0
    if mean <= slope * size:
        squares = sum(weight * x * x for weight, (x, _, _) in zip(weights, points, strict=True))
        return 0.0, sum(weight * x * y for weight, (x, y, _) in zip(weights, points, strict=True)) / squares
    return mean - slope * size, slope


def mpixels_denoised(call: Call) -> float:
    """Million pixels that one denoiser call of this size predicts."""
    return call.width * call.height * (GUIDED if call.guidance > 1.0 else 1) / MPIXEL
