"""One tree on its way to drafts: which devices run its branches, and whether anybody gains by it.

A plan that saves neither joules nor time, or that makes any member wait longer than its patience, is refused, unless
every member asked for shared steps. Never here: who is similar (`live_groups`), or how seconds add up (`forecast`).
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import msgspec

from peerd.planning import forecast
from peerd.planning.allowance import Allowance
from peerd.planning.cached import Start
from peerd.planning.candidates import fit_devices, rank
from peerd.planning.forecast import Course, Load, Part
from peerd.planning.settings import PlanSettings
from peerd.planning.trees import Branch
from peerd_protocol.events import Draft
from peerd_protocol.ids import NodeId, RequestId
from peerd_protocol.plan import Call, Forecast, Request

CANDIDATES_MAX = 8
"""An offer takes up to two seconds to be declined by silence; after so many everyone is better off alone."""

LOOK_CALLS = 0.5
"""What one prompt's prediction costs a probe, in denoiser calls: the half without the negative prompt."""

NOT_ENOUGH_GAIN = "sharing would save nothing here"
NOBODY_FIT = "no device may run the shared steps now"


@dataclass(frozen=True, slots=True)
class Table:
    """What lies before the planner: the requests, who runs each one's own steps, the devices, what may be shared."""

    requests: dict[RequestId, Request]
    parts: dict[RequestId, Part]
    load: Load
    allowance: Allowance


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a tree is not carried out, and who would have to leave it for another try."""

    why: str
    late: tuple[RequestId, ...] = ()


def share(tree: Branch, table: Table, index: int) -> list[Draft] | Refused:
    """The drafts of a tree, the first of them as number `index` of the plan; takes its time from the load."""
    load = table.load
    parts = [table.parts[name] for name in tree.members]
    fit = fit_devices(load.devices, parts[0].call.model, load.settings)
    if not fit:
        return Refused(NOBODY_FIT)
    before = forecast.alone(load, parts)
    hosts = {branch.lead: _host(branch, table, fit) for branch in _below(tree)}
    ways = {node: forecast.course(load, parts, tree, {**hosts, tree.lead: node}) for node in fit}
    # Whoever asked for shared steps gets them; one who did not is never made to pay for another's wish.
    forced = all(table.requests[name].shared is not None for name in tree.members)
    good = [node for node in fit if forced or _gains(before, ways[node], load.settings)]
    home = table.parts[tree.lead]
    if not good:
        return Refused(NOT_ENOUGH_GAIN, _late(before, ways[rank(fit, ways, home, load)[0]], load.settings))
    candidates = rank(good, ways, home, load)
    best = ways[candidates[0]]
    probed = {} if forced else _probed(tree, table)
    staying = replace(tree, leaves=tuple((name, probed.get(name, step)) for name, step in tree.leaves))
    for node in candidates[:CANDIDATES_MAX] if probed else ():
        way = forecast.course(load, parts, staying, {**hosts, tree.lead: node})
        look_s = LOOK_CALLS * len(probed) * load.step_s(node, parts[0].call)
        if _late(before, way, load.settings, look_s):
            probed = {}  # to stay would make somebody late, so nobody is let
            break
    forecast.take(load, best)
    reason = "as asked" if forced else _praise(before, best)
    promise = _with_looks(forecast.promise(before, best, 0.0), len(probed), load, candidates[0], parts[0].call)
    named = [table.requests[name].call.seed for name in tree.members if not table.requests[name].seed_free]
    seed = named[0] if named else table.requests[tree.members[0]].call.seed
    orders = {tree.lead: candidates} | {
        lead: [host, *(node for node in fit if node != host)] for lead, host in hosts.items()
    }
    return _drafts(tree, table, orders, index, probed, seed=seed, promise=promise, reason=reason, blended=not forced)


def _drafts(
    tree: Branch,
    table: Table,
    candidates: Mapping[RequestId, list[NodeId]],
    index: int,
    probed: Mapping[RequestId, int],
    *,
    seed: int,
    promise: Forecast,
    reason: str,
    blended: bool,
) -> list[Draft]:
    """The root's draft, then those of its branches, each after its parent. All carry the promise of the whole tree.

    A probe looks at the beginning: `probed` are members of the root.
    """
    drafts: list[Draft] = []

    def add(branch: Branch, parent: int | None) -> None:
        here = index + len(drafts)
        nodes = tuple(candidates[branch.lead][:CANDIDATES_MAX])
        looked_at = probed.keys() & dict(branch.leaves).keys()
        step_s = table.load.step_s(nodes[0], table.parts[branch.lead].call) * (1 + LOOK_CALLS * len(looked_at))
        drafts.append(
            Draft(
                leaves=tuple((name, probed.get(name, step)) for name, step in branch.leaves),
                lead=branch.lead,
                seed=seed,
                candidates=nodes,
                runners=tuple((name, table.parts[name].runner) for name, _ in branch.leaves),
                forecast=msgspec.structs.replace(promise, step_seconds=round(step_s, 6)),
                reason=reason,
                parent=parent,
                start=branch.start,
                blended=blended,
                probed=frozenset(looked_at),
            )
        )
        for below in branch.branches:
            add(below, here)

    add(tree, None)
    return drafts


def _with_looks(promise: Forecast, count: int, load: Load, node: NodeId, call: Call) -> Forecast:
    """What is promised, with the calls and joules of looks at so many members; seconds leave room for them anyway."""
    calls = math.ceil(LOOK_CALLS * count)
    joules = round(promise.joules + LOOK_CALLS * count * load.joules_per_call(node, call), 4)
    return msgspec.structs.replace(promise, denoiser_calls=promise.denoiser_calls + calls, joules=joules)


def _probed(branch: Branch, table: Table) -> dict[RequestId, int]:
    """Who of a branch leaves when a probe says so, and where at the latest: no earlier than the plan has it.

    Of those whose words the executor may see. It compares them with each other, so one alone has nobody to stay with.
    """
    ceiling = table.allowance.ceiling([table.requests[name] for name in branch.members])
    found = {
        name: max(step, ceiling)
        for name, step in branch.leaves
        if ceiling and table.requests[name].share == "prompt" and table.requests[name].shared is None
    }
    return found if len(found) > 1 else {}


def late_start(name: RequestId, start: Start, table: Table) -> Draft | None:
    """The draft of a request that goes on from a kept checkpoint, or None if that gains nothing."""
    load, part, step = table.load, table.parts[name], start.entry.step
    before = forecast.alone(load, [part])
    tree = Branch(name, step, ((name, step),))
    after = forecast.course(load, [part], tree, {}, held={name: start.holder})
    if not _gains(before, after, load.settings):
        return None
    forecast.take(load, after)
    return Draft(
        leaves=((name, step),),
        lead=name,
        seed=start.entry.call.seed,
        candidates=(start.holder,),
        runners=((name, part.runner),),
        forecast=forecast.promise(before, after, load.step_s(start.holder, part.call)),
        reason=f"an earlier beginning fits; saves {step} of {before.denoiser_calls} denoiser calls",
        start=step,
        cached=start.entry.digest,
    )


def _below(tree: Branch) -> Iterator[Branch]:
    for branch in tree.branches:
        yield branch
        yield from _below(branch)


def _host(branch: Branch, table: Table, fit: list[NodeId]) -> NodeId:
    """Who runs a branch: the runner of its lead's own steps, so that one handoff less is made, else the fastest fit."""
    home = table.parts[branch.lead]
    return home.runner if home.runner in fit else min(fit, key=lambda node: (table.load.step_s(node, home.call), node))


def _late(before: Course, after: Course, settings: PlanSettings, more_s: float = 0.0) -> tuple[RequestId, ...]:
    """The members that would wait longer than their patience, if it took `more_s` beyond that."""
    return tuple(
        name
        for name, alone_s in before.done_s.items()
        if after.done_s[name] + more_s > alone_s * settings.patience_factor + settings.patience_extra_s
    )


def _gains(before: Course, after: Course, settings: PlanSettings) -> bool:
    """Fewer joules or an earlier finish, and nobody waits longer than promised."""
    if _late(before, after, settings):
        return False
    return after.joules < before.joules or after.seconds < before.seconds


def _praise(before: Course, after: Course) -> str:
    saved = before.denoiser_calls - after.denoiser_calls
    return f"similar prompts; saves {saved} of {before.denoiser_calls} denoiser calls"
