"""Who may do what: the roles that the roster gives its members, and what follows for what they say.

A guest only asks. What it says of leading counts for nothing, nobody gives it another's work or words, and its pictures
are made like everyone's. Never here: what a roster is (`certificates`), or a leader's fencing (`election`).
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from peerd_protocol.actions import Action, Warn
from peerd_protocol.certificates import Role
from peerd_protocol.ids import NodeId
from peerd_protocol.membership import without_term
from peerd_protocol.messages import (
    Answer,
    AnyMessage,
    BeginningFailed,
    CacheTold,
    GroupEnded,
    Heartbeat,
    Offer,
    PlanTold,
    Preclaim,
    Resign,
    Standby,
    StandsBy,
    Submit,
)
from peerd_protocol.profile import Profile

Roles = Mapping[NodeId, frozenset[Role]]

_NEEDED: Final[Mapping[type, Role]] = {
    Submit: "ask",
    Preclaim: "lead",
    Resign: "lead",
    Offer: "lead",
    PlanTold: "lead",
    Standby: "lead",
    Answer: "execute",
    StandsBy: "execute",
    GroupEnded: "execute",
    BeginningFailed: "execute",
    CacheTold: "execute",
}
"""Everything else is said by everyone, or by those whom an attempt of a plan names for it."""


class Guard:
    """What each member may do. Until a roster has told, everyone may everything."""

    def __init__(self) -> None:
        self._roles: Roles | None = None
        self._warned: frozenset[NodeId] = frozenset()
        """Whoever went too far once; saying it once is enough."""

    def roster_changed(self, roles: Roles) -> None:
        self._roles = roles
        self._warned &= frozenset(roles)

    def may(self, node: NodeId, role: Role) -> bool:
        return self._roles is None or role in self._roles.get(node, ())

    def forbids(self, sender: NodeId, message: AnyMessage) -> list[Action] | None:
        """None: the sender's roles allow it. Else what is done in the place of what it asks for."""
        needed = _NEEDED.get(type(message))
        if needed is None or self.may(sender, needed):
            return None
        first, self._warned = sender not in self._warned, self._warned | {sender}
        text = f"{sender} may not {needed} in this cluster and tried to ({type(message).__name__}); nothing came of it."
        return [Warn(text)] if first else []

    def heard(self, sender: NodeId, heartbeat: Heartbeat) -> Heartbeat:
        """What a heartbeat of this sender says: that it lives, and of terms only if it may lead."""
        return heartbeat if self.may(sender, "lead") else without_term(heartbeat)

    def profile(self, node: NodeId, profile: Profile) -> Profile:
        """A device as plans may use it: a guest runs its own steps, and never another's."""
        return profile if self.may(node, "execute") else msgspec.structs.replace(profile, offers=False)
