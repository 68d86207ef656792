"""Every message one node may send another, as frozen values closed by one union.

Here lives what is said. Never here: how it is framed (`codec`), who may say it (`node`, and the transport's roster),
or what it leads to (the machines). Messages are nouns. The authenticated sender never travels inside a message:
the transport knows it from the channel.
"""

from typing import Literal

import msgspec

from peerd_protocol.ids import Attempt, BootNonce, GroupId, HandoffId, NodeId, RequestId, Term
from peerd_protocol.plan import Call, GroupPlan, Request
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


class Offer(Message, frozen=True, kw_only=True, tag="offer"):
    """The leader asks one device to run a group's shared steps. It shows the lead's prompt and nobody else's."""

    group: GroupId
    attempt: Attempt
    call: Call
    shared_steps: int
    receivers: tuple[tuple[RequestId, NodeId], ...]


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
    """The executor's lease: it renews only with steps, so that a hung engine lapses."""

    group: GroupId
    attempt: Attempt
    step: int
    total: int
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


class RequestFailed(Message, frozen=True, kw_only=True, tag="request_failed"):
    """A runner tells the origin that it cannot finish the request."""

    request: RequestId
    reason: str


# ---- handoff -----------------------------------------------------------------------------------------------


class HandoffBegin(Message, frozen=True, kw_only=True, tag="handoff_begin"):
    """Announces bytes that follow in chunks: a checkpoint for a member, or a finished picture for its origin."""

    handoff: HandoffId
    what: Literal["checkpoint", "picture"]
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
    | RequestFailed
    | HandoffBegin
    | Chunk
    | HandoffGot
    | HandoffDone
)
