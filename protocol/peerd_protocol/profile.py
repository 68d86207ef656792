"""What a device tells of itself: compute, power, heat. Never here: how it is measured, or what is decided from it."""

from enum import IntEnum

import msgspec


class PowerClass(IntEnum):
    """How well a device is fed; the greater is the better host for other people's work."""

    LOW = 0
    BATTERY = 1
    MAINS = 2


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """What a device's own finished work taught it of `Profile.model`, at full speed: nothing else runs on its host.

    One denoiser call takes `step_s` + `step_s_per_mpixel` times the million pixels denoised in it, which guidance
    doubles. All zero: nothing learnt yet.
    """

    step_s: float = 0.0
    step_s_per_mpixel: float = 0.0
    prepare_s: float = 0.0
    """From the order to the first call, on a warm engine."""
    decode_s_per_mpixel: float = 0.0
    """From the last call to the picture."""
    start_s: float = 0.0
    """What a cold engine takes more."""


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
    pace: Pace = Pace()
    watts: float = 0.0
    """What it draws while its engine works, metered or estimated. 0.0: it does not know; `joules_per_step` counts."""
    joules_lately: float = 0.0
    """What its engine drew lately, older work counting less: how much of the common work it has borne."""
    warm: bool = False
    """Whether its engine has the model loaded."""
    queued_s: float = 0.0
    """The seconds that `queued_steps` will take."""
    host: str = ""
    """Daemons of one host say the same word here: they share its cores. Empty: it does not know."""
    cores: float = 0.0
    """How many engines like its own the host runs at full speed. 0.0: it does not know."""
    others: float = 0.0
    """What else runs on the host just now, counted in such engines."""
    latency_s: float = 0.0
    """One way to its peers, in the middle. 0.0: not measured yet; `bytes_per_second` too."""
    bytes_per_second: float = 0.0

    @property
    def compute_class(self) -> int:
        """Speed in coarse powers of two, so that noise in the measurement does not shuffle ranks."""
        speed, compute_class = self.steps_per_second, 0
        while speed >= 1.0 and compute_class < 16:
            speed, compute_class = speed / 2, compute_class + 1
        return compute_class
