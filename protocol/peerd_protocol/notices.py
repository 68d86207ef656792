"""What a node tells the person who asked, about one request. Never here: how it is shown, or sent to a peer.

`Finished` and `Failed` are the last notice of a request; exactly one of them comes.
"""

import msgspec

from peerd_protocol.ids import NodeId, RequestId
from peerd_protocol.plan import Forecast


class Notice(msgspec.Struct, frozen=True, kw_only=True, tag_field="is"):
    pass


class Queued(Notice, frozen=True, kw_only=True, tag="queued"):
    leader: NodeId | None


class PlanMade(Notice, frozen=True, kw_only=True, tag="plan"):
    """The leader's decision as the origin sees it. `shared_with` names the other requests of the group."""

    executor: NodeId
    runner: NodeId
    leads: bool
    shared_steps: int
    shared_with: tuple[RequestId, ...]
    seed: int
    forecast: Forecast
    reason: str


class SharedStep(Notice, frozen=True, kw_only=True, tag="shared_step"):
    executor: NodeId
    step: int
    total: int
    preview: bytes
    preview_side: int


class LocalStep(Notice, frozen=True, kw_only=True, tag="local_step"):
    runner: NodeId
    step: int
    total: int
    preview: bytes
    preview_side: int


class HandedOff(Notice, frozen=True, kw_only=True, tag="handoff"):
    """A checkpoint reached the member whole: how many bytes, from whom, after which step."""

    sender: NodeId
    size: int
    step: int


class WentAlone(Notice, frozen=True, kw_only=True, tag="alone"):
    """The origin goes on by itself, and why: sharing is only ever an optimisation."""

    reason: str


class Finished(Notice, frozen=True, kw_only=True, tag="finished"):
    path: str
    pixels_sha256: str
    denoiser_calls: int
    exact: bool
    seconds: float


class Failed(Notice, frozen=True, kw_only=True, tag="failed"):
    reason: str


AnyNotice = Queued | PlanMade | SharedStep | LocalStep | HandedOff | WentAlone | Finished | Failed
