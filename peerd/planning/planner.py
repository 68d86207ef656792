"""The plan: which requests share how many steps, who runs them, and what that promises.

    requests -> runners -> groups -> shared steps -> candidates by predicted finish -> gain? -> draft, or each alone

Pure and deterministic: the same requests and profiles give the same plan in any order of arrival. Never here: a socket,
a clock, or asking anyone (the leader offers, and each owner's `policy` answers).
"""

from collections.abc import Sequence

from peerd.planning import forecast, grouping, split
from peerd.planning.candidates import choose_runner, fit_devices, reluctance
from peerd.planning.forecast import Course, Load, Part
from peerd.planning.settings import PlanSettings
from peerd.planning.words import same_text
from peerd_protocol.actions import MakePlan
from peerd_protocol.events import Draft, Planned
from peerd_protocol.ids import NodeId, RequestId
from peerd_protocol.plan import Request

CANDIDATES_MAX = 8
"""An offer takes up to two seconds to be declined by silence; after so many everyone is better off alone."""

SAME_FINISH_S = 1e-6
"""Finishes closer than this are a tie; it keeps rounding from choosing."""

NOT_ENOUGH_GAIN = "sharing would save nothing here"
NOBODY_FIT = "no device may run the shared steps now"


def make_plan(order: MakePlan, settings: PlanSettings) -> Planned:
    """Every request ends in exactly one draft, or among the impossible ones with the reason."""
    load = Load(dict(order.devices), settings)
    requests: dict[RequestId, Request] = {}
    parts: dict[RequestId, Part] = {}
    impossible: list[tuple[RequestId, str]] = []
    for request in sorted(order.requests, key=lambda request: request.id):
        runner = choose_runner(request, load)
        if runner is None:
            impossible.append((request.id, _why_impossible(request)))
        else:
            requests[request.id] = request
            parts[request.id] = Part(request.id, request.origin, runner, request.call)
    links = grouping.link_all(list(requests.values()), settings.similar_min)
    drafts: list[Draft] = []
    for members in grouping.group(requests, links):
        drafts += _plan_group(members, requests, parts, links, load)
    return Planned(order.batch, tuple(drafts), tuple(impossible))


def _why_impossible(request: Request) -> str:
    if request.share == "nothing":
        return "this device has no engine, and nothing may be shared; ask with --share prompt"
    return "no device that has this model may run it now; start peerd on one with an engine and enough memory"


def _plan_group(
    members: Sequence[RequestId],
    requests: dict[RequestId, Request],
    parts: dict[RequestId, Part],
    links: grouping.Links,
    load: Load,
) -> list[Draft]:
    """One draft that shares and one for each member that is better off alone. Takes its time from `load`."""
    sharing, left, why = list(members), list[RequestId](), ""
    while len(sharing) > 1:
        drafted = _share(sharing, requests, parts, links, load)
        if isinstance(drafted, Draft):
            return [drafted, *(_alone(name, requests, parts, load, "sharing would make it late") for name in left)]
        why, late = drafted
        if not late:
            break
        # Without those who would wait too long the others may still gain.
        left += late
        sharing = [name for name in sharing if name not in late]
    return [_alone(name, requests, parts, load, why) for name in sorted(members)]


def _share(
    members: Sequence[RequestId],
    requests: dict[RequestId, Request],
    parts: dict[RequestId, Part],
    links: grouping.Links,
    load: Load,
) -> Draft | tuple[str, list[RequestId]]:
    """The draft, or why there is none and which members would have to leave for another try."""
    group = [requests[name] for name in members]
    run = [parts[name] for name in members]
    one_prompt = all(same_text(request.call.prompt, group[0].call.prompt) for request in group)
    steps = split.shared_steps(group, grouping.farthest_pair(members, links), one_prompt=one_prompt)
    if steps < 1:
        return "their prompts differ too much", []
    before = forecast.alone(load, run)
    ways = {
        node: forecast.shared(load, run, node, steps)
        for node in fit_devices(load.devices, group[0].call.model, load.settings)
    }
    if not ways:
        return NOBODY_FIT, []
    # Whoever asked for shared steps gets them; one who did not is never made to pay for another's wish.
    forced = all(request.shared is not None for request in group)
    good = [node for node in ways if forced or _gains(before, ways[node], load.settings)]
    lead = grouping.nearest_to_all(members, links)
    if not good:
        node = _best_first(list(ways), ways, parts[lead].runner, load)[0]
        return NOT_ENOUGH_GAIN, _late(before, ways[node], load.settings)
    candidates = _best_first(good, ways, parts[lead].runner, load)[:CANDIDATES_MAX]
    best = ways[candidates[0]]
    load.free_s = best.free_s
    named = [request.call.seed for request in group if not request.seed_free]
    return Draft(
        requests=tuple(members),
        lead=lead,
        seed=named[0] if named else requests[min(members)].call.seed,
        shared_steps=steps,
        candidates=tuple(candidates),
        runners=tuple((part.request, part.runner) for part in run),
        forecast=forecast.promise(before, best, 1 / load.steps_per_second(candidates[0])),
        reason="as asked" if forced else _praise(before, best),
    )


def _best_first(nodes: list[NodeId], ways: dict[NodeId, Course], home: NodeId, load: Load) -> list[NodeId]:
    """By predicted finish; at a tie the runner of the lead's own steps, then fewer joules, then the lower id."""

    def rank(node: NodeId) -> tuple[int, bool, float, NodeId]:
        finish = round(ways[node].seconds * reluctance(load, node) / SAME_FINISH_S)
        return finish, node != home, ways[node].joules, node

    return sorted(nodes, key=rank)


def _late(before: Course, after: Course, settings: PlanSettings) -> list[RequestId]:
    """The members that would wait longer than their patience."""
    return [
        name
        for name, alone_s in before.done_s.items()
        if after.done_s[name] > alone_s * settings.patience_factor + settings.patience_extra_s
    ]


def _gains(before: Course, after: Course, settings: PlanSettings) -> bool:
    """Fewer joules or an earlier finish, and nobody waits longer than promised."""
    if _late(before, after, settings):
        return False
    return after.joules < before.joules or after.seconds < before.seconds


def _praise(before: Course, after: Course) -> str:
    saved = before.denoiser_calls - after.denoiser_calls
    return f"similar prompts; saves {saved} of {before.denoiser_calls} denoiser calls"


def _alone(
    name: RequestId, requests: dict[RequestId, Request], parts: dict[RequestId, Part], load: Load, reason: str
) -> Draft:
    part = parts[name]
    course = forecast.alone(load, [part])
    load.free_s = course.free_s
    return Draft(
        requests=(name,),
        lead=name,
        seed=requests[name].call.seed,
        shared_steps=0,
        candidates=(),
        runners=((name, part.runner),),
        forecast=forecast.promise(course, course, 1 / load.steps_per_second(part.runner)),
        reason=reason or "nobody asked for something similar",
    )
