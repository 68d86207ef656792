"""What this device's engine has drawn lately: the part of the common work that it has borne.

Old work fades, so that a device that helped much yesterday is not spared for ever. Never here: a clock, or who works
next (`planning.candidates`).
"""

from dataclasses import dataclass

HALF_LIFE_S = 3_600.0
"""After this an effort counts half: a device is compared with others over an afternoon, not over its life."""


@dataclass(slots=True)
class Burden:
    _joules: float = 0.0
    _at_s: float = 0.0

    def add(self, joules: float, now_s: float) -> None:
        self._joules, self._at_s = self.joules(now_s) + max(0.0, joules), now_s

    def joules(self, now_s: float) -> float:
        return float(self._joules * 0.5 ** (max(0.0, now_s - self._at_s) / HALF_LIFE_S))
