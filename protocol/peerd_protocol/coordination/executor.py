"""The executor's side: a group's shared steps, from the leader's offer to the last handoff.

    considered -> accepted -> awaiting its beginning -> running -> handing over -> ended
         |                       |                         |
         +-> declined            +-> it did not come       +-> failed, withdrawn or outdone by a higher attempt

A beginning is noise, a checkpoint that it keeps itself, or one that another executor hands over: a group that branches
off another. Each receiver leaves after its own step, a member with its runner or a branch with its executor; the run
ends with the last of them. It sees one prompt, the lead's, and others only where a probe needs them. Never here:
whether the owner wants to help (`Consider` asks), or what a receiver does with the checkpoint.
"""

import hashlib

from peerd_protocol.actions import Action, Consider, Halt, Recall, Send
from peerd_protocol.coordination import leases
from peerd_protocol.coordination.orders import Order, Resume
from peerd_protocol.coordination.share import Phase, Share
from peerd_protocol.coordination.standby import Spare
from peerd_protocol.events import CheckpointSaved, Considered, Recalled, StepDone, WorkFailed, WorkHalted
from peerd_protocol.ids import GroupId, NodeId, RequestId
from peerd_protocol.messages import (
    Answer,
    BeginningFailed,
    BranchBereft,
    GroupEnded,
    HandoffBegin,
    Offer,
    Progress,
    StandDown,
)

OFFERS_AT_ONCE_MAX = 64
"""Two trees of 32 requests, each with a branch of its own, may lie on one edge server; one that waits is small."""


