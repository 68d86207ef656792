"""Standing by: this node holds the offers of groups that others run, and their newest spare checkpoints.

    asked -> standing, a branch's beginning, a spare now and then -> told to stand down
                 |
                 +-> offered the group itself: it goes on from its spare

Whoever leads hears again and again how far the spare is, so that a new leader can have a group resumed whose executor
it never knew. Spares stay in memory: they are for the minutes of one run. Never here: running the steps (`executor`),
or deciding who does (`offers`, `rescues`).
"""

from dataclasses import dataclass

from peerd_protocol.actions import Action, Send
from peerd_protocol.ids import Attempt, GroupId, NodeId
from peerd_protocol.messages import HandoffBegin, Offer, Standby, StandDown, StandsBy

GROUPS_MAX = 64
"""As many as an executor takes at once; the oldest goes first."""
THROUGH_MAX = 256
"""So many groups that are through are remembered, lest what comes late of them is waited for."""
SPARES_BYTES_MAX = 256 * 1024 * 1024
"""All spares together; what a small device can hold in memory beside a model. The oldest goes first."""
REPEAT_S = 1.0
"""What it tells may vanish, and a leader may be new."""
KEPT_S = 600.0
"""Without a spare or a word for so long, the group is through and its end went unheard."""


@dataclass(frozen=True, slots=True)
class Spare:
    """A checkpoint at `step`: of the group's own run, or the beginning that a branch was handed."""

    step: int
    data: bytes
    of_its_run: bool


@dataclass(slots=True)
class _Watch:
    offer: Offer
    executor: NodeId
    until_s: float
    repeat_s: float
    spare: Spare | None = None


class StandbyDuty:
    """All groups that this node stands by for."""

    def __init__(self, me: NodeId) -> None:
        self._me = me
        self._watches: dict[GroupId, _Watch] = {}
        self._through: dict[GroupId, Attempt] = {}
        self._told: NodeId | None = None
        """The leader of a moment ago; a new one hears at once."""

    def asked(self, message: Standby, now_s: float) -> list[Action]:
        """A fenced wish of the leader. A higher attempt of a group replaces a lower one, its spare included."""
        offer = message.offer
        known = self._watches.get(offer.group)
        if offer.standby != self._me or self._is_through(offer.group, offer.attempt):
            return []
        if known is not None and offer.attempt <= known.offer.attempt:
            return []
        self._watches.pop(offer.group, None)
        self._watches[offer.group] = _Watch(offer, message.executor, now_s + KEPT_S, now_s)
        while len(self._watches) > GROUPS_MAX:
            del self._watches[next(iter(self._watches))]
        return []

    def is_early(self, begin: HandoffBegin) -> bool:
        """Whether it may be for a group that this node is still to be asked to stand by for."""
        watch, is_of_own_steps = self._watches.get(begin.group), begin.what == "spare" and begin.request
        is_newer = watch is None or watch.offer.attempt < begin.attempt
        return is_newer and not is_of_own_steps and not self._is_through(begin.group, begin.attempt)

    def _is_through(self, group: GroupId, attempt: Attempt) -> bool:
        through = self._through.get(group)
        return through is not None and attempt <= through

    def unwanted(self, sender: NodeId, begin: HandoffBegin) -> str:
        """Why a spare, or a branch's beginning, is not wanted ('' when it is)."""
        watch = self._watches.get(begin.group)
        if watch is None or begin.attempt != watch.offer.attempt or sender not in _givers(watch, begin):
            return "nobody stands by for this attempt here"
        if begin.what == "branch" and begin.step > watch.offer.start:
            return "this branch begins sooner"
        return "" if watch.spare is None or begin.step > watch.spare.step else "a newer spare is here"

    def arrived(self, sender: NodeId, begin: HandoffBegin, data: bytes, now_s: float) -> None:
        """A whole spare; the leader hears of it at the next tick."""
        if self.unwanted(sender, begin):
            return
        watch = self._watches[begin.group]
        watch.spare = Spare(begin.step, data, begin.what == "spare")
        self._forget_oldest_spares()
        watch.until_s, watch.repeat_s = now_s + KEPT_S, now_s

    def _forget_oldest_spares(self) -> None:
        holding = [(watch, watch.spare) for watch in self._watches.values() if watch.spare is not None]
        held = sum(len(spare.data) for _, spare in holding)
        for watch, spare in holding:
            if held <= SPARES_BYTES_MAX:
                return
            held -= len(spare.data)
            watch.spare = None

    def spare(self, group: GroupId) -> Spare | None:
        """The newest one."""
        watch = self._watches.get(group)
        return None if watch is None else watch.spare

    def let_go(self, sender: NodeId, message: StandDown, leader: NodeId | None) -> list[Action]:
        """Its executor is through, or this node itself, or the leader that it follows has no more use for this attempt.

        Whom a message names as its leader is its sender's word, and counts for nothing here.
        """
        watch = self._watches.get(message.group)
        if sender not in (self._me, leader, watch.executor if watch is not None else leader):
            return []
        if watch is not None and watch.offer.attempt <= message.attempt:
            del self._watches[message.group]
        if not self._is_through(message.group, message.attempt):
            self._through.pop(message.group, None)
            self._through[message.group] = message.attempt
        while len(self._through) > THROUGH_MAX:
            del self._through[next(iter(self._through))]
        return []

    def ticked(self, leader: NodeId | None, now_s: float) -> list[Action]:
        actions: list[Action] = []
        is_new, self._told = leader != self._told, leader
        for group, watch in list(self._watches.items()):
            if now_s > watch.until_s:
                del self._watches[group]
            elif leader is not None and (is_new or now_s >= watch.repeat_s):
                watch.repeat_s = now_s + REPEAT_S
                step = 0 if watch.spare is None else watch.spare.step
                actions.append(Send(leader, StandsBy(offer=watch.offer, step=step)))
        return actions


def _givers(watch: _Watch, begin: HandoffBegin) -> tuple[NodeId, ...]:
    """Its executor leaves spares of the run; the beginning of a branch comes from whoever runs what is before it."""
    if begin.what == "spare":
        return (watch.executor,)
    return watch.offer.beginning.sources if watch.offer.beginning is not None else ()
