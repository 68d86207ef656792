"""A piece of work of the protocol as an order to the engine: who leaves where, and what a probe shall look for.

Pure. Never here: the engine, or the order in which work is done.
"""

import msgspec

from peerd.engine.port import Look, Order
from peerd.planning.cached import layout_steps
from peerd.planning.calibration import Calibration, allowed, looks
from peerd.planning.similarity import read, similarity
from peerd_protocol.actions import Denoise
from peerd_protocol.checkpoint import unpack
from peerd_protocol.plan import Leave


def order_of(action: Denoise, calibration: Calibration | None) -> Order:
    """The engine's order for this work; CheckpointError if its start can not be read.

    A leaf that names its prompt may stay as long as a probe finds it near. Where this node has no measurement to probe
    by, or the run starts behind the look, the leaf leaves where the table sends it by its words.
    """
    call, quality = action.call, action.quality
    leaves, probe = action.leaves, tuple[Look, ...]()
    if any(leave.prompt for leave in leaves):
        start = unpack(action.start).facts.step if action.start else 0
        glances = looks(calibration, call.scheduler, call.steps, quality)
        probe = tuple(Look(glance.step, glance.stays) for glance in glances if glance.step > start)
        if not probe:
            leaves = tuple(_by_table(leave, action, calibration) for leave in leaves)
    return Order(
        call,
        action.start,
        action.stop,
        # Shared steps leave a checkpoint where late requests may begin.
        layout_steps(call) if action.leaves else 0,
        hide_prompt=action.hide_prompt,
        leaves=leaves,
        probe=probe,
        blend=action.blend,
        resumes=action.resumes,
        spare_s=action.spare_s,
    )


def _by_table(leave: Leave, action: Denoise, calibration: Calibration | None) -> Leave:
    call = action.call
    if leave.prompt in ("", call.prompt):
        return leave
    near = similarity(read(call.prompt), read(leave.prompt))
    table = allowed(calibration, call.scheduler, call.steps, action.quality, near)
    return msgspec.structs.replace(leave, step=max(1, min(leave.step, table)))
