"""How long one waits for another's steps: the arithmetic of leases, in seconds.

Whoever runs steps for others renews its lease with every step, so that a hung engine lapses. Before its first step it
may take as long as the plan foresaw and a cold engine needs. Never here: what happens when a lease lapses.
"""

ENGINE_START_S = 60.0
"""An executor whose engine is cold may take this long to its first step on a small device."""
RESUME_S = 8.0
"""For a lost executor's group to go on elsewhere: a new leader takes six seconds by silence, an offer a moment."""
SPARE_S = 5.0
"""How much work may be lost with a device, beside the spare that is under way: a person does not mind ten seconds, and
the other half is for that way. Of a step that takes longer than all of them, that one step.

Nor is more than 2 % of a battery lost: one that its engine drew empty in 500 s would lose 2 % in ten, and none is drawn
empty so fast; a phone's 15 Wh at 10 W last 5,400 s. What a battery holds no profile knows, so seconds decide.
"""
INTERVALS = 3.0
STEPS = 4.0
PLANNED_S_MAX = 3600.0
"""What a plan foresees is believed up to here; a lying leader could make its members wait for ever."""


def first_s(planned_s: float) -> float:
    """Until the first step, of a plan that takes `planned_s` in all: a busy engine is part of it, a cold one isn't."""
    return ENGINE_START_S + min(max(planned_s, 0.0), PLANNED_S_MAX)


def renewed_s(interval_s: float, step_s: float) -> float:
    """After a sign of life from one whose step takes `step_s`."""
    return max(INTERVALS * interval_s, STEPS * min(step_s, PLANNED_S_MAX))
