"""Builds this device's `Profile` from power, heat, memory, load and measured speed.

Never here: how each of them is read, or when the node asks for it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from peerd.device.compute import load_per_core, memory_free_mib
from peerd.device.energy import WattMeter
from peerd.device.host import Host
from peerd.device.links import Links
from peerd.device.pace import Paces
from peerd.device.power import PowerSettings, read_power
from peerd_protocol.plan import Call
from peerd_protocol.profile import MODELS_MAX, OtherModel, Profile


@dataclass(slots=True)
class Profiler:
    """`memory_engine_mib` is what an engine needs; a device that has less free, and no engine running, has none.

    `memory_mib` is the device's own reading unless a test has another.
    """

    power: PowerSettings
    meter: WattMeter
    engine_allowed: bool
    offers: bool
    memory_engine_mib: int
    memory_mib: Callable[[], int] = memory_free_mib
    paces: Paces = field(default_factory=Paces)
    host: Host = field(default_factory=lambda: Host(1))
    links: Links = field(default_factory=Links)

    def profile(
        self,
        usual: Call,
        *,
        queued_steps: int = 0,
        queued_s: float = 0.0,
        joules_lately: float = 0.0,
        models: Sequence[str] = (),
        loaded: str = "",
    ) -> Profile:
        """This device as it is now. `usual` is a call as its model makes them by default: by it speed is told.

        `models` are all that it has, those worth telling first. `loaded` is the one that its engine has loaded, which
        needs no more memory then.
        """
        power = read_power(self.power)
        free_mib = self.memory_mib()
        call_s = self.paces.call_s(usual)
        speed = 1 / call_s if call_s > 0.0 else 0.0
        if queued_steps:
            self.meter.busy()
        self.host.look(working=queued_steps > 0)
        # 0 means that the system hides its memory; the owner's word then stands.
        has_room = bool(loaded) or free_mib == 0 or free_mib >= self.memory_engine_mib
        others = [model for model in models if model != usual.model]
        return Profile(
            model=usual.model,
            engine=self.engine_allowed and has_room,
            steps_per_second=round(speed, 4),
            joules_per_step=round(self.meter.joules_per_step(speed), 6),
            memory_free_mib=free_mib,
            power=power.power,
            battery_percent=power.battery_percent,
            temperature_c=power.temperature_c,
            hot=power.hot,
            load=load_per_core(),
            queued_steps=queued_steps,
            offers=self.offers,
            pace=self.paces.of(usual.model),
            more_models=tuple(OtherModel(model, self.paces.of(model)) for model in others[: MODELS_MAX - 1]),
            watts=round(self.meter.watts, 3),
            joules_lately=round(joules_lately, 3),
            loaded=loaded,
            queued_s=round(queued_s, 4),
            host=self.host.name,
            cores=self.host.cores,
            others=round(self.host.others, 2),
            latency_s=round(self.links.latency_s, 5),
            bytes_per_second=round(self.links.bytes_per_second),
        )
