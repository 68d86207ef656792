"""Everything that can happen to a node, as frozen values closed by one union. Events are past tense.

Time is an event too: `Ticked` carries the clock, and every other event happens at the time of the latest tick.
Never here: what a node does about it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from peerd_protocol.certificates import Role
from peerd_protocol.ids import Attempt, GroupId, NodeId, RequestId
from peerd_protocol.messages import AnyMessage
from peerd_protocol.plan import CacheEntry, Forecast, Request
from peerd_protocol.profile import Profile


@dataclass(frozen=True, slots=True)
class Ticked:
    """The boot-time clock (it counts through suspend) in seconds."""

    now_s: float


@dataclass(frozen=True, slots=True)
class PeerConnected:
    peer: NodeId


@dataclass(frozen=True, slots=True)
class PeerClosed:
    """The channel to a peer closed. `refused`: a re-dial was refused, so its process is gone."""

    peer: NodeId
    refused: bool


@dataclass(frozen=True, slots=True)
class Leaving:
    """This node is about to stop on purpose."""


@dataclass(frozen=True, slots=True)
class Received:
    """A decoded message from an authenticated peer (or from this node itself)."""

    sender: NodeId
    message: AnyMessage


@dataclass(frozen=True, slots=True)
class Profiled:
    """This device was measured again."""

    profile: Profile


@dataclass(frozen=True, slots=True)
class RosterChanged:
    """The roster now has this digest and these members, each with what it may do."""

    digest: bytes
    roles: Mapping[NodeId, frozenset[Role]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A person asked this node for a picture; this node is the origin."""

    request: Request


@dataclass(frozen=True, slots=True)
class Cancelled:
    request: RequestId


@dataclass(frozen=True, slots=True)
class Draft:
    """A group as planning proposes it: the members of `leaves` each leave the shared steps after their own.

    A step of 0 means alone. `candidates` may run the shared steps, best first, with the call of `lead`, one of the
    members; `runners` name for each request who runs its local steps. Members in `probed` may leave sooner, by a probe.
    `blended`: the mean of all prompts below runs the steps, not the lead's alone.
    A branch names its `parent`, an earlier draft of the same `Planned`, and the step `start` where it leaves that one;
    `cached` names a checkpoint at `start` that all candidates keep. Else it begins with noise.
    """

    leaves: tuple[tuple[RequestId, int], ...]
    lead: RequestId
    seed: int
    candidates: tuple[NodeId, ...]
    runners: tuple[tuple[RequestId, NodeId], ...]
    forecast: Forecast
    reason: str = ""
    probed: frozenset[RequestId] = frozenset()
    blended: bool = False
    parent: int | None = None
    start: int = 0
    cached: str = ""

    @property
    def requests(self) -> tuple[RequestId, ...]:
        return tuple(request for request, _ in self.leaves)

    @property
    def shared_steps(self) -> int:
        """The last step that any of its own members shares."""
        return max((step for _, step in self.leaves), default=0)


@dataclass(frozen=True, slots=True)
class Planned:
    """Planning's answer to `MakePlan`. A request that nobody can run is missing from all drafts and named here."""

    batch: int
    drafts: tuple[Draft, ...]
    impossible: tuple[tuple[RequestId, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Considered:
    """The owner's policy has answered `Consider`."""

    group: GroupId
    attempt: Attempt
    accepted: bool
    reason: str


@dataclass(frozen=True, slots=True)
class StepDone:
    """The engine finished one scheduler step of a piece of work."""

    work: str
    step: int
    total: int
    preview: bytes
    preview_side: int


@dataclass(frozen=True, slots=True)
class CheckpointSaved:
    """`names` are those of the work's leaves that go their own way from here."""

    work: str
    step: int
    data: bytes
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recalled:
    """A kept checkpoint is at hand again, for this work."""

    work: str
    data: bytes


@dataclass(frozen=True, slots=True)
class CacheChanged:
    """This node now keeps exactly these checkpoints for later requests, the most worth first."""

    entries: tuple[CacheEntry, ...]


@dataclass(frozen=True, slots=True)
class WorkHalted:
    """The work reached its `stop` step; its last checkpoint came before."""

    work: str
    denoiser_calls: int


@dataclass(frozen=True, slots=True)
class PicturePainted:
    """The work ended in a picture, packed by `pictures.pack` so that it can travel."""

    work: str
    picture: bytes
    denoiser_calls: int


@dataclass(frozen=True, slots=True)
class WorkFailed:
    work: str
    reason: str


@dataclass(frozen=True, slots=True)
class Delivered:
    """The picture of a request is on disk, once and for ever."""

    request: RequestId
    path: str
    pixels_sha256: str
    denoiser_calls: int
    exact: bool


@dataclass(frozen=True, slots=True)
class DeliveryFailed:
    request: RequestId
    reason: str


Event = (
    Ticked
    | PeerConnected
    | PeerClosed
    | Leaving
    | Received
    | Profiled
    | RosterChanged
    | Asked
    | Cancelled
    | Planned
    | Considered
    | StepDone
    | CheckpointSaved
    | Recalled
    | CacheChanged
    | WorkHalted
    | PicturePainted
    | WorkFailed
    | Delivered
    | DeliveryFailed
)
