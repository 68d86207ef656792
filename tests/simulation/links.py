"""The network between devices: links that lose, double, delay, reorder and garble, sides, and ears that are deaf.

Each direction of each pair draws from a sequence of its own, so that what is done to one link changes nothing on
another until somebody acts upon it. Never here: who is alive, or what a message means.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Protocol

import msgspec

from peerd_protocol.ids import BootNonce, NodeId
from peerd_protocol.messages import AnyMessage, Chunk
from tests.simulation.clockwork import Clockwork

LATE_S_MAX = 2.0
"""How long a message that others overtake is under way."""


@dataclass(frozen=True, slots=True)
class Weather:
    """How all links, and all disks, behave at the moment."""

    loss: float = 0.0
    doubling: float = 0.0
    reordering: float = 0.0
    garbling: float = 0.0
    delay_s_max: float = 0.02
    disk_s_max: float = 0.02


class Arrive(Protocol):
    def __call__(self, to: NodeId, sender: NodeId, boot: BootNonce, message: AnyMessage) -> None: ...


class Links:
    """`sides` and `deaf` say who does not reach whom; devices without a side are all on one."""

    def __init__(self, seed: str, clockwork: Clockwork, arrive: Arrive) -> None:
        self.weather = Weather()
        self.sides: dict[NodeId, int] = {}
        self.deaf: frozenset[tuple[NodeId, NodeId]] = frozenset()
        self.settled = False
        """From now on a side hears nothing of another, not even what was under way: bounds count from here."""
        self.twist: Callable[[NodeId, NodeId, AnyMessage], AnyMessage | None] | None = None
        """What arrives in place of what was said, for stories about liars and lost words."""
        self._seed, self._clockwork, self._arrive = seed, clockwork, arrive
        self._chances: dict[tuple[NodeId, NodeId], Random] = {}

    def reaches(self, sender: NodeId, to: NodeId) -> bool:
        return self.sides.get(sender) == self.sides.get(to) and (sender, to) not in self.deaf

    def connects(self, one: NodeId, other: NodeId) -> bool:
        """A channel needs both directions."""
        return self.reaches(one, other) and self.reaches(other, one)

    def send(self, sender: NodeId, boot: BootNonce, to: NodeId, message: AnyMessage) -> None:
        chance = self._chances.get((sender, to))
        if chance is None:
            chance = self._chances[sender, to] = Random(f"{self._seed}/{sender}/{to}")
        draw, weather = chance.random, self.weather
        doubled, garbled = draw() < weather.doubling, draw() < weather.garbling
        reaches = self.reaches(sender, to)
        if self.twist is not None:
            twisted = self.twist(sender, to, message)
            if twisted is None:
                return
            message = twisted
        if garbled and isinstance(message, Chunk):
            message = msgspec.structs.replace(message, data=bytes([message.data[0] ^ 1]) + message.data[1:])
        for _ in range(2 if doubled else 1):
            lost, late, delay_s = draw() < weather.loss, draw() < weather.reordering, draw() * weather.delay_s_max
            if late:
                delay_s += draw() * LATE_S_MAX
            if reaches and not lost:
                self._clockwork.after(0.001 + delay_s, self._come, to, sender, boot, message)

    def _come(self, to: NodeId, sender: NodeId, boot: BootNonce, message: AnyMessage) -> None:
        if self.reaches(sender, to) or not self.settled:
            self._arrive(to, sender, boot, message)
