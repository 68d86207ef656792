"""Who may run what: shared steps for others, and the own steps of a device that has no engine.

The rules of safety live here, and no wish of an asker overrides them. Never here: who is fastest (`forecast`).
"""

from collections.abc import Iterable, Mapping

from peerd.planning.forecast import Course, Load, Part
from peerd.planning.settings import PlanSettings
from peerd.planning.split import total_of
from peerd_protocol.ids import NodeId
from peerd_protocol.plan import Request
from peerd_protocol.profile import PowerClass, Profile

SAME_FINISH_S = 1e-6
"""Finishes closer than this are a tie; it keeps rounding from choosing."""


def unfit(profile: Profile, model: str, settings: PlanSettings) -> str:
    """Why this device must not run other people's steps of this model now; empty if it may."""
    if not profile.engine:
        return "it has no engine"
    if not profile.offers:
        return "its owner offers no steps to others"
    if not profile.has(model):
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
    """Who runs this request's own steps: its origin where that has an engine, else a fit device, as `rank` chooses.

    The own words stay with a device that can use them, however weak it is: that is promised. An origin whose profile
    has not come yet is trusted to help itself; what its owner lets it do for itself is not this node's business. Whom
    the origin would avoid runs it where nobody else can.
    """
    origin = load.devices.get(request.origin)
    if origin is None or origin.engine:
        return request.origin
    if request.share != "prompt":
        return None  # its own words stay with it
    able = fit_devices(load.devices, request.call.model, load.settings)
    if not able:
        return None
    fit = [node for node in able if node not in request.avoid] or able
    call = request.call
    finish_s = {node: _end(load, node, request) * reluctance(load, node) for node in fit}
    drawn = {node: total_of(call) * load.joules_per_call(node, call) for node in fit}
    near_s = _near_s(finish_s.values(), load)
    return min(
        fit,
        key=lambda node: (
            finish_s[node] > near_s,
            load.burden(node, drawn[node]) if finish_s[node] <= near_s else 0.0,
            finish_s[node],
            node,
        ),
    )


def rank(nodes: Iterable[NodeId], ways: Mapping[NodeId, Course], home: Part, load: Load) -> list[NodeId]:
    """Who runs shared steps first, of `nodes` that keep everyone's patience; `home` is the lead's own part.

    By predicted finish, a battery spared. Of those that end nearly as soon as the best, first those that ever ran the
    model: what the others would take is a guess. Where devices told what they have borne, they take turns, the least
    burdened first. At a tie the lead's own runner, then fewer joules, then the lower id.
    """
    finish_s = {node: ways[node].seconds * reluctance(load, node) for node in nodes}
    near_s = _near_s(finish_s.values(), load)

    def key(node: NodeId) -> tuple[bool, bool, float, int, bool, float, NodeId]:
        near = finish_s[node] <= near_s
        borne = load.burden(node, ways[node].drawn_by.get(node, 0.0)) if near else 0.0
        guessed = near and not load.timed_s(node, home.call)
        away = node != home.runner
        return not near, guessed, borne, round(finish_s[node] / SAME_FINISH_S), away, ways[node].joules, node

    return sorted(finish_s, key=key)


def reluctance(load: Load, node: NodeId) -> float:
    """What a device's finish is multiplied by before it is compared: a battery is spared."""
    profile = load.devices.get(node)
    return 1.0 if profile is None or profile.power is PowerClass.MAINS else load.settings.battery_reluctance


def _near_s(finish_s: Iterable[float], load: Load) -> float:
    """Those that end until then end nearly as soon as the best."""
    return min(finish_s, default=0.0) * load.settings.fair_factor + load.settings.fair_extra_s


def _end(load: Load, node: NodeId, request: Request) -> float:
    call = request.call
    return load.free_s.get(node, 0.0) + total_of(call) * load.step_s(node, call) + load.decode_s(node, call)
