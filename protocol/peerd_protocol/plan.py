"""Requests and plans as data. Never here: how a plan is found (a node's own judgement) or carried out."""

from typing import Literal, get_args

import msgspec

from peerd_protocol.ids import Attempt, GroupId, NodeId, RequestId

PROMPT_CHARS_MAX = 2_000
STEPS_MAX = 1_000
SIDE_PIXELS_MAX = 4_096
EMBEDDING_BYTES_MAX = 8_192
GROUP_MEMBERS_MAX = 32
ENTRIES_TOLD_MAX = 32
"""Kept checkpoints that a node tells of: as many as a group has members."""
AVOIDED_MAX = 8
"""Devices that an origin would rather not be given to: the last so many that it heard nothing of."""

Quality = Literal["strict", "balanced", "fast"]
"""How much a picture may lose by sharing, as its asker wishes; each model's calibration says what that allows."""
STRICTEST_FIRST: tuple[Quality, ...] = get_args(Quality)
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
    `keep` allows whoever runs shared steps with this prompt to keep their checkpoints for later requests. `concepts`
    is what share "concepts" tells in the prompt's place; the origin alone holds it beside the own words. `begun` says
    at which step the origin holds a checkpoint of its own steps (0: nowhere): somebody is to go on with them. `avoid`
    are devices that it was given to and of which the origin heard nothing: rather others than those.
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
    keep: bool = True
    concepts: str = ""
    begun: int = 0
    avoid: tuple[NodeId, ...] = ()


def announced(request: Request) -> Request:
    """The request as others may see it: of one that shares its concepts alone, the phrase stands for the words."""
    if request.share != "concepts":
        return request
    call = msgspec.structs.replace(request.call, prompt=request.concepts, negative="")
    return msgspec.structs.replace(request, call=call, embedding=b"", concepts="")


class Leave(msgspec.Struct, frozen=True, kw_only=True):
    """Where one receiver leaves the shared steps: after `step` at the latest.

    `prompt`, where its owner shares it, lets a probe of the executor find that it should leave sooner.
    """

    name: str
    step: int
    prompt: str = ""


class CacheEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint that a node keeps for later requests: `call` ran to `step`, in `size` bytes.

    `digest` is the SHA-256 of the bytes in hex; `share` is that of the request whose prompt `call` holds (for
    "concepts" a phrase); `blend` are the prompts whose mean ran the steps, if not that one alone.
    """

    digest: str
    call: Call
    step: int
    size: int
    share: Share = "prompt"
    blend: tuple[str, ...] = ()


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """What is promised of one request: its picture `seconds` after its plan is told, and how late if it went alone.

    `told_s` passes from the closing of its group until then; calls and joules are those of its own steps.
    """

    request: RequestId
    seconds: float
    seconds_alone: float
    told_s: float = 0.0
    denoiser_calls: int = 0
    """0: an older leader promised none."""
    joules: float = 0.0


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
    each: tuple[Expected, ...] = ()


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """One member's part of a group: `runner` runs the local steps of `request` for `origin`.

    `call` carries the group's seed.
    """

    request: RequestId
    origin: NodeId
    runner: NodeId
    call: Call


class GroupPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The leader's decision for one group, as one member hears it.

    `shared_steps` is where that member leaves the shared steps at the latest; 0 means that it runs all steps itself.
    `lead` names the request whose prompt runs them. `assignments` hold only what the receiver may see: others' request
    ids come through `requests`, which names all that share a beginning, never their prompts. `parent` is the group
    that this one branches off. `standby` is who goes on with the shared steps if the executor is lost. `begun`: its
    origin hands over a checkpoint of its own steps, at this step or a later one, and its runner waits for that.
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
    parent: GroupId = GroupId("")
    standby: NodeId = NodeId("")
    begun: int = 0
