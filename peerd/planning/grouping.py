"""Who must not share a beginning, whatever the prompts say: another model or size, another seed, a wish to be alone.

Never here: how near two prompts are (`nearness`), or which groups come of it (`live_groups`).
"""

from peerd.planning.words import same_text
from peerd_protocol.plan import Call, Request
from peerd_protocol.schedulers import SCHEDULERS

CALL_FIELDS = ("model", "width", "height", "steps", "scheduler", "guidance", "negative")
"""Requests share steps only where all of these are the same."""


def call_key(call: Call) -> tuple[object, ...]:
    """Requests with another key never share."""
    return tuple(getattr(call, name) for name in CALL_FIELDS)


def never_shares(request: Request) -> str:
    """Why nobody may share with this request; empty if somebody might."""
    if request.share == "nothing":
        return "it shares nothing"
    if request.shared == 0:
        return "it wants no shared steps"
    if request.call.scheduler not in SCHEDULERS:
        return "a scheduler this leader does not know"
    return ""


def cannot_link(first: Request, second: Request) -> str:
    """Why these two must not share whatever their prompts say; empty if nothing forbids it."""
    one, other = first.call, second.call
    if call_key(one) != call_key(other):
        return next(f"another {name}" for name in CALL_FIELDS if getattr(one, name) != getattr(other, name))
    if why := never_shares(first) or never_shares(second):
        return why
    if first.group_name and second.group_name and first.group_name != second.group_name:
        return "another group's name"
    both_named = not first.seed_free and not second.seed_free
    if both_named and one.seed != other.seed:
        return "another seed"
    if not both_named and first.share == second.share == "prompt" and same_text(one.prompt, other.prompt):
        # One seed and one prompt make one picture; nobody gets the same picture twice unless they name the seed.
        # A concept phrase is not the prompt: two that hide under one phrase want different pictures.
        return "the same prompt without naming a seed"
    return ""
