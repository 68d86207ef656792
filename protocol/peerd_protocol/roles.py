"""What a member's roles let it say and be told: {ask} asks, {execute} runs steps for others, {lead} plans and commands.

Every side checks this for every frame, before it is anything but bytes and types: a member without a role does not get
to lie about it. Never here: who is a member (the roster), or whether what is said makes sense now (the machines).
"""

from collections.abc import Collection, Mapping
from typing import assert_never

import msgspec

from peerd_protocol.actions import Action, Warn
from peerd_protocol.certificates import ALL_ROLES, Role
from peerd_protocol.ids import NodeId
from peerd_protocol.membership import without_term
from peerd_protocol.messages import (
    Answer,
    AnyFrame,
    AnyMessage,
    BeginningFailed,
    Bereft,
    BranchBereft,
    CacheTold,
    Chunk,
    Countersignature,
    Fenced,
    Goodbye,
    GroupEnded,
    HandoffBegin,
    HandoffDone,
    HandoffGot,
    Heartbeat,
    Hello,
    LocalProgress,
    Offer,
    PlanTold,
    Preclaim,
    PreclaimAnswer,
    Progress,
    Receipt,
    RequestFailed,
    Resign,
    RosterShare,
    RosterWant,
    Standby,
    StandDown,
    StandsBy,
    Submit,
    Withdraw,
)
from peerd_protocol.profile import Profile

Roles = Mapping[NodeId, frozenset[Role]]

GUEST: tuple[Role, ...] = ("ask",)
"""May have pictures made, and nothing else."""


def may_say(roles: Collection[Role], message: AnyFrame) -> bool:
    """Whether a member with these roles may say this."""
    match message:
        case Heartbeat(leading=leading):
            return not leading or "lead" in roles
        case Preclaim() | Resign() | Offer() | PlanTold() | Standby() | BeginningFailed():
            return "lead" in roles
        case StandDown():
            return "lead" in roles or "execute" in roles
        case Answer() | Progress() | LocalProgress() | GroupEnded() | StandsBy() | CacheTold() | RequestFailed():
            return "execute" in roles
        case BranchBereft():
            return "execute" in roles
        case Receipt():  # it is for steps that were run for others
            return "execute" in roles
        case HandoffBegin(what=what):
            return "execute" in roles or what == "checkpoint"  # its own half, for whoever goes on with it
        case Submit() | Withdraw() | Bereft():
            return "ask" in roles
        case Hello() | Goodbye() | PreclaimAnswer() | Fenced() | RosterWant() | RosterShare():
            return True
        case Chunk() | HandoffGot() | HandoffDone() | Countersignature():
            return True
        case _:
            assert_never(message)


def may_be_told(roles: Collection[Role], message: AnyFrame) -> bool:
    """Whether a member with these roles may be told this: other people's words go to those who work with them alone."""
    match message:
        case Submit() | Bereft() | StandsBy() | CacheTold():
            return "lead" in roles
        case Offer() | Standby() | Countersignature():
            return "execute" in roles
        case HandoffBegin(what=what):
            return what not in ("spare", "branch") or "execute" in roles
        case _:
            return True


class Guard:
    """What this node lets each member do. Until a roster has told, everyone may everything."""

    def __init__(self) -> None:
        self._roles: Roles | None = None
        self._warned: frozenset[NodeId] = frozenset()
        """Whoever went too far once; saying it once is enough."""

    def roster_changed(self, roles: Roles) -> None:
        self._roles = roles
        self._warned &= frozenset(roles)

    def may(self, node: NodeId, role: Role) -> bool:
        return role in self._of(node)

    def forbids(self, sender: NodeId, message: AnyMessage) -> list[Action] | None:
        """None: the sender's roles allow it. Else what is done in the place of what it asks for."""
        if may_say(self._of(sender), message):
            return None
        first, self._warned = sender not in self._warned, self._warned | {sender}
        text = f"{sender} said what its roles in this cluster forbid ({type(message).__name__}); nothing came of it."
        return [Warn(text)] if first else []

    def heard(self, sender: NodeId, heartbeat: Heartbeat) -> Heartbeat:
        """What a heartbeat of this sender says: that it lives, and of terms only if it may lead."""
        return heartbeat if self.may(sender, "lead") else without_term(heartbeat)

    def profile(self, node: NodeId, profile: Profile) -> Profile:
        """A device as plans may use it: a guest runs its own steps, and never another's."""
        return profile if self.may(node, "execute") else msgspec.structs.replace(profile, offers=False)

    def _of(self, node: NodeId) -> Collection[Role]:
        return ALL_ROLES if self._roles is None else self._roles.get(node, ())
