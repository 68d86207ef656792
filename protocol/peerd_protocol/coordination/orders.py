"""What one machine wants of another inside the same node, as values; only `node.py` carries them over."""

from dataclasses import dataclass

from peerd_protocol.ids import Attempt, BootNonce, GroupId, NodeId, Term
from peerd_protocol.messages import HandoffBegin
from peerd_protocol.plan import Assignment

ALONE = Attempt(Term(0, NodeId(""), BootNonce("")), 0)
"""Of what runs without a plan: below every attempt of one."""


@dataclass(frozen=True, slots=True)
class GoAlone:
    """The origin wants its own runner to run a request to its end, whatever others do: from `data`, or from noise.

    `data` is a checkpoint of the request's own steps, at `step`.
    """

    assignment: Assignment
    step: int = 0
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class Give:
    """Hand these bytes over; the outcome comes back as `Given` or `NotGiven`."""

    to: NodeId
    begin: HandoffBegin
    data: bytes


@dataclass(frozen=True, slots=True)
class Resume:
    """Begin this work with the newest spare that this node holds of the group, if it still holds one."""

    work: str
    group: GroupId


Order = GoAlone | Give | Resume
