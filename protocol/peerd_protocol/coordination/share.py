"""One group's shared steps as their executor holds them: who still waits for which checkpoint.

Here lives what a share does: run, let leave, tell its receivers. Never here: when it does so, or how it ends
(`executor`).
"""

import hashlib
from dataclasses import dataclass, field
from enum import Enum, auto

import msgspec

from peerd_protocol.actions import Action, Denoise, Keep, Send
from peerd_protocol.coordination.leases import SPARE_S
from peerd_protocol.coordination.orders import Give, Order
from peerd_protocol.coordination.spares import Spares, spare_of
from peerd_protocol.events import CheckpointSaved
from peerd_protocol.ids import HandoffId, NodeId
from peerd_protocol.messages import HandoffBegin, Offer, Progress, Receiver
from peerd_protocol.plan import CacheEntry, Leave

WORK = "shared/"


class Phase(Enum):
    ASKED = auto()
    """Its owner has not answered yet."""
    AWAITING = auto()
    """Accepted; the checkpoint that it goes on from is not here yet."""
    RUNNING = auto()
    HANDING = auto()
    """No more steps; the last checkpoints are on their way."""


@dataclass(slots=True)
class Share:
    """`receivers` who have not got their checkpoint, by the handoff's name; `given`: those whose handoff has begun."""

    leader: NodeId
    offer: Offer
    receivers: dict[HandoffId, Receiver]
    given: set[HandoffId] = field(default_factory=set)
    phase: Phase = Phase.ASKED
    source: NodeId | None = None
    missed: bool = False
    """Whether whoever ran its beginning is gone, or made no step for a lease's time."""
    spares: Spares = field(default_factory=Spares)
    """For whoever stands by."""
    step: int = 0
    total: int = 0
    until_s: float = 0.0
    """While it awaits its beginning: how long it does. While it starts: how long it vouches for its engine."""
    beat_s: float = 0.0

    @staticmethod
    def of(leader: NodeId, offer: Offer) -> "Share":
        return Share(leader, offer, {_handoff_of(receiver, offer): receiver for receiver in offer.receivers})

    @property
    def work(self) -> str:
        return f"{WORK}{self.offer.group}/{self.offer.attempt.number}"

    def patience(self, seconds: float, now_s: float) -> None:
        self.until_s = now_s + seconds

    def vouches(self, now_s: float) -> bool:
        """Whether its receivers shall wait on though no step is made: it starts, waits itself, or hands over."""
        match self.phase:
            case Phase.ASKED:
                return False
            case Phase.HANDING:
                return True  # each handoff is given up when its taker makes no progress
            case Phase.AWAITING | Phase.RUNNING:
                return now_s < self.until_s

    def run(self, data: bytes | None, step: int, resumes: bool = False) -> list[Action | Order]:
        """Go on from `data` at `step`, or from noise; who leaves there already gets it as it is.

        `resumes`: these very steps were run up to there, by another.
        """
        actions: list[Action | Order] = []
        if data is not None:
            leaving = [name for name, receiver in self.receivers.items() if receiver.step <= step]
            actions += [give for name in leaving for give in self._give(name, step, data)]
        leaves = {name: receiver for name, receiver in self.receivers.items() if name not in self.given}
        self.phase = Phase.RUNNING if leaves else Phase.HANDING
        if not leaves:
            return actions
        order = Denoise(
            self.work,
            self.offer.call,
            start=data,
            stop=max(receiver.step for receiver in leaves.values()),
            leaves=tuple(
                Leave(name=name, step=receiver.step, prompt=receiver.prompt) for name, receiver in leaves.items()
            ),
            quality=self.offer.quality,
            hide_prompt=self.offer.share == "concepts",
            blend=self.offer.blend,
            spare_s=SPARE_S if self.offer.standby else 0.0,
            resumes=resumes,
        )
        return [*actions, order]

    def leave(self, saved: CheckpointSaved) -> list[Action | Order]:
        """Hand the checkpoint to those that go their own way here, if any, and keep it for later ones."""
        going = [name for name in map(HandoffId, saved.names) if name in self.receivers and name not in self.given]
        actions: list[Action | Order] = [give for name in going for give in self._give(name, saved.step, saved.data)]
        actions += self._spare(saved)
        if not self.offer.keep:
            return actions
        entry = CacheEntry(
            digest=hashlib.sha256(saved.data).hexdigest(),
            call=self.offer.call,
            step=saved.step,
            size=len(saved.data),
            share=self.offer.share,
            blend=self.offer.blend,
        )
        return [*actions, Keep(entry, saved.data)]

    def tell(self, preview: bytes = b"", preview_side: int = 0) -> list[Action]:
        """Each receiver hears how far it is, as of the group and the attempt that it knows; a branch's standby too."""
        heard = sorted(
            {
                (node, each.group, each.attempt)
                for each in self.receivers.values()
                for node in (each.node, each.standby)
                if node
            }
        )
        return [
            Send(
                node,
                Progress(
                    group=group,
                    attempt=attempt,
                    step=self.step,
                    total=self.total,
                    branch=group != self.offer.group,
                    preview=preview,
                    preview_side=preview_side,
                ),
            )
            for node, group, attempt in heard
        ]

    def _spare(self, saved: CheckpointSaved) -> list[Order]:
        offer = self.offer
        if not offer.standby or saved.step >= offer.stop:
            return []
        return self.spares.give(spare_of(offer.standby, offer.group, offer.attempt, saved.step, saved.data))

    def _give(self, name: HandoffId, step: int, data: bytes) -> list[Give]:
        """To the receiver, and to whoever stands by for it if it is a branch."""
        self.given.add(name)
        receiver = self.receivers[name]
        begin = HandoffBegin(
            handoff=name,
            what="checkpoint" if receiver.group == self.offer.group else "branch",
            request=receiver.request,
            group=receiver.group,
            attempt=receiver.attempt,
            step=step,
            size=len(data),
            digest=hashlib.sha256(data).digest(),
        )
        given = [Give(receiver.node, begin, data)]
        if receiver.standby:
            spare = msgspec.structs.replace(begin, handoff=HandoffId(f"{name}/standby"))
            given.append(Give(receiver.standby, spare, data))
        return given


def _handoff_of(receiver: Receiver, offer: Offer) -> HandoffId:
    if receiver.group == offer.group:
        return HandoffId(f"checkpoint/{offer.group}/{offer.attempt.number}/{receiver.request}")
    return HandoffId(f"branch/{receiver.group}/{receiver.attempt.number}/{receiver.request}")
