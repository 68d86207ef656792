"""Requests and plans as data. Never here: how a plan is found (a node's own judgement) or carried out."""

from typing import Literal

import msgspec

from peerd_protocol.ids import Attempt, GroupId, NodeId, RequestId

PROMPT_CHARS_MAX = 2_000
STEPS_MAX = 1_000
SIDE_PIXELS_MAX = 4_096
EMBEDDING_BYTES_MAX = 8_192
GROUP_MEMBERS_MAX = 32

Quality = Literal["strict", "balanced", "fast"]
"""How much a picture may lose by sharing, as its asker wishes; each model's calibration says what that allows."""
Share = Literal["prompt", "concepts", "nothing"]
"""What of a request may leave its origin."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides the pixels of one picture.

    `steps` is what the person asked for; inside, progress counts `scheduler.step` calls, which some schedulers make
    more often than once a step. `model` is the digest of the model's files, equal on every device that has it.
    """

    model: str
    prompt: str
    negative: str = ""
    steps: int
    seed: int
    guidance: float
    scheduler: str
    width: int
    height: int


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One prompt that someone wants made, as its origin announces it to the leader.

    `shared` is the wished number of shared steps (None: let the planner choose; 0: run it alone).
    `group_name`/`group_size` make requests wait for each other. `seed_free` says that the origin drew the seed itself,
    so a plan may replace it by the group's. `embedding` is float16, little endian, or empty while the engine is cold.
    """

    id: RequestId
    origin: NodeId
    call: Call
    shared: int | None = None
    share: Share = "prompt"
    quality: Quality = "balanced"
    seed_free: bool = False
    group_name: str = ""
    group_size: int = 1
    wait_ms: int = 0
    embedding: bytes = b""


class Leave(msgspec.Struct, frozen=True, kw_only=True):
    """Where one receiver leaves the shared steps: after `step` at the latest.

    `prompt`, where its owner shares it, lets a probe of the executor find that it should leave sooner.
    """

    name: str
    step: int
    prompt: str = ""


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """What the planner promises of one group, to be held against the outcome."""

    seconds: float
    seconds_alone: float
    denoiser_calls: int
    denoiser_calls_alone: int
    joules: float
    joules_alone: float
    handoff_bytes: int
    step_seconds: float = 0.0
    """One shared step on the executor; the unit of its lease."""


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """One member's part of a group: `runner` runs the local steps of `request` for `origin`.

    `call` carries the group's seed.
    """

    request: RequestId
    origin: NodeId
    runner: NodeId
    call: Call


class GroupPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The leader's decision for one group. `shared_steps` 0 means that every member runs all its steps itself.

    `lead` names the member whose prompt runs the shared steps. `assignments` hold only what the receiver may see: the
    executor and other members learn request ids through `requests`, never other people's prompts.
    """

    group: GroupId
    attempt: Attempt
    lead: RequestId
    executor: NodeId
    shared_steps: int
    requests: tuple[RequestId, ...]
    assignments: tuple[Assignment, ...]
    forecast: Forecast
    reason: str = ""
