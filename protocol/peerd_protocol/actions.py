"""Everything a node can want done, as frozen values closed by one union. Actions are imperative.

Order is meaning: no later action of a list is carried out before an earlier `Remember` is on disk. The result of an
action, good or bad, is the next event. Never here: how it is done.
"""

from dataclasses import dataclass

from peerd_protocol.ids import NodeId, RequestId
from peerd_protocol.messages import AnyMessage, Offer
from peerd_protocol.notices import AnyNotice
from peerd_protocol.plan import CacheEntry, Call, GroupPlan, Leave, Quality, Request
from peerd_protocol.profile import Profile


@dataclass(frozen=True, slots=True)
class Send:
    """Say `message` to a peer. It may be lost; who needs it says it again."""

    to: NodeId
    message: AnyMessage


@dataclass(frozen=True, slots=True)
class Remember:
    """Write `value` durably under `key` before anything that follows."""

    key: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Forget:
    key: str


@dataclass(frozen=True, slots=True)
class MakePlan:
    """Group these requests and choose devices -> `Planned`. `cached` are the checkpoints that living nodes keep."""

    batch: int
    requests: tuple[Request, ...]
    devices: tuple[tuple[NodeId, Profile], ...]
    cached: tuple[tuple[NodeId, CacheEntry], ...] = ()


@dataclass(frozen=True, slots=True)
class Predict:
    """Record durably what a plan promises, before the first denoiser call."""

    plan: GroupPlan


@dataclass(frozen=True, slots=True)
class Consider:
    """Ask the owner's policy about an offer -> `Considered`."""

    leader: NodeId
    offer: Offer


@dataclass(frozen=True, slots=True)
class Denoise:
    """Run `call` from `start` to `stop` under the name `work` -> StepDone, CheckpointSaved, ..., or WorkFailed.

    A checkpoint is saved wherever one of `leaves` goes its own way; `quality` is what a probe holds them to.
    `hide_prompt` leaves the prompt's digest out of checkpoints. `blend` are prompts whose mean runs the steps in place
    of the call's own. `resumes`: `start` is of this very run, on whatever device it was. `spare_s`: a checkpoint is
    saved also before the engine's work since the last would take longer than that (0: never).
    """

    work: str
    call: Call
    start: bytes | None
    stop: int | None
    spare_s: float = 0.0
    leaves: tuple[Leave, ...] = ()
    quality: Quality = "balanced"
    hide_prompt: bool = False
    blend: tuple[str, ...] = ()
    resumes: bool = False


@dataclass(frozen=True, slots=True)
class Keep:
    """Keep this checkpoint for later requests, if there is room -> `CacheChanged`, if that changed anything."""

    entry: CacheEntry
    data: bytes


@dataclass(frozen=True, slots=True)
class Recall:
    """Bring the checkpoint kept under `digest` for this work -> `Recalled`, or `WorkFailed` if it is gone."""

    work: str
    digest: str


@dataclass(frozen=True, slots=True)
class Halt:
    """Stop this work within one step; no event follows."""

    work: str


@dataclass(frozen=True, slots=True)
class Deliver:
    """Commit the picture of an own request, once -> `Delivered` or `DeliveryFailed`.

    `picture` is as the runner packed it; `plan` is None where the origin went alone; `seconds` since the asking,
    of which `planned_s` went by until the plan came.
    """

    request: Request
    picture: bytes
    plan: GroupPlan | None
    seconds: float
    planned_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell the person who asked."""

    request: RequestId
    notice: AnyNotice


@dataclass(frozen=True, slots=True)
class ShareRoster:
    """Send our roster to a peer whose digest differs."""

    to: NodeId


@dataclass(frozen=True, slots=True)
class MergeRoster:
    """Verify and add what a peer shared -> `RosterChanged` if anything was new."""

    certificates: tuple[bytes, ...]
    revocations: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Warn:
    """Something a person should know about this node or a peer: a clone, a peer that breaks the protocol."""

    text: str


Action = (
    Send
    | Remember
    | Forget
    | MakePlan
    | Predict
    | Consider
    | Denoise
    | Keep
    | Recall
    | Halt
    | Deliver
    | Tell
    | ShareRoster
    | MergeRoster
    | Warn
)
