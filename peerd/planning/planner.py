"""The plan: which requests share which steps, who runs them, and what that promises.

    requests -> runners -> kept checkpoints -> groups as trees -> devices -> gain? -> drafts, or each alone

Pure and deterministic: the same requests and profiles give the same plan in any order of arrival. Never here: a socket,
a clock, how one tree is weighed (`sharing`), or asking anyone (the leader offers, each owner's `policy` answers).
"""

from collections.abc import Iterable, Sequence

import msgspec

from peerd.planning import forecast, sharing
from peerd.planning.allowance import Allowance
from peerd.planning.cached import best_start
from peerd.planning.candidates import choose_runner, fit_devices
from peerd.planning.drawn import Drawn
from peerd.planning.forecast import Load, Part
from peerd.planning.live_groups import group_requests
from peerd.planning.nearness import Nearness
from peerd.planning.objective import Price
from peerd.planning.settings import PlanSettings
from peerd.planning.sharing import Refused, Table
from peerd_protocol.actions import MakePlan
from peerd_protocol.events import Draft, Planned
from peerd_protocol.ids import NodeId, RequestId
from peerd_protocol.plan import Request
from peerd_protocol.profile import OtherModel, Profile

ALONE = "nobody asked for something similar"
LATE = "sharing would make it late"
PRICE = Price()


def make_plan(order: MakePlan, settings: PlanSettings, allowance: Allowance, drawn: Drawn | None = None) -> Planned:
    """Every request ends in exactly one draft, or among the impossible ones with the reason.

    `drawn` remembers what earlier plans drew, and takes up what this one will.
    """
    drawn = Drawn() if drawn is None else drawn
    asked = sorted(order.requests, key=lambda request: request.id)
    load = Load(_devices(order), settings, warming={one.origin: one.call.model for one in reversed(asked)})
    table = Table({}, {}, load, allowance)
    impossible: list[tuple[RequestId, str]] = []
    for request in asked:
        runner = choose_runner(request, load)
        if runner is None:
            impossible.append((request.id, _why_impossible(request)))
        else:
            table.requests[request.id] = request
            table.parts[request.id] = Part(request.id, request.origin, runner, request.call)
    drafts = _late_starts(order, table, drawn)
    begun = {name for draft in drafts for name in draft.requests}
    drafts += _groups([request for name, request in table.requests.items() if name not in begun], table, len(drafts))
    drawn.planned(drafts, table.requests)
    return Planned(order.batch, tuple(drafts), tuple(impossible))


def _devices(order: MakePlan) -> dict[NodeId, Profile]:
    """The devices as they told of themselves. Who asks for a model has it, also before its next heartbeat says so."""
    devices = dict(order.devices)
    for request in order.requests:
        profile = devices.get(request.origin)
        if profile is not None and not profile.has(request.call.model):
            more = (*profile.more_models, OtherModel(request.call.model))
            devices[request.origin] = msgspec.structs.replace(profile, more_models=more)
    return devices


def _why_impossible(request: Request) -> str:
    if request.share == "prompt":
        return "no device that has this model may run it now; start peerd on one with an engine and enough memory"
    return "this device has no engine, and its own words may not leave it; ask with --share prompt"


def _late_starts(order: MakePlan, table: Table, drawn: Drawn) -> list[Draft]:
    """Those that may go on from a checkpoint of an earlier group. Who named a group waits for it instead."""
    nearness = Nearness(table.load.settings.similar_min, table.allowance.allowed)
    drafts: list[Draft] = []
    for request in table.requests.values() if order.cached else ():
        fit = fit_devices(table.load.devices, request.call.model, table.load.settings)
        home = table.parts[request.id].runner
        start = None if request.group_name else best_start(request, order.cached, nearness, fit, home, drawn)
        draft = None if start is None else sharing.late_start(request.id, start, table)
        if draft is not None:
            drafts.append(draft)
            drawn.planned([draft], table.requests)
    return drafts


def _groups(requests: Iterable[Request], table: Table, count: int) -> list[Draft]:
    """The drafts of these requests; `count` drafts stand before them. Takes their time from the load."""
    drafts: list[Draft] = []
    open_requests = list(requests)
    while open_requests:
        again: list[Request] = []
        trees = group_requests(open_requests, table.load.settings.similar_min, table.allowance.allowed, PRICE)
        for tree in trees:
            if len(tree.members) == 1:
                drafts += _alone(tree.members, table, ALONE)
                continue
            shared = sharing.share(tree, table, count + len(drafts))
            if not isinstance(shared, Refused):
                drafts += shared
            elif shared.late and len(shared.late) < len(tree.members) - 1:
                # Without those who would wait too long the others may still gain; those take their time first, or what
                # spares them the wait for the group would have them wait for all that is planned after it.
                drafts += _alone(sorted(shared.late), table, LATE)
                again += [table.requests[name] for name in tree.members if name not in shared.late]
            else:
                drafts += _alone(tree.members, table, shared.why)
        open_requests = again
    return drafts


def _alone(names: Sequence[RequestId], table: Table, reason: str) -> list[Draft]:
    drafts: list[Draft] = []
    for name in names:
        part = table.parts[name]
        course = forecast.alone(table.load, [part])
        forecast.take(table.load, course)
        step_s = table.load.step_s(part.runner, part.call)
        drafts.append(
            Draft(
                leaves=((name, 0),),
                lead=name,
                seed=part.call.seed,
                candidates=(),
                runners=((name, part.runner),),
                forecast=forecast.promise(course, course, step_s),
                reason=reason,
            )
        )
    return drafts
