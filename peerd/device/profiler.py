"""Builds this device's `Profile` from power, heat, memory, load and measured speed.

Never here: how each of them is read, or when the node asks for it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from peerd.device.compute import Speeds, load_per_core, memory_free_mib
from peerd.device.energy import WattMeter
from peerd.device.power import PowerSettings, read_power
from peerd_protocol.profile import Profile


@dataclass(slots=True)
class Profiler:
    """`memory_engine_mib` is what an engine needs; a device that has less free, and no engine running, has none.

    `memory_mib` is the device's own reading unless a test has another.
    """

    power: PowerSettings
    speeds: Speeds
    meter: WattMeter
    engine_allowed: bool
    offers: bool
    memory_engine_mib: int
    memory_mib: Callable[[], int] = memory_free_mib

    def profile(
        self, model: str, *, width: int = 0, height: int = 0, queued_steps: int = 0, warm: bool = False
    ) -> Profile:
        """This device as it is now. `warm`: its engine runs, so the memory it needs is taken already."""
        power = read_power(self.power)
        free_mib = self.memory_mib()
        # The size a node makes by default comes first; a device that only made others tells of those.
        speed = self.speeds.of(model, width, height) or self.speeds.of(model)
        if queued_steps:
            self.meter.busy()
        # 0 means that the system hides its memory; the owner's word then stands.
        has_room = warm or free_mib == 0 or free_mib >= self.memory_engine_mib
        return Profile(
            model=model,
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
        )
