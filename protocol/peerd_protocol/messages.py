"""Every message one node may send another, as frozen values closed by unions.

Here lives what is said. Never here: how it is framed (`codec`), who may say it (`node`, and the transport's roster),
or what it leads to (the machines). Messages are nouns. The authenticated sender never travels inside a message:
the transport knows it from the channel.
"""

from typing import Literal

import msgspec

from peerd_protocol.ids import Attempt, BootNonce, GroupId, HandoffId, NodeId, RequestId, Term
from peerd_protocol.plan import CacheEntry, Call, Forecast, GroupPlan, Quality, Request, Share
from peerd_protocol.profile import Profile

PROTOCOL_VERSION = 1


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="is", forbid_unknown_fields=False):
    """What all messages share: one tag that names the type on the wire. Unknown fields of a newer peer are ignored."""


# ---- handshake and membership ------------------------------------------------------------------------------


class Hello(Message, frozen=True, kw_only=True, tag="hello"):
    """The first message on every channel: who speaks, since which boot, and where its bulk socket listens."""

    version: int
    name: str
    boot: BootNonce
    control_port: int
    bulk_port: int


class Heartbeat(Message, frozen=True, kw_only=True, tag="heartbeat"):
    """Sent to every peer once per interval. It alone keeps its sender, and a leadership, alive.

    `term` is the accepted term; `leading` says that the sender claims it for itself, `following` that it hears the
    leader of that term. `highest` is the highest counter it has seen. `interval_ms` is the sender's own H: every
    timeout about the sender is counted in it.
    """

    boot: BootNonce
    sequence: int
    interval_ms: int
    term: Term | None
    leading: bool
    following: bool = False
    highest: int
    followers: int
    profile: Profile
    roster_digest: bytes


class Goodbye(Message, frozen=True, kw_only=True, tag="goodbye"):
    """The sender leaves on purpose; its peers need not wait for silence."""


# ---- election ----------------------------------------------------------------------------------------------


class Preclaim(Message, frozen=True, kw_only=True, tag="preclaim"):
    """A candidate asks whether the receiver, too, has lost its leader."""

    counter: int


class PreclaimAnswer(Message, frozen=True, kw_only=True, tag="preclaim_answer"):
    counter: int
    granted: bool


class Resign(Message, frozen=True, kw_only=True, tag="resign"):
    """A leader low on battery names its successor, which claims at once if `term` is still its accepted one."""

    term: Term
    successor: NodeId


class Fenced(Message, frozen=True, kw_only=True, tag="fenced"):
    """Answer to a command of another term than the accepted one."""

    term: Term | None
    highest: int


# ---- roster gossip -----------------------------------------------------------------------------------------


class RosterWant(Message, frozen=True, kw_only=True, tag="roster_want"):
    """Asks for the roster: the heartbeat's digest differs from the sender's own."""

    digest: bytes


class RosterShare(Message, frozen=True, kw_only=True, tag="roster_share"):
    """Two grow-only sets as the exact signed bytes: member certificates and revocations."""

    certificates: tuple[bytes, ...]
    revocations: tuple[bytes, ...]


# ---- coordination ------------------------------------------------------------------------------------------


class Submit(Message, frozen=True, kw_only=True, tag="submit"):
    """An origin announces its open request to the leader, again and again until a plan names it."""

    request: Request


class Withdraw(Message, frozen=True, kw_only=True, tag="withdraw"):
    """The origin takes its request back; whoever works for it alone stops."""

    request: RequestId


class Receiver(msgspec.Struct, frozen=True, kw_only=True):
    """Who leaves the shared steps after `step` at the latest, and the `node` that the checkpoint goes to.

    `group` and `attempt` are those that the receiver knows: the offer's own for a member's runner, a branch's for the
    executor of that branch. `prompt`, where its owner shares it, lets a probe find that it should leave sooner.
    `standby` is who stands by for a branch: it is handed the same checkpoint, lest the branch's executor be lost.
    """

    request: RequestId
    node: NodeId
    step: int
    group: GroupId
    attempt: Attempt
    prompt: str = ""
    standby: NodeId = NodeId("")


class Beginning(msgspec.Struct, frozen=True, kw_only=True):
    """Where shared steps go on from, if not from noise: a checkpoint at `step`, or sooner if a probe finds so.

    One of `sources` hands it over, whose step takes `step_seconds`; or the executor itself keeps it under `cached`; or
    it stood by for this group and `resumes` it from its newest spare, at this step or a later one. With both, what it
    stands by for may still be on its way to it.
    """

    step: int
    sources: tuple[NodeId, ...] = ()
    step_seconds: float = 0.0
    cached: str = ""
    resumes: bool = False


class Offer(Message, frozen=True, kw_only=True, tag="offer"):
    """The leader asks one device to run a group's shared steps.

    It shows the lead's prompt, and those of others only where a probe is wanted or where the mean of all (`blend`) runs
    the steps in place of the lead's. `share` and `keep` are the lead's
    wishes about its prompt and its checkpoints, `quality` is the strictest of the members'. `standby` is who goes on if
    the executor is lost, and is handed a spare checkpoint now and then; '' where nobody may.
    """

    group: GroupId
    attempt: Attempt
    call: Call
    receivers: tuple[Receiver, ...]
    forecast: Forecast
    beginning: Beginning | None = None
    share: Share = "prompt"
    quality: Quality = "balanced"
    keep: bool = True
    blend: tuple[str, ...] = ()
    standby: NodeId = NodeId("")

    @property
    def stop(self) -> int:
        """The last shared step."""
        return max((receiver.step for receiver in self.receivers), default=0)

    @property
    def start(self) -> int:
        """The step that it begins at."""
        return self.beginning.step if self.beginning is not None else 0


