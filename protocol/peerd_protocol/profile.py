"""What a device tells of itself: compute, power, heat. Never here: how it is measured, or what is decided from it."""

from enum import IntEnum

import msgspec

MODELS_MAX = 16
"""Models that a device tells of; what rides in every heartbeat stays a few kilobytes."""


class PowerClass(IntEnum):
    """How well a device is fed; the greater is the better host for other people's work."""

    LOW = 0
    BATTERY = 1
    MAINS = 2


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """What a device's own finished work taught it of one model, at full speed: nothing else runs on its host.

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
    """What an engine that does not have the model loaded takes more."""

    @property
    def timed(self) -> bool:
        """Whether the device ever ran this model's steps."""
        return self.step_s > 0.0 or self.step_s_per_mpixel > 0.0


class OtherModel(msgspec.Struct, frozen=True, array_like=True):
    """A model that a device has beside its usual one, by the digest of its files."""

    model: str
    pace: Pace = Pace()


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """One device as its peers see it; rides in every heartbeat, so it stays small.

    `model` is the one that it makes pictures with unless asked otherwise. `steps_per_second` is measured on the device
    for it (0.0: not measured yet), and so is `joules_per_step`, an estimate where no meter exists. `queued_steps` are
    denoiser calls already accepted and not yet run.
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
    """That of `model`."""
    more_models: tuple[OtherModel, ...] = ()
    """The other models that it has, those asked for last first."""
    watts: float = 0.0
    """What it draws while its engine works, metered or estimated. 0.0: it does not know; `joules_per_step` counts."""
    joules_lately: float = 0.0
    """What its engine drew lately, older work counting less: how much of the common work it has borne."""
    loaded: str = ""
    """The model that its engine has loaded. Empty: none."""
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

    def has(self, model: str) -> bool:
        """Whether the model's files are on the device."""
        return model == self.model or any(other.model == model for other in self.more_models)

    def pace_of(self, model: str) -> Pace:
        """What the device learnt of that model; zeros where it never ran it."""
        if model == self.model:
            return self.pace
        return next((other.pace for other in self.more_models if other.model == model), Pace())

    @property
    def compute_class(self) -> int:
        """Speed in coarse powers of two, so that noise in the measurement does not shuffle ranks."""
        speed, compute_class = self.steps_per_second, 0
        while speed >= 1.0 and compute_class < 16:
            speed, compute_class = speed / 2, compute_class + 1
        return compute_class
