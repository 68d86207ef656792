"""What a device tells of itself: compute, power, heat. Never here: how it is measured, or what is decided from it."""

from enum import IntEnum

import msgspec


class PowerClass(IntEnum):
    """How well a device is fed; the greater is the better host for other people's work."""

    LOW = 0
    BATTERY = 1
    MAINS = 2


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """One device as its peers see it; rides in every heartbeat, so it stays small.

    `steps_per_second` is measured on the device for `model` (0.0: not measured yet). `queued_steps` are denoiser
    calls already accepted and not yet run. `joules_per_step` is an estimate where no meter exists.
    """

    model: str
    engine: bool = True
    steps_per_second: float = 0.0
    joules_per_step: float = 1.0
    memory_free_mib: int = 0
    power: PowerClass = PowerClass.MAINS
    battery_percent: int | None = None
    temperature_c: float | None = None
    hot: bool = False
    load: float = 0.0
    queued_steps: int = 0
    offers: bool = True
    """Whether its owner lets it run shared steps of others at all."""

    @property
    def compute_class(self) -> int:
        """Speed in coarse powers of two, so that noise in the measurement does not shuffle ranks."""
        speed, compute_class = self.steps_per_second, 0
        while speed >= 1.0 and compute_class < 16:
            speed, compute_class = speed / 2, compute_class + 1
        return compute_class
