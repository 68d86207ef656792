"""Which checkpoints this node handed over and got, as it shows in what its node hears and says.

    given:  HandoffBegin sent       -> HandoffDone(accepted) heard from that peer
    got:    HandoffBegin heard and taken up (HandoffGot said) -> its last Chunk heard, and HandoffDone(accepted) said

A node says that it accepts only once it has verified the digest (`peerd_protocol.handoff`). Never here: what is done
about it (`receipts`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from peerd_protocol.actions import Action, Send
from peerd_protocol.events import Event, Received
from peerd_protocol.ids import HandoffId, NodeId
from peerd_protocol.messages import AnyMessage, Chunk, HandoffBegin, HandoffDone, HandoffGot

OPEN_MAX = 256
"""Handoffs watched at once, each way; of more the oldest gets no receipt."""
WITH_RECEIPT = ("checkpoint", "branch")
"""A spare is outdone by the next, and a picture is no shared step."""

_Key = tuple[NodeId, HandoffId]
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Handover:
    """One checkpoint that has changed hands; `given`: by this node, else to it."""

    given: bool
    peer: NodeId
    begin: HandoffBegin


@dataclass(slots=True)
class Handovers:
    _giving: dict[_Key, HandoffBegin] = field(default_factory=dict)
    _heard: dict[_Key, HandoffBegin | None] = field(default_factory=dict)
    """Announced, and not answered at once: a plan may still come. None: two different ones were."""
    _taking: dict[_Key, HandoffBegin] = field(default_factory=dict)

    def saw(self, event: Event, actions: Sequence[Action]) -> list[Handover]:
        """The node has heard `event` and says and does `actions`."""
        done: list[Handover] = []
        if isinstance(event, Received):
            done += self._hear(event)
        for action in actions:
            if isinstance(action, Send):
                done += self._say(event.message if isinstance(event, Received) else None, action)
        return done

    def _hear(self, event: Received) -> list[Handover]:
        match event.message:
            case HandoffBegin() as begin if begin.what in WITH_RECEIPT:
                key = event.sender, begin.handoff
                known = self._heard.get(key, begin)
                _keep(self._heard, key, begin if known == begin else None)
            case HandoffDone(handoff=handoff, accepted=accepted):
                given = self._giving.pop((event.sender, handoff), None)
                return [Handover(True, event.sender, given)] if given is not None and accepted else []
        return []

    def _say(self, heard: AnyMessage | None, said: Send) -> list[Handover]:
        match said.message:
            case HandoffBegin() as begin if begin.what in WITH_RECEIPT:
                _keep(self._giving, (said.to, begin.handoff), begin)
            case HandoffGot(handoff=handoff) if not isinstance(heard, Chunk):
                key = said.to, handoff
                # In answer to this very announcement, or to one that waited for its plan.
                taken = heard if isinstance(heard, HandoffBegin) else self._heard.get(key)
                self._taking.pop(key, None)
                if taken is not None and taken.what in WITH_RECEIPT:
                    _keep(self._taking, key, taken)
            case HandoffDone(handoff=handoff, accepted=accepted):
                key = said.to, handoff
                self._heard.pop(key, None)
                got = self._taking.pop(key, None)
                return [Handover(False, said.to, got)] if got and accepted else []
        return []


def _keep(table: dict[_Key, _Value], key: _Key, value: _Value) -> None:
    table.pop(key, None)
    table[key] = value
    if len(table) > OPEN_MAX:
        del table[next(iter(table))]
