"""The numbers by which planning judges, each with its unit. Never here: where they are read from."""

from typing import Annotated

import msgspec

Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Positive = Annotated[float, msgspec.Meta(gt=0.0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0.0)]


class PlanSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a leader weighs sharing. The link's numbers are a guess until links are measured: an ordinary Wi-Fi."""

    similar_min: Share = 0.45
    """Two prompts below this never share."""

    battery_floor_percent: Annotated[int, msgspec.Meta(ge=0, le=100)] = 30
    """A device on battery below this runs no shared steps of others."""

    patience_factor: Annotated[float, msgspec.Meta(ge=1.0, le=100.0)] = 1.25
    patience_extra_s: NotNegative = 0.5
    """No member may be predicted later than alone times the factor plus the extra."""

    battery_weight: Annotated[float, msgspec.Meta(ge=1.0, le=100.0)] = 3.0
    """What a joule from a battery counts against one from the mains."""

    battery_reluctance: Annotated[float, msgspec.Meta(ge=1.0, le=100.0)] = 1.5
    """A device on battery is chosen only where it ends this much sooner than one on mains."""

    fair_factor: Annotated[float, msgspec.Meta(ge=1.0, le=100.0)] = 1.2
    fair_extra_s: NotNegative = 0.0
    """Of the devices that end within the best finish times the factor plus the extra, the least burdened works."""

    memory_free_min_mib: Annotated[int, msgspec.Meta(ge=0)] = 64
    """Below this a device swaps; it is not given other people's work."""

    latency_s: NotNegative = 0.01
    bytes_per_second: Positive = 6_000_000.0
    joules_per_byte: NotNegative = 5e-7

    decode_steps: NotNegative = 1.5
    """The time of preparing and decoding one picture, counted in denoiser calls."""

    offer_s: NotNegative = 0.05
    """What it takes to ask the executor and to tell everyone."""

    unmeasured_steps_per_second: Positive = 1.0
    """Stands in for a device that has measured nothing, where no other device has either."""

    queue_steps_max: Annotated[int, msgspec.Meta(ge=0)] = 400
    """A device with more denoiser calls waiting declines offers: it is busy."""
