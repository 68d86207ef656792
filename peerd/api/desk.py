"""The desk: what a person's program may ask of the running daemon. The API and nothing else talks to it.

Here live the values and the protocol class. Never here: HTTP, or how the daemon answers (`daemon.py` implements it).
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

import msgspec

from peerd.pairing_news import Approve, PairingNews
from peerd_protocol.certificates import ALL_ROLES
from peerd_protocol.ids import NodeId, RequestId
from peerd_protocol.notices import AnyNotice
from peerd_protocol.plan import Quality, Share


class Wish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person asks for. None means: the model's own default, or the daemon's choice."""

    prompt: str
    negative: str = ""
    steps: int | None = None
    shared: int | None = None
    seed: int | None = None
    guidance: float | None = None
    scheduler: str | None = None
    width: int | None = None
    height: int | None = None
    model: str | None = None
    """A name, or a folder's absolute path."""
    out: str | None = None
    """An absolute path to write the picture to; None: a name of our own in the node's picture folder."""
    group_name: str = ""
    group_size: int = 1
    wait_s: float = 10.0
    share: Share = "prompt"
    quality: Quality = "balanced"
    keep: bool = True
    """Whether checkpoints made with this prompt may be kept for later requests, here and at peers."""


class MemberView(msgspec.Struct, frozen=True, kw_only=True):
    """One member as `status` and `peers` show it. `path` is the address it is reached at ('' when unknown)."""

    id: NodeId
    name: str
    status: str
    path: str
    steps_per_second: float
    memory_free_mib: int
    power: str
    battery_percent: int | None
    temperature_c: float | None
    hot: bool
    load: float
    engine: bool
    leader: bool
    me: bool
    roles: tuple[str, ...] = ALL_ROLES
    """What its certificate lets it do; a guest's is "ask" alone."""


class NodeView(msgspec.Struct, frozen=True, kw_only=True):
    """This node and its cluster. `endpoints` are `tcp://HOST:PORT`, the control endpoint first."""

    id: NodeId
    name: str
    cluster: str
    admin: bool
    endpoints: tuple[str, ...]
    leader: NodeId | None
    leader_name: str
    term: int | None
    role: str
    engine_warm: bool
    denoiser_calls: int = 0
    """All denoiser calls since the daemon's start, as the engine counted them: of work that failed or was cancelled
    too, but for a step that was cut off."""
    members: tuple[MemberView, ...]


class KeptView(msgspec.Struct, frozen=True, kw_only=True):
    """One checkpoint that this node keeps: the call that ran to `step` of `total`, and what that has saved."""

    digest: str
    prompt: str
    share: Share
    scheduler: str
    step: int
    total: int
    size: int
    """Bytes of the checkpoint."""
    age_s: float
    hits: int
    calls_saved: int
    """Denoiser calls that later requests did not need to run."""


class CacheView(msgspec.Struct, frozen=True, kw_only=True):
    """The checkpoints that this node keeps for later requests, the most worth first."""

    bytes_used: int
    bytes_max: int
    entries: tuple[KeptView, ...]


class Desk(Protocol):
    async def submit(self, wish: Wish) -> RequestId:
        """Accept a wish durably. Raises LocalError with one clear sentence when it can not be granted."""
        ...

    def follow(self, request: RequestId) -> AsyncIterator[AnyNotice]:
        """All notices of a request from its first on; ends after `Finished` or `Failed`. LocalError: unknown."""
        ...

    async def picture(self, request: RequestId) -> bytes:
        """The PNG of a finished request. LocalError: unknown, not finished, or its file was taken away."""
        ...

    async def discard(self, request: RequestId) -> None:
        """Remove the picture of a finished request from the node's own folder; whoever asked for it has it now.

        LocalError: unknown, not finished, or a file that somebody named, which is theirs to remove.
        """
        ...

    async def cancel(self, request: RequestId) -> None: ...

    async def plan(self, wishes: Sequence[Wish]) -> dict[str, Any]:
        """What would happen if these were asked now, as `peerd plan --json` prints it but for names. Runs nothing."""
        ...

    def view(self) -> NodeView: ...

    def cache(self) -> CacheView: ...

    async def clear_cache(self) -> int:
        """Remove all kept checkpoints, and tell the leader; how many there were."""
        ...

    async def revoke(self, device: str) -> tuple[NodeId, str, int]:
        """Shut a member out for ever: its id, its name, and how many members were told. LocalError: not here."""
        ...

    async def leave(self, abandon: bool) -> None:
        """Leave the cluster and be alone. LocalError: alone already, or the last who may let others in."""
        ...

    def invite(self, minutes: float, approve: Approve, guest: bool = False) -> AsyncIterator[PairingNews]:
        """Open one join window; ends after `Joined` or `PairingFailed`. Closing the iterator closes the window."""
        ...

    def join(self, token: str, approve: Approve) -> AsyncIterator[PairingNews]: ...
