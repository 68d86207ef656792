"""The executor's side: a group's shared steps, from the leader's offer to the last handoff.

    considered -> accepted -> running -> handing over -> ended
         |                       |
         +-> declined            +-> failed, withdrawn or outdone by a higher attempt

It sees one prompt, the lead's; of the others only where the checkpoint goes. Never here: whether the owner wants to
help (that is asked by `Consider`), or what a receiver does with the checkpoint.
"""

import hashlib
from dataclasses import dataclass, field

from peerd_protocol.actions import Action, Consider, Denoise, Halt, Send
from peerd_protocol.coordination.orders import Give, Order
from peerd_protocol.events import CheckpointSaved, Considered, StepDone, WorkFailed
from peerd_protocol.ids import GroupId, HandoffId, NodeId, RequestId
from peerd_protocol.messages import Answer, GroupEnded, HandoffBegin, Offer, Progress

OFFERS_AT_ONCE_MAX = 16
WORK = "shared/"


@dataclass(slots=True)
class _Share:
    leader: NodeId
    offer: Offer
    receivers: dict[RequestId, NodeId] = field(default_factory=dict)
    accepted: bool = False

    @property
    def work(self) -> str:
        return f"{WORK}{self.offer.group}/{self.offer.attempt.number}"


class Executor:
    """All groups whose shared steps this node was asked to run."""

    def __init__(self) -> None:
        self._shares: dict[GroupId, _Share] = {}

    def offered(self, leader: NodeId, offer: Offer) -> list[Action]:
        """A fenced offer from the leader; a repeated one is answered as before."""
        known = self._shares.get(offer.group)
        if known is not None and known.offer.attempt == offer.attempt:
            return [_answer(known, True)] if known.accepted else []
        actions: list[Action] = []
        if known is not None:
            if offer.attempt < known.offer.attempt:
                return []
            actions += self._drop(known)
        if len(self._shares) >= OFFERS_AT_ONCE_MAX:
            busy = Answer(group=offer.group, attempt=offer.attempt, accepted=False, reason="busy with other groups")
            return [*actions, Send(leader, busy)]
        self._shares[offer.group] = _Share(leader, offer, dict(offer.receivers))
        return [*actions, Consider(leader, offer)]

    def considered(self, event: Considered) -> list[Action]:
        share = self._shares.get(event.group)
        if share is None or share.offer.attempt != event.attempt or share.accepted:
            return []
        if not event.accepted:
            del self._shares[event.group]
            return [_answer(share, False, event.reason)]
        share.accepted = True
        return [
            _answer(share, True),
            Denoise(share.work, share.offer.call, start=None, stop=share.offer.shared_steps),
        ]

    def stepped(self, event: StepDone) -> list[Action]:
        share = self._of(event.work)
        if share is None:
            return []
        progress = Progress(
            group=share.offer.group,
            attempt=share.offer.attempt,
            step=event.step,
            total=event.total,
            preview=event.preview,
            preview_side=event.preview_side,
        )
        return [Send(node, progress) for node in sorted(set(share.receivers.values()))]

    def saved(self, event: CheckpointSaved) -> list[Action | Order]:
        """The checkpoint at the end of the shared steps goes to every receiver; this node's own runner is one too."""
        share = self._of(event.work)
        if share is None or event.step != share.offer.shared_steps:
            return []
        digest = hashlib.sha256(event.data).digest()
        return [
            Give(
                node,
                HandoffBegin(
                    handoff=HandoffId(f"checkpoint/{share.offer.group}/{share.offer.attempt.number}/{request}"),
                    what="checkpoint",
                    request=request,
                    group=share.offer.group,
                    attempt=share.offer.attempt,
                    step=event.step,
                    size=len(event.data),
                    digest=digest,
                ),
                event.data,
            )
            for request, node in share.receivers.items()
        ]

    def handed(self, begin: HandoffBegin) -> list[Action]:
        """One receiver has the checkpoint, or never will: its own lease and the origin see to that."""
        share = self._shares.get(begin.group)
        if share is None or share.offer.attempt != begin.attempt:
            return []
        share.receivers.pop(begin.request, None)
        return [] if share.receivers else self._end(share, "")

    def work_failed(self, event: WorkFailed) -> list[Action]:
        share = self._of(event.work)
        return [] if share is None else self._end(share, event.reason)

    def withdrawn(self, sender: NodeId, request: RequestId) -> list[Action]:
        """A member left its group; the shared steps stop when nobody waits for them any more."""
        for share in list(self._shares.values()):
            if share.receivers.get(request) == sender:
                del share.receivers[request]
                if not share.receivers:
                    return [*self._drop(share), _ended(share, "nobody waits for it any more")]
        return []

    def _of(self, work: str) -> _Share | None:
        return next((share for share in self._shares.values() if share.accepted and share.work == work), None)

    def _end(self, share: _Share, reason: str) -> list[Action]:
        del self._shares[share.offer.group]
        return [_ended(share, reason)]

    def _drop(self, share: _Share) -> list[Action]:
        del self._shares[share.offer.group]
        return [Halt(share.work)] if share.accepted else []


def _answer(share: _Share, accepted: bool, reason: str = "") -> Send:
    return Send(
        share.leader,
        Answer(group=share.offer.group, attempt=share.offer.attempt, accepted=accepted, reason=reason),
    )


def _ended(share: _Share, reason: str) -> Send:
    return Send(share.leader, GroupEnded(group=share.offer.group, attempt=share.offer.attempt, reason=reason))
