"""The devices as one plan sees them: the pace of each, and when its engine is free again.

What a device told of itself counts, of the model that is asked for; where it told nothing, the settings stand in, never
better than the slowest that did measure. Never here: the order of work (`timeline`), or who is chosen (`candidates`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from peerd.planning.settings import PlanSettings
from peerd.planning.split import total_of
from peerd.planning.timeline import Engine
from peerd_protocol.ids import NodeId
from peerd_protocol.plan import Call
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
MPIXEL = 1e6
GUIDED = 2
"""With guidance each denoiser call predicts twice, with the prompt and without."""


@dataclass(slots=True)
class Load:
    """The devices, and how many seconds from now the engine of each is free again."""

    devices: Mapping[NodeId, Profile]
    settings: PlanSettings
    free_s: dict[NodeId, float] = field(default_factory=dict)
    warming: Mapping[NodeId, str] = field(default_factory=dict)
    """Engines that load this model already, since their own people asked: no time is lost while others run for them."""

    taken_joules: dict[NodeId, float] = field(default_factory=dict)
    """What the plans made so far will draw of each."""

    def __post_init__(self) -> None:
        for node, profile in self.devices.items():
            queued_s = profile.queued_s or profile.queued_steps / self.steps_per_second(node)
            self.free_s.setdefault(node, max(queued_s, self._cold_s(node, self.warming.get(node, ""))))

    # ---- engines -------------------------------------------------------------------------------------------

    def steps_per_second(self, node: NodeId) -> float:
        """As measured on its usual model; a device that never measured counts as the slowest that did."""
        profile = self.devices.get(node)
        if profile is not None and profile.steps_per_second > 0.0:
            return profile.steps_per_second
        measured = [other.steps_per_second for other in self.devices.values() if other.steps_per_second > 0.0]
        return min(measured, default=self.settings.unmeasured_steps_per_second)

    def step_s(self, node: NodeId, call: Call) -> float:
        """One denoiser call of this size at full speed.

        A device that never ran the model counts as the slowest that did, so that nothing is promised.
        """
        told_s = self.timed_s(node, call)
        if told_s:
            return told_s
        known_s = max((self.timed_s(other, call) for other in self.devices), default=0.0)
        return known_s or 1 / self.settings.unmeasured_steps_per_second

    def timed_s(self, node: NodeId, call: Call) -> float:
        """One denoiser call as the device itself timed it; 0.0 where it never ran the model."""
        profile = self.devices.get(node)
        if profile is None:
            return 0.0
        pace = profile.pace_of(call.model)
        if pace.timed:
            return pace.step_s + pace.step_s_per_mpixel * mpixels_denoised(call)
        usual = call.model == profile.model and profile.steps_per_second > 0.0
        return 1 / profile.steps_per_second if usual else 0.0

    def prepare_s(self, node: NodeId, call: Call) -> float:
        """Reading the prompt and setting out, on a warm engine."""
        profile = self.devices.get(node)
        return 0.0 if profile is None else profile.pace_of(call.model).prepare_s

    def decode_s(self, node: NodeId, call: Call) -> float:
        """From the last call to the picture."""
        profile = self.devices.get(node)
        pace = None if profile is None else profile.pace_of(call.model)
        if pace is None or not pace.decode_s_per_mpixel:
            return self.settings.decode_steps * self.step_s(node, call)
        return pace.decode_s_per_mpixel * call.width * call.height / MPIXEL

    def start_s(self, node: NodeId, call: Call) -> float:
        """What the engine takes before its first piece, unless it has the model loaded or loads it by itself."""
        starts = self.warming.get(node) == call.model or self.free_s.get(node, 0.0) > 0.0
        return 0.0 if starts else self._cold_s(node, call.model)

    def engines(self, nodes: Iterable[NodeId]) -> dict[NodeId, Engine]:
        """The engines of these devices, and those that share a host with one of them."""
        wanted = set(nodes)
        hosts = {self._host(node) for node in wanted}
        others = self._others()
        return {
            node: Engine(
                host=self._host(node),
                busy_s=self.free_s.get(node, 0.0),
                cores=0.0 if node not in self.devices else self.devices[node].cores,
                others=others.get(self._host(node), 0.0),
            )
            for node in sorted({*wanted, *(node for node in self.devices if self._host(node) in hosts)})
        }

    def _cold_s(self, node: NodeId, model: str) -> float:
        profile = self.devices.get(node)
        if profile is None or not model or profile.loaded == model:
            return 0.0
        # A model that it never started takes no less, as far as anybody knows, than the one that it did.
        return profile.pace_of(model).start_s or profile.pace.start_s

    def _host(self, node: NodeId) -> str:
        profile = self.devices.get(node)
        return node if profile is None or not profile.host else profile.host

    def _others(self) -> dict[str, float]:
        """What runs on each host beside engines of ours: a daemon that counts takes its neighbours' engines for it."""
        working: dict[str, set[NodeId]] = {}
        for node, profile in self.devices.items():
            working.setdefault(self._host(node), set()).update({node} if profile.queued_steps else ())
        found: dict[str, float] = {}
        for node, profile in self.devices.items():
            host = self._host(node)
            beside = max(0.0, profile.others - len(working[host] - {node}))
            found[host] = min(found.get(host, beside), beside)
        return found

    # ---- links ---------------------------------------------------------------------------------------------

    def latency_s(self, node: NodeId) -> float:
        """One way between this device and the others."""
        profile = self.devices.get(node)
        return self.settings.latency_s if profile is None or not profile.latency_s else profile.latency_s

    def transfer_s(self, giver: NodeId, taker: NodeId, size_bytes: int) -> float:
        """A link is as slow as the slower of its ends: the announcement, its answer, and the bytes."""
        latency_s = max(self.latency_s(giver), self.latency_s(taker))
        return 3 * latency_s + size_bytes / min(self._bytes_per_second(giver), self._bytes_per_second(taker))

    def _bytes_per_second(self, node: NodeId) -> float:
        profile = self.devices.get(node)
        if profile is None or not profile.bytes_per_second:
            return self.settings.bytes_per_second
        return profile.bytes_per_second

    # ---- energy --------------------------------------------------------------------------------------------

    def joules_per_call(self, node: NodeId, call: Call) -> float:
        """What one denoiser call of this size draws: a larger one takes longer, at the same watts."""
        profile = self.devices.get(node)
        if profile is None:
            return 1.0
        if profile.watts and (profile.pace_of(call.model).timed or call.model != profile.model):
            return profile.watts * self.step_s(node, call)
        return profile.joules_per_step

    def capacity(self, node: NodeId) -> float:
        """What a device can give in a while, by which its joules are compared with others'.

        On mains that is its speed times the while, the same for all, so its calls a second stand for it. On battery its
        energy is the bound, and nobody tells how many joules are in there: it gives by as much less as they count more.
        """
        return self.steps_per_second(node) / self.weight(node)

    def burden(self, node: NodeId, more_joules: float = 0.0) -> float:
        """Joules that it bore lately, and these, for its capacity. 0.0 where no device tells what it bore."""
        if not any(profile.joules_lately for profile in self.devices.values()):
            return 0.0
        profile = self.devices.get(node)
        borne = (profile.joules_lately if profile else 0.0) + self.taken_joules.get(node, 0.0)
        return (borne + more_joules) / self.capacity(node)

    def weight(self, node: NodeId) -> float:
        """What a joule of this device counts: one of a battery counts more."""
        profile = self.devices.get(node)
        mains = profile is None or profile.power is PowerClass.MAINS
        return 1.0 if mains else self.settings.battery_weight


def mpixels_denoised(call: Call) -> float:
    """Million pixels that one denoiser call of this size predicts."""
    return call.width * call.height * (GUIDED if call.guidance > 1.0 else 1) / MPIXEL


def calls_between(call: Call, start: int) -> int:
    """The denoiser calls from step `start` to the picture: one for each `scheduler.step` call."""
    return total_of(call) - start


def checkpoint_bytes(call: Call) -> int:
    """The size of this call's checkpoint, for a model with the usual latents."""
    latent = (call.width // LATENT_SCALE) * (call.height // LATENT_SCALE) * LATENT_CHANNELS * FLOAT_BYTES
    return CHECKPOINT_OVERHEAD_BYTES + latent * LATENTS.get(call.scheduler, 1)


def picture_bytes(call: Call) -> int:
    return call.width * call.height * PIXEL_BYTES
