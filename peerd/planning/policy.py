"""The owner's policy: whether this device runs the shared steps that a leader offers.

It judges by the device as it is now, not as the leader last heard of it. Never here: choosing among devices.
"""

from peerd.planning.candidates import unfit
from peerd.planning.settings import PlanSettings
from peerd_protocol.messages import Offer
from peerd_protocol.profile import PowerClass, Profile


def consider(offer: Offer, profile: Profile, settings: PlanSettings) -> tuple[bool, str]:
    """Accept (True, ""), or decline with a reason that a person understands."""
    reason = unfit(profile, offer.call.model, settings)
    if reason == "its battery is low":
        return False, _battery(profile, settings)
    if reason == "it is hot":
        return False, "the device is hot" + (f" ({profile.temperature_c:.0f} °C)" if profile.temperature_c else "")
    if reason:
        return False, reason
    if profile.queued_steps > settings.queue_steps_max:
        return False, f"the device is busy with {profile.queued_steps} steps"
    return True, ""


def _battery(profile: Profile, settings: PlanSettings) -> str:
    percent = "low" if profile.battery_percent is None else f"at {profile.battery_percent} %"
    if profile.power is PowerClass.LOW:
        return f"the battery is {percent}, below its owner's floor"
    return f"the battery is {percent}, below the floor of {settings.battery_floor_percent} %"
