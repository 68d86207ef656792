"""Who may run what: shared steps for others, and the own steps of a device that has no engine.

The rules of safety live here, and no wish of an asker overrides them. Never here: who is fastest (`forecast`).
"""

from collections.abc import Mapping

from peerd.planning.forecast import Load
from peerd.planning.settings import PlanSettings
from peerd_protocol.ids import NodeId
from peerd_protocol.plan import Request
from peerd_protocol.profile import PowerClass, Profile


def unfit(profile: Profile, model: str, settings: PlanSettings) -> str:
    """Why this device must not run other people's steps of this model now; empty if it may."""
    if not profile.engine:
        return "it has no engine"
    if not profile.offers:
        return "its owner offers no steps to others"
    if profile.model != model:
        return "it does not have the model"
    if battery_low(profile, settings):
        return "its battery is low"
    if profile.hot:
        return "it is hot"
    # 0 means that the device could not tell.
    if 0 < profile.memory_free_mib < settings.memory_free_min_mib:
        return "it is short of memory"
    return ""


def battery_low(profile: Profile, settings: PlanSettings) -> bool:
    """By the device's own word, or under the floor of this node while it runs on battery."""
    match profile.power:
        case PowerClass.LOW:
            return True
        case PowerClass.BATTERY:
            return profile.battery_percent is not None and profile.battery_percent < settings.battery_floor_percent
        case PowerClass.MAINS:
            return False


def fit_devices(devices: Mapping[NodeId, Profile], model: str, settings: PlanSettings) -> list[NodeId]:
    return sorted(node for node, profile in devices.items() if not unfit(profile, model, settings))


def choose_runner(request: Request, load: Load) -> NodeId | None:
    """Who runs this request's own steps: its origin where that has an engine, else the fit device that ends first.

    An origin whose profile has not come yet is trusted to help itself; what its owner lets it do for itself is not
    this node's business.
    """
    origin = load.devices.get(request.origin)
    if origin is None or origin.engine:
        return request.origin
    if request.share == "nothing":
        return None
    fit = fit_devices(load.devices, request.call.model, load.settings)
    if not fit:
        return None
    return min(fit, key=lambda node: (_end(load, node, request) * reluctance(load, node), node))


def reluctance(load: Load, node: NodeId) -> float:
    """What a device's finish is multiplied by before it is compared: a battery is spared."""
    profile = load.devices.get(node)
    return 1.0 if profile is None or profile.power is PowerClass.MAINS else load.settings.battery_reluctance


def _end(load: Load, node: NodeId, request: Request) -> float:
    return load.free_s.get(node, 0.0) + request.call.steps / load.steps_per_second(node)