class Answer(Message, frozen=True, kw_only=True, tag="answer"):
    """The executor's owner accepts or declines an offer; a declined one says why."""

    group: GroupId
    attempt: Attempt
    accepted: bool
    reason: str = ""


class PlanTold(Message, frozen=True, kw_only=True, tag="plan"):
    """The leader tells an origin or a runner its part of a plan."""

    plan: GroupPlan


class Progress(Message, frozen=True, kw_only=True, tag="progress"):
    """The executor's lease, for a member's runner, or for the executor of a `branch` that waits for its beginning."""

    group: GroupId
    attempt: Attempt
    step: int
    total: int
    branch: bool = False
    preview: bytes = b""
    preview_side: int = 0


class LocalProgress(Message, frozen=True, kw_only=True, tag="local_progress"):
    """A runner tells the origin it works for how far the request is."""

    request: RequestId
    step: int
    total: int
    preview: bytes = b""
    preview_side: int = 0


class GroupEnded(Message, frozen=True, kw_only=True, tag="group_ended"):
    """The executor tells the leader that the shared steps are handed over, or failed and why (`reason` not empty)."""

    group: GroupId
    attempt: Attempt
    reason: str = ""


class BeginningFailed(Message, frozen=True, kw_only=True, tag="beginning_failed"):
    """The leader tells the executor of a branch that the steps before it will not come, if they have not yet."""

    group: GroupId
    attempt: Attempt
    reason: str


class Standby(Message, frozen=True, kw_only=True, tag="standby"):
    """The leader asks the next best device to hold this offer, and the spare checkpoints that `executor` hands it."""

    offer: Offer
    executor: NodeId


class StandsBy(Message, frozen=True, kw_only=True, tag="stands_by"):
    """A device that stands by for a group tells the leader, whoever that is by now, how far its spare is.

    `offer` is the one that it holds; step 0: it has no spare yet.
    """

    offer: Offer
    step: int = 0


class StandDown(Message, frozen=True, kw_only=True, tag="stand_down"):
    """This attempt of the group is through, or outdone: whoever runs it or stands by for it may forget it."""

    group: GroupId
    attempt: Attempt


class Bereft(Message, frozen=True, kw_only=True, tag="bereft"):
    """A runner tells the leader, whoever that is by now, that its plan's executor is gone or makes no step.

    The plan is as the runner heard it, its own part alone, so that a leader that never knew of it can have it resumed.
    """

    plan: GroupPlan
    reason: str


class BranchBereft(Message, frozen=True, kw_only=True, tag="branch_bereft"):
    """The executor of a branch that waits tells the leader, whoever that is by now, that it waits in vain.

    Whoever ran the steps before it is gone, or makes none. Group and attempt are the branch's own.
    """

    group: GroupId
    attempt: Attempt


class CacheTold(Message, frozen=True, kw_only=True, tag="cache"):
    """A node tells its leader which checkpoints it keeps for later requests; the last word replaces earlier ones."""

    entries: tuple[CacheEntry, ...]


class RequestFailed(Message, frozen=True, kw_only=True, tag="request_failed"):
    """A runner tells the origin that it cannot finish the request."""

    request: RequestId
    reason: str


# ---- handoff -----------------------------------------------------------------------------------------------


class HandoffBegin(Message, frozen=True, kw_only=True, tag="handoff_begin"):
    """Announces bytes that follow in chunks: a checkpoint for a member's runner or for the executor of a branch, or a
    spare one for whoever stands by, or a finished picture for its origin.
    """

    handoff: HandoffId
    what: Literal["checkpoint", "branch", "spare", "picture"]
    request: RequestId
    group: GroupId
    attempt: Attempt
    step: int
    size: int
    digest: bytes


class Chunk(Message, frozen=True, kw_only=True, tag="chunk"):
    """A piece of a handoff, on the bulk channel, from the socket that pins the receiver's key."""

    handoff: HandoffId
    offset: int
    data: bytes


class HandoffGot(Message, frozen=True, kw_only=True, tag="handoff_got"):
    """The receiver holds everything before `offset`: acknowledgement, and where to resume after a cut."""

    handoff: HandoffId
    offset: int


class HandoffDone(Message, frozen=True, kw_only=True, tag="handoff_done"):
    """The receiver has verified the whole (`accepted`), or does not want it (any more), and why."""

    handoff: HandoffId
    accepted: bool
    reason: str = ""


# ---- receipts ----------------------------------------------------------------------------------------------


class Receipt(Message, frozen=True, kw_only=True, tag="receipt"):
    """An executor's signed word about shared steps that it ran and handed over (`receipts.Work`), as exact bytes."""

    body: bytes
    signature: bytes


class Countersignature(Message, frozen=True, kw_only=True, tag="countersignature"):
    """The receiver's signed word that it got what a receipt names (`receipts.Acceptance`), as exact bytes."""

    body: bytes
    signature: bytes


AnyMessage = (
    Hello
    | Heartbeat
    | Goodbye
    | Preclaim
    | PreclaimAnswer
    | Resign
    | Fenced
    | RosterWant
    | RosterShare
    | Submit
    | Withdraw
    | Offer
    | Answer
    | PlanTold
    | Progress
    | LocalProgress
    | GroupEnded
    | BeginningFailed
    | Standby
    | StandsBy
    | StandDown
    | Bereft
    | BranchBereft
    | CacheTold
    | RequestFailed
    | HandoffBegin
    | Chunk
    | HandoffGot
    | HandoffDone
)
"""What a node hears and says."""

AnyFrame = AnyMessage | Receipt | Countersignature
"""Whatever a frame may hold: receipts go beside the node, and change nothing of what it does."""
