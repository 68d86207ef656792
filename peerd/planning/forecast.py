"""What a plan will take: seconds, denoiser calls, joules and bytes, with and without sharing.

Every engine runs one piece of work at a time, first come first served; `Load` is when each device is free again. Here
lives arithmetic only. Never here: which plan to choose.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from peerd.planning.settings import PlanSettings
from peerd.planning.split import total_of
from peerd_protocol.ids import NodeId, RequestId
from peerd_protocol.plan import Call, Forecast
from peerd_protocol.profile import PowerClass, Profile

LATENT_SCALE = 8
LATENT_CHANNELS = 4
FLOAT_BYTES = 4
CHECKPOINT_OVERHEAD_BYTES = 10_800
"""Two states of a random generator (5,056 bytes each), the header, and the output template."""

LATENTS = {
    "pndm": 5, "lms": 5, "lms_karras": 5, "unipc": 4, "dpmpp_2s": 4, "heun": 3, "kdpm2": 2, "kdpm2_a": 2,
    "dpmpp_2m": 3, "dpmpp_2m_karras": 3, "dpmpp_2m_sde": 3, "dpmpp_2m_sde_karras": 3, "deis": 3, "flow_heun": 3,
}  # fmt: skip
"""How many latents' worth of numbers a checkpoint carries, its own included; one where nothing is said."""

PIXEL_BYTES = 3


@dataclass(frozen=True, slots=True)
class Part:
    """One request of a group and the device that runs its own steps."""

    request: RequestId
    origin: NodeId
    runner: NodeId
    call: Call


@dataclass(slots=True)
class Load:
    """The devices as one plan sees them, and how many seconds from now each is free again."""

    devices: Mapping[NodeId, Profile]
    settings: PlanSettings
    free_s: dict[NodeId, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for node, profile in self.devices.items():
            self.free_s[node] = profile.queued_steps / self.steps_per_second(node)

    def steps_per_second(self, node: NodeId) -> float:
        """As measured; a device that never measured counts as the slowest that did, so that nothing is promised."""
        profile = self.devices.get(node)
        if profile is not None and profile.steps_per_second > 0.0:
            return profile.steps_per_second
        measured = [other.steps_per_second for other in self.devices.values() if other.steps_per_second > 0.0]
        return min(measured, default=self.settings.unmeasured_steps_per_second)

    def joules(self, node: NodeId, denoiser_calls: int) -> float:
        """Weighed joules: those of a battery count more."""
        profile = self.devices.get(node)
        if profile is None:
            return float(denoiser_calls)
        weight = 1.0 if profile.power is PowerClass.MAINS else self.settings.battery_weight
        return denoiser_calls * profile.joules_per_step * weight

    def transfer_s(self, size_bytes: int) -> float:
        return self.settings.latency_s + size_bytes / self.settings.bytes_per_second


@dataclass(frozen=True, slots=True)
class Course:
    """How a group goes, one way or the other: when each request is done, and what it costs."""

    done_s: dict[RequestId, float]
    free_s: dict[NodeId, float]
    denoiser_calls: int
    joules: float
    handoff_bytes: int

    @property
    def seconds(self) -> float:
        """When the last one is done."""
        return max(self.done_s.values(), default=0.0)


def checkpoint_bytes(call: Call) -> int:
    """The size of this call's checkpoint, for a model with the usual latents."""
    latent = (call.width // LATENT_SCALE) * (call.height // LATENT_SCALE) * LATENT_CHANNELS * FLOAT_BYTES
    return CHECKPOINT_OVERHEAD_BYTES + latent * LATENTS.get(call.scheduler, 1)


def alone(load: Load, parts: list[Part]) -> Course:
    """Every request runs all its steps at its own runner."""
    return _run(load, parts, dict(load.free_s), start=0, ready_s={})


def shared(load: Load, parts: list[Part], executor: NodeId, steps: int) -> Course:
    """`executor` runs the first steps once and hands the checkpoint to every other runner, one after another."""
    size = checkpoint_bytes(parts[0].call)
    free_s = dict(load.free_s)
    ready = load.settings.offer_s + free_s.get(executor, 0.0) + steps / load.steps_per_second(executor)
    free_s[executor] = ready
    ready_s: dict[RequestId, float] = {}
    sent = 0
    for part in parts:
        if part.runner == executor:
            ready_s[part.request] = ready
        else:
            sent += 1
            ready_s[part.request] = ready + load.settings.latency_s + sent * size / load.settings.bytes_per_second
    course = _run(load, parts, free_s, start=steps, ready_s=ready_s)
    return Course(
        done_s=course.done_s,
        free_s=course.free_s,
        denoiser_calls=course.denoiser_calls + steps,
        joules=course.joules + load.joules(executor, steps) + sent * size * load.settings.joules_per_byte,
        handoff_bytes=sent * size,
    )


def _run(
    load: Load, parts: list[Part], free_s: dict[NodeId, float], start: int, ready_s: Mapping[RequestId, float]
) -> Course:
    done_s: dict[RequestId, float] = {}
    calls, joules = 0, 0.0
    for part in sorted(parts, key=lambda part: (ready_s.get(part.request, 0.0), part.request)):
        own = total_of(part.call) - start
        begin = max(ready_s.get(part.request, 0.0), free_s.get(part.runner, 0.0))
        end = begin + (own + load.settings.decode_steps) / load.steps_per_second(part.runner)
        free_s[part.runner] = end
        if part.runner != part.origin:
            end += load.transfer_s(part.call.width * part.call.height * PIXEL_BYTES)
        done_s[part.request] = end
        calls += own
        joules += load.joules(part.runner, own)
    return Course(done_s, free_s, calls, joules, 0)


def promise(before: Course, after: Course, step_seconds: float) -> Forecast:
    """The forecast of a plan that goes as `after`, against everyone alone as `before`."""
    return Forecast(
        seconds=round(after.seconds, 4),
        seconds_alone=round(before.seconds, 4),
        denoiser_calls=after.denoiser_calls,
        denoiser_calls_alone=before.denoiser_calls,
        joules=round(after.joules, 4),
        joules_alone=round(before.joules, 4),
        handoff_bytes=after.handoff_bytes,
        step_seconds=round(step_seconds, 6),
    )
