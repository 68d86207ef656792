"""Which kept thing goes first when there is no room: the one whose bytes save the fewest denoiser calls.

GreedyDual-Size-Frequency (L. Cherkasova, "Improving WWW Proxies Performance with Greedy-Dual-Size-Frequency Caching
Policy", HP Labs HPL-98-69R1, 1998, after Cao and Irani's GreedyDual-Size, USENIX 1997):

    priority = age + calls saved by a hit * uses / bytes

The age is the highest priority that had to go so far. It lifts whatever is new or used again above what was only once
worth much, so that nothing stays for ever. Pure. Never here: files, clocks, or what is kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass

UNIT_BYTES = 1 << 20
"""Priorities are calls per mebibyte, so that a person can read them."""


@dataclass(frozen=True, slots=True)
class Weight:
    """One kept thing on the scales: its whole `size_bytes`, and the priority of its latest use."""

    size_bytes: int
    priority: float


@dataclass(frozen=True, slots=True)
class Room:
    """What has to go for a newcomer. `admitted` is False where the newcomer itself would go first: then nothing does.

    `age` is the age after that.
    """

    admitted: bool
    victims: tuple[str, ...]
    age: float


def priority(age: float, calls_saved: int, hits: int, size_bytes: int) -> float:
    """The priority at a use, the first one (`hits` 0) included. `calls_saved` by each hit; `size_bytes` > 0."""
    return age + calls_saved * (hits + 1) / size_bytes * UNIT_BYTES


def make_room(kept: Mapping[str, Weight], age: float, bytes_max: int, newcomer: Weight | None = None) -> Room:
    """Room for `newcomer` under the bound, or for nobody, where the bound itself has fallen.

    Of equal priorities the one that comes first in `kept` goes first: the longest unused, if uses move to the end.
    """
    used_bytes = sum(weight.size_bytes for weight in kept.values())
    if newcomer is not None:
        if newcomer.size_bytes > bytes_max:
            return Room(False, (), age)
        used_bytes += newcomer.size_bytes
    victims: list[str] = []
    reached = age
    for name, weight in sorted(kept.items(), key=lambda item: item[1].priority):
        if used_bytes <= bytes_max:
            break
        if newcomer is not None and newcomer.priority < weight.priority:
            # The age grows by a refusal too: else what was worth much once could keep everything new out for ever.
            return Room(False, (), max(age, newcomer.priority))
        victims.append(name)
        used_bytes -= weight.size_bytes
        reached = max(reached, weight.priority)
    return Room(True, tuple(victims), reached)
