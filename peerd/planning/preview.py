"""`peerd plan`: what would happen if these prompts were asked now, as plain data. Runs nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from peerd.planning.allowance import Allowance
from peerd.planning.planner import make_plan
from peerd.planning.settings import PlanSettings
from peerd_protocol.actions import MakePlan
from peerd_protocol.errors import LocalError
from peerd_protocol.events import Draft
from peerd_protocol.ids import NodeId
from peerd_protocol.plan import Request
from peerd_protocol.profile import Profile

JOULES_PER_WATT_HOUR = 3600


def preview_plan(
    requests: Sequence[Request], devices: Mapping[NodeId, Profile], settings: PlanSettings, allowance: Allowance
) -> dict[str, Any]:
    """The plan for requests as they stand; `spread` says how to ask them at different devices first."""
    planned = make_plan(MakePlan(0, tuple(requests), tuple(sorted(devices.items()))), settings, allowance)
    if planned.impossible:
        raise LocalError(f"That can not be planned: {planned.impossible[0][1]}.")
    prompts = {request.id: request.call.prompt for request in requests}
    groups = [
        {
            "prompts": [prompts[name] for name in draft.requests],
            "steps": [step for _, step in draft.leaves],
            "shared_steps": draft.shared_steps,
            "begins_at": draft.start,
            "branch_of": draft.parent,
            "cached": bool(draft.cached),
            "executor": draft.candidates[0] if draft.candidates else dict(draft.runners)[draft.lead],
            "lead": prompts[draft.lead],
            "reason": draft.reason,
        }
        for draft in planned.drafts
    ]
    # A branch carries the promise of its whole tree, as the root does.
    forecasts = [draft.forecast for draft in planned.drafts if draft.parent is None]
    joules, joules_alone = sum(one.joules for one in forecasts), sum(one.joules_alone for one in forecasts)
    return {
        "groups": groups,
        "seconds": max((one.seconds for one in forecasts), default=0.0),
        "seconds_alone": max((one.seconds_alone for one in forecasts), default=0.0),
        "denoiser_calls": sum(one.denoiser_calls for one in forecasts),
        "denoiser_calls_alone": sum(one.denoiser_calls_alone for one in forecasts),
        "joules": round(joules, 4),
        "joules_alone": round(joules_alone, 4),
        "watt_hours": round(joules / JOULES_PER_WATT_HOUR, 6),
        "watt_hours_alone": round(joules_alone / JOULES_PER_WATT_HOUR, 6),
        "handoff_bytes": sum(one.handoff_bytes for one in forecasts),
        "privacy": _what_each_sees(requests, planned.drafts),
    }


def spread(requests: Sequence[Request], devices: Mapping[NodeId, Profile], me: NodeId) -> list[Request]:
    """The same requests as if each were asked at another device that has the models, this one first, in turns."""
    models = {request.call.model for request in requests}
    others = sorted(
        node for node, profile in devices.items() if node != me and profile.engine and all(map(profile.has, models))
    )
    nodes = [me, *others]
    return [
        msgspec.structs.replace(request, origin=nodes[index % len(nodes)]) for index, request in enumerate(requests)
    ]


def _what_each_sees(requests: Sequence[Request], drafts: Sequence[Draft]) -> str:
    """Who learns what, in a line or two; a shared latent is itself a rough picture, and we say so."""
    shares = {request.share for request in requests}
    leader = []
    if "prompt" in shares:
        leader.append("The leader sees every prompt that may be shared")
    if "concepts" in shares:
        phrases = sorted({repr(request.call.prompt) for request in requests if request.share == "concepts"})
        leader.append(f"{'of' if leader else 'Of'} your words nothing leaves this device but {', '.join(phrases)}")
    if not leader:
        return "Nobody else sees anything."
    sees = "; ".join(leader)
    if not any(draft.shared_steps for draft in drafts):
        return f"{sees}; nobody else sees anything, since nothing is shared here."
    blended = any(draft.blended for draft in drafts)
    executor = "those that it blends" if blended else "the one prompt it runs"
    return (
        f"{sees}; the device that runs shared steps sees {executor}; the other members see no prompt of others, but the"
        " shared latent, which is itself a rough picture."
    )
