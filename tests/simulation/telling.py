"""A story in words, for whoever replays it: who asks and gets what, which plans are made, who begins what.

Never here: what happens.
"""

from peerd_protocol.actions import Action, Denoise, MakePlan, Tell
from peerd_protocol.notices import Failed, Finished, HandedOff, PlanMade, WentAlone
from tests.simulation.engine import step_of


def words(action: Action) -> str:
    """What an action means to somebody who reads along; '' where it means nothing."""
    match action:
        case MakePlan(batch, requests):
            return f"plans batch {batch}: {', '.join(request.id for request in requests)}"
        case Denoise(work, call, start, stop):
            return f"begins {work}, {call.prompt!r}, at {step_of(start)} of {stop or call.steps}"
        case Tell(request, PlanMade() as plan):
            shared = f"{plan.shared_steps} steps by {plan.executor}" if plan.shared_steps else "alone"
            return f"hears the plan of {request}: {shared}, run by {plan.runner}"
        case Tell(request, WentAlone() as alone):
            return f"goes on alone with {request}: {alone.reason}"
        case Tell(request, HandedOff() as handoff):
            return f"has the checkpoint of {request} at {handoff.step} from {handoff.sender}"
        case Tell(request, Finished() as finished):
            return f"has the picture of {request} after {finished.seconds:.1f} s"
        case Tell(request, Failed() as failed):
            return f"fails {request}: {failed.reason}"
        case _:
            return ""
