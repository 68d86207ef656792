"""What one machine wants of another inside the same node, as values; only `node.py` carries them over."""

from dataclasses import dataclass

from peerd_protocol.ids import GroupId, NodeId
from peerd_protocol.messages import HandoffBegin
from peerd_protocol.plan import Request


@dataclass(frozen=True, slots=True)
class GoAlone:
    """The origin wants its own runner to run the whole request, whatever others do."""

    request: Request


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
