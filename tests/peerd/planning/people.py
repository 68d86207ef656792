"""Requests and devices for stories about planning."""

import math
import struct
from collections.abc import Sequence

from peerd.planning.allowance import Allowance
from peerd.planning.calibration import Band, Calibration, Row
from peerd.planning.planner import make_plan
from peerd.planning.settings import PlanSettings
from peerd_protocol.actions import MakePlan
from peerd_protocol.events import Planned
from peerd_protocol.ids import NodeId, RequestId
from peerd_protocol.plan import CacheEntry, Call, Request
from peerd_protocol.profile import Profile

MODEL = "model"
SETTINGS = PlanSettings()
WHOLE_SET = (
    *("kitten on the grass", "a cat on the grass", "a fluffy kitten on grass", "a grey cat on the grass"),
    *("cat on the lawn", "a tabby cat on the grass", "a sleeping kitten on the grass", "a tomcat on the grass"),
    *("puppy on the grass", "a dog on the grass", "a brown dog on grass", "a small puppy on the grass"),
    *("a hound on the grass", "a terrier on the grass", "a wet dog on the grass", "a poodle on the grass"),
    *("apple on the table", "a red apple on a table", "a green apple on the table", "a lemon on the table"),
    *("a ripe lemon on the table", "an orange on the table", "a pear on the table", "two apples on the table"),
    *("a plum on the table", "a peach on the table", "a fig on the table", "a bowl on the table"),
    *("a cup on the table", "a mug on the table", "a teacup on the table", "a glass on the table"),
)
"""Things and places that people type, said in several ways: as many as may be one group."""

GRADED = Calibration(
    model="0" * 64,
    guidance=3.0,
    pairs=1,
    seed=1,
    rows=(
        Row(
            scheduler="ddim",
            total=20,
            quality="balanced",
            bands=(Band(0.9, 0.8), Band(0.75, 0.65), Band(0.6, 0.45), Band(0.45, 0.2)),
        ),
    ),
)
"""The nearer, the longer: what a model allows that was measured over many pairs."""
UNCALIBRATED = Allowance(lambda _: None)


def ask(name: str, prompt: str, origin: str = "", **changes: object) -> Request:
    """A request `name` at node `origin` (its own name in capitals, if not said)."""
    call = {
        "model": MODEL, "prompt": prompt, "steps": 11, "seed": 41, "guidance": 3.0, "scheduler": "ddim",
        "width": 128, "height": 128,
    }  # fmt: skip
    call |= {key: changes.pop(key) for key in list(changes) if key in Call.__struct_fields__}
    return Request(id=RequestId(name), origin=NodeId(origin or name.upper()), call=Call(**call), **changes)  # type: ignore[arg-type]


def device(steps_per_second: float = 10.0, **changes: object) -> Profile:
    return Profile(**{"model": MODEL, "steps_per_second": steps_per_second, "memory_free_mib": 4_000, **changes})  # type: ignore[arg-type]


def plan(
    requests: list[Request],
    devices: dict[str, Profile],
    settings: PlanSettings = SETTINGS,
    cached: Sequence[tuple[NodeId, CacheEntry]] = (),
) -> Planned:
    known = tuple((NodeId(name), profile) for name, profile in devices.items())
    return make_plan(MakePlan(1, tuple(requests), known, tuple(cached)), settings, UNCALIBRATED)


def embedding(*angles: float) -> bytes:
    """A direction of length one in as many planes as angles."""
    values = [part / math.sqrt(len(angles)) for angle in angles for part in (math.cos(angle), math.sin(angle))]
    return struct.pack(f"<{len(values)}e", *values)
