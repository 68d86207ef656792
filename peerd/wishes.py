"""Where a person's wish becomes a request: completed by the model's defaults, checked, and written down.

Never here: HTTP (`api`), or what becomes of a request (`peerd_protocol`).
"""

import asyncio
import secrets
import time
from pathlib import Path

from peerd import paths
from peerd.api.desk import Wish
from peerd.models.registry import Registry
from peerd.planning.phrases import concept_phrase
from peerd_protocol.bounds import NAME_CHARS_MAX
from peerd_protocol.errors import LocalError
from peerd_protocol.ids import NodeId, RequestId
from peerd_protocol.plan import GROUP_MEMBERS_MAX, PROMPT_CHARS_MAX, SIDE_PIXELS_MAX, STEPS_MAX, Call, Request
from peerd_protocol.schedulers import calls_per_run

SEED_BITS = 32
"""Seeds that people write down and that other programs read back."""
SIDE_PIXELS_STEP = 8
GUIDANCE_MAX = 100.0
WAIT_S_MAX = 600.0


async def request_of(wish: Wish, origin: NodeId, registry: Registry) -> Request:
    """The request that fulfils this wish. LocalError says in one sentence what can not be granted."""
    _check_words(wish)
    # A folder that is new is read whole, and the node must go on living meanwhile.
    model = await asyncio.to_thread(registry.find, registry.usual if wish.model is None else wish.model)
    steps = wish.steps if wish.steps is not None else model.steps
    scheduler = wish.scheduler if wish.scheduler is not None else model.scheduler
    if not 1 <= steps <= STEPS_MAX:
        raise LocalError(f"A picture takes 1 to {STEPS_MAX} steps; {steps} were asked for.")
    total = calls_per_run(scheduler, steps)
    if wish.shared is not None and not 0 <= wish.shared < total:
        raise LocalError(
            f"{wish.shared} shared steps do not fit into a run of {total}: choose 0 to {total - 1}, so that at least "
            "one step is the request's own."
        )
    guidance = wish.guidance if wish.guidance is not None else model.guidance
    if not 0.0 <= guidance <= GUIDANCE_MAX:
        raise LocalError(f"Guidance goes from 0 to {GUIDANCE_MAX:g}; {guidance:g} was asked for.")
    seed = wish.seed if wish.seed is not None else secrets.randbits(SEED_BITS)
    if not 0 <= seed < 1 << 63:
        raise LocalError("A seed is a whole number from 0 to 9223372036854775807.")
    call = Call(
        model=model.digest,
        prompt=wish.prompt,
        negative=wish.negative,
        steps=steps,
        seed=seed,
        guidance=guidance,
        scheduler=scheduler,
        width=_side(wish.width, model.width),
        height=_side(wish.height, model.height),
    )
    return Request(
        id=_new_id(),
        origin=origin,
        call=call,
        shared=wish.shared,
        share=wish.share,
        quality=wish.quality,
        keep=wish.keep,
        concepts=concept_phrase(wish.prompt) if wish.share == "concepts" else "",
        seed_free=wish.seed is None,
        group_name=wish.group_name,
        group_size=wish.group_size,
        wait_ms=round(wish.wait_s * 1000) if wish.group_name else 0,
    )


def _check_words(wish: Wish) -> None:
    if not wish.prompt.strip():
        raise LocalError("The prompt is empty; say what the picture should show.")
    for name, text in (("prompt", wish.prompt), ("negative prompt", wish.negative)):
        if len(text) > PROMPT_CHARS_MAX:
            raise LocalError(f"The {name} has {len(text)} characters; {PROMPT_CHARS_MAX} are the most.")
    if not 1 <= wish.group_size <= GROUP_MEMBERS_MAX:
        raise LocalError(f"A group has 1 to {GROUP_MEMBERS_MAX} requests; {wish.group_size} were asked for.")
    if len(wish.group_name) > NAME_CHARS_MAX:  # peers would refuse the request, and so would this node's next life
        raise LocalError(f"A group's name has {NAME_CHARS_MAX} characters at most; {len(wish.group_name)} were given.")
    if not 0 <= wish.wait_s <= WAIT_S_MAX:
        raise LocalError(f"A request waits 0 to {WAIT_S_MAX:g} seconds for its group; {wish.wait_s:g} were asked for.")
    if wish.out is not None:
        paths.check_place(Path(wish.out))


def _side(asked: int | None, default: int) -> int:
    side = default if asked is None else asked
    if not SIDE_PIXELS_STEP <= side <= SIDE_PIXELS_MAX or side % SIDE_PIXELS_STEP:
        raise LocalError(
            f"A side has 8 to {SIDE_PIXELS_MAX} pixels in steps of {SIDE_PIXELS_STEP}; {side} does not fit."
        )
    return side


def _new_id() -> RequestId:
    """Ordered by time, so that the first to ask has the lowest id, and random enough that no two nodes collide."""
    return RequestId(f"{time.time_ns() // 1_000_000:011x}{secrets.token_hex(5)}")