class Executor:
    """All groups whose shared steps this node was asked to run."""

    def __init__(self, me: NodeId, interval_s: float) -> None:
        self._me = me
        self._interval_s = interval_s
        self._shares: dict[GroupId, Share] = {}

    # ---- the offer -----------------------------------------------------------------------------------------

    def offered(self, leader: NodeId, offer: Offer) -> list[Action]:
        """A fenced offer from the leader; a repeated one is answered as before."""
        known = self._shares.get(offer.group)
        if known is not None and known.offer.attempt == offer.attempt:
            return [] if known.phase is Phase.ASKED else [_answer(known, True)]
        actions: list[Action] = []
        if known is not None:
            if offer.attempt < known.offer.attempt:
                return []
            actions += self._drop(known)
        if len(self._shares) >= OFFERS_AT_ONCE_MAX:
            busy = Answer(group=offer.group, attempt=offer.attempt, accepted=False, reason="busy with other groups")
            return [*actions, Send(leader, busy)]
        self._shares[offer.group] = Share.of(leader, offer)
        return [*actions, Consider(leader, offer)]

    def considered(self, event: Considered, now_s: float) -> list[Action | Order]:
        share = self._shares.get(event.group)
        if share is None or share.offer.attempt != event.attempt or share.phase is not Phase.ASKED:
            return []
        if not event.accepted or not share.receivers:
            del self._shares[event.group]
            return [_answer(share, False, event.reason or "nobody waits for it")]
        share.patience(leases.first_s(share.offer.forecast.seconds), now_s)
        accepted = _answer(share, True)
        beginning = share.offer.beginning
        if beginning is None:
            return [accepted, *share.run(None, 0)]
        share.phase = Phase.AWAITING
        if beginning.resumes:
            # If nothing came yet of what it stood by for, the steps before it must still go on somewhere.
            share.patience(leases.renewed_s(self._interval_s, beginning.step_seconds), now_s)
            return [accepted, Resume(share.work, event.group)]
        return [accepted, *([Recall(share.work, beginning.cached)] if beginning.cached else [])]

    # ---- its beginning -------------------------------------------------------------------------------------

    def knows(self, group: GroupId) -> bool:
        return group in self._shares

    def unwanted(self, sender: NodeId, begin: HandoffBegin) -> str:
        """Why the beginning of a branch is not wanted ('' when it is)."""
        share = self._awaiting(sender, begin.group)
        if share is None or share.offer.attempt != begin.attempt:
            return "this branch is not planned here (any more)"
        return "" if 1 <= begin.step <= share.offer.start else "this branch begins sooner"

    def arrived(self, sender: NodeId, begin: HandoffBegin, data: bytes, now_s: float) -> list[Action | Order]:
        share = self._awaiting(sender, begin.group)
        if share is None or self.unwanted(sender, begin):
            return []
        return self._begin(share, data, begin.step, now_s)

    def recalled(self, event: Recalled, now_s: float) -> list[Action | Order]:
        share = self._of(event.work)
        if share is None or share.phase is not Phase.AWAITING or share.offer.beginning is None:
            return []
        if hashlib.sha256(event.data).hexdigest() != share.offer.beginning.cached:
            return list(self._end(share, "the kept checkpoint is another one"))
        return self._begin(share, event.data, share.offer.start, now_s)

    def resuming(self, group: GroupId) -> list[Order]:
        """Something came for whoever stands by for this group: perhaps what is waited for here."""
        share = self._shares.get(group)
        if share is None or share.phase is not Phase.AWAITING or share.offer.beginning is None:
            return []
        return [Resume(share.work, group)] if share.offer.beginning.resumes else []

    def resumed(self, work: str, spare: Spare | None, now_s: float) -> list[Action | Order]:
        """From the spare that this node holds, if it does; the beginning of a branch may still be on its way."""
        share = self._of(work)
        if share is None or share.phase is not Phase.AWAITING or share.offer.beginning is None:
            return []
        if spare is not None:
            return self._begin(share, spare.data, spare.step, now_s, resumes=spare.of_its_run)
        return [] if share.offer.beginning.sources else list(self._end(share, "its spare is gone"))

    def _begin(self, share: Share, data: bytes, step: int, now_s: float, resumes: bool = False) -> list[Action | Order]:
        share.patience(leases.first_s(share.offer.forecast.seconds), now_s)
        return share.run(data, step, resumes)

    def progressed(self, sender: NodeId, message: Progress, now_s: float) -> list[Action]:
        """Whoever runs a branch's beginning made a step: those who wait for the branch hear it too."""
        share = self._awaiting(sender, message.group)
        if share is None or share.offer.beginning is None:
            return []
        # Whoever waits in a lost executor's place is told as the standby of that one's attempt.
        took_over = share.offer.beginning.resumes and message.attempt < share.offer.attempt
        if message.attempt != share.offer.attempt and not took_over:
            return []
        share.source, share.missed = sender, False
        renewed_s = leases.renewed_s(self._interval_s, share.offer.beginning.step_seconds)
        share.until_s = now_s + renewed_s if message.step > share.step else max(share.until_s, now_s + renewed_s)
        share.step, share.total = message.step, message.total
        return share.tell(message.preview, message.preview_side)

    def orphaned(self, sender: NodeId, message: BeginningFailed) -> list[Action]:
        """The leader knows that the beginning will not come. One that came already runs on."""
        share = self._shares.get(message.group)
        if share is None or (share.leader, share.offer.attempt) != (sender, message.attempt):
            return []
        return self._end(share, message.reason) if share.phase is Phase.AWAITING else []

    def _awaiting(self, sender: NodeId, group: GroupId) -> Share | None:
        """The branch that waits for its beginning from `sender`."""
        share = self._shares.get(group)
        if share is None or share.phase is not Phase.AWAITING or share.offer.beginning is None:
            return None
        return share if sender in share.offer.beginning.sources else None

    # ---- its run -------------------------------------------------------------------------------------------

    def stepped(self, event: StepDone) -> list[Action]:
        share = self._of(event.work)
        if share is None:
            return []
        share.until_s = 0.0  # from now on its steps alone renew its lease
        share.step, share.total = event.step, event.total
        return share.tell(event.preview, event.preview_side)

    def saved(self, event: CheckpointSaved) -> list[Action | Order]:
        """Whoever leaves here gets the checkpoint; this node's own runner may be one of them."""
        share = self._of(event.work)
        return [] if share is None else share.leave(event)

    def halted(self, event: WorkHalted) -> list[Action]:
        """The engine is through. A receiver that it never named would wait for ever."""
        share = self._of(event.work)
        if share is None:
            return []
        if share.receivers.keys() - share.given:
            return self._end(share, "the engine did not let every member leave")
        share.phase = Phase.HANDING
        return []

    def handed(self, begin: HandoffBegin) -> list[Action | Order]:
        """One receiver has the checkpoint, or never will: its own lease and the origin see to that."""
        if begin.what == "spare":
            known = self._shares.get(begin.group)
            return [] if known is None else list(known.spares.through(begin.handoff))
        share = next((share for share in self._shares.values() if begin.handoff in share.receivers), None)
        if share is None:
            return []
        del share.receivers[begin.handoff]
        return [] if share.receivers else list(self._end(share, ""))

    def work_failed(self, event: WorkFailed) -> list[Action]:
        share = self._of(event.work)
        return [] if share is None else self._end(share, event.reason)

    def withdrawn(self, sender: NodeId, request: RequestId) -> list[Action]:
        """A member left its group; the shared steps stop when nobody waits for them any more."""
        for share in list(self._shares.values()):
            left = [name for name, each in share.receivers.items() if (each.request, each.node) == (request, sender)]
            for name in left:
                if share.receivers[name].group == share.offer.group:  # a branch does without the request it is named by
                    del share.receivers[name]
            if left and not share.receivers:
                return [*self._drop(share), _ended(share, "nobody waits for it any more")]
        return []

    def stood_down(self, sender: NodeId, message: StandDown) -> list[Action]:
        """The leader has somebody else run the group from now on."""
        share = self._shares.get(message.group)
        if share is None or sender != share.leader or share.offer.attempt > message.attempt:
            return []
        return self._drop(share)

    # ---- time and loss -------------------------------------------------------------------------------------

    def ticked(self, leader: NodeId | None, now_s: float) -> list[Action]:
        actions: list[Action] = []
        for share in list(self._shares.values()):
            if share.phase is Phase.AWAITING and now_s > share.until_s:
                if share.missed:
                    actions += self._end(share, "its beginning did not come")
                    continue
                self._miss(share, now_s)
            if share.vouches(now_s) and now_s >= share.beat_s:
                share.beat_s = now_s + self._interval_s
                actions += share.tell()
                if share.missed and share.phase is Phase.AWAITING and leader is not None:
                    actions.append(Send(leader, BranchBereft(group=share.offer.group, attempt=share.offer.attempt)))
        return actions

    def peer_lost(self, peer: NodeId, now_s: float) -> None:
        """Whoever ran a branch's beginning is gone."""
        for share in self._shares.values():
            if share.phase is Phase.AWAITING and share.source == peer:
                self._miss(share, now_s)

    @staticmethod
    def _miss(share: Share, now_s: float) -> None:
        """Whoever ran its beginning is gone or makes no step: another may go on, if the leader hears of it."""
        share.source, share.missed, share.beat_s = None, True, now_s
        share.patience(leases.RESUME_S, now_s)

    def _of(self, work: str) -> Share | None:
        return next(
            (share for share in self._shares.values() if share.phase is not Phase.ASKED and share.work == work), None
        )

    def _end(self, share: Share, reason: str) -> list[Action]:
        """What it stood by for itself is through with it, and if it did not fail, so is whoever stands by for it."""
        del self._shares[share.offer.group]
        through = StandDown(group=share.offer.group, attempt=share.offer.attempt)
        told = (self._me,) if reason or not share.offer.standby else (self._me, share.offer.standby)
        return [_ended(share, reason), *(Send(node, through) for node in told)]

    def _drop(self, share: Share) -> list[Action]:
        del self._shares[share.offer.group]
        return [] if share.phase is Phase.ASKED else [Halt(share.work)]


def _answer(share: Share, accepted: bool, reason: str = "") -> Send:
    return Send(
        share.leader,
        Answer(group=share.offer.group, attempt=share.offer.attempt, accepted=accepted, reason=reason),
    )


def _ended(share: Share, reason: str) -> Send:
    return Send(share.leader, GroupEnded(group=share.offer.group, attempt=share.offer.attempt, reason=reason))
