"""One cycle as its seed draws it: who asks for what, what goes wrong with whom, when, and for how long.

Never here: doing any of it (`play.py`, `faults.py`).
"""

import random
from dataclasses import dataclass
from typing import Literal, get_args

NAMES = ("ada", "bob", "cleo")
PROMPTS = ("apple on table", "lemon on table", "orange on table")
SINGLES_MAX = 2
DELAY_S_MAX, HOLD_S_MIN, HOLD_S_MAX = 2.5, 0.5, 8.0
"""A run takes about two seconds; silence counts as death after three and a half."""

DeviceFault = Literal["killed", "paused", "stopped", "new port", "disk full", "clock jumps", "unplugged", "few files"]
NetworkFault = Literal[
    "cut off", "unheard", "deaf", "losing packets", "moved", "moved without mDNS", "killed without mDNS"
]
Fault = DeviceFault | NetworkFault
Role = Literal["leader", "executor", "origin"]
NETWORK_FAULTS: frozenset[str] = frozenset(get_args(NetworkFault))
"""They need a network of their own for each daemon."""
FAULTS: tuple[Fault, ...] = (*get_args(DeviceFault), *get_args(NetworkFault))
ROLES: tuple[Role, ...] = get_args(Role)
TWO_AT_ONCE = 0.2
JUMPS_S = (-10 * 365 * 86_400, -86_400, -30, 30, 86_400, 10 * 365 * 86_400)
"""A clock that was never set, that is set by a person, and that is corrected by NTP."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request at one node: of the cycle's group, or a picture of its own."""

    node: str
    prompt: str
    grouped: bool


@dataclass(frozen=True, slots=True)
class Cycle:
    """`roles` say whom the fault meets; two roles may be one node's. Seconds count from the last asking."""

    seed: int
    asks: tuple[Ask, ...]
    fault: Fault
    roles: tuple[Role, ...]
    delay_s: float
    hold_s: float
    jump_s: int = 0

    @property
    def what(self) -> str:
        return f"{' and '.join(self.roles)} {self.fault}"

    def company_of(self, one: Ask) -> list[str]:
        """The other prompts of its group, whose words may run its shared steps."""
        return [each.prompt for each in self.asks if each.grouped and one.grouped and each != one]


def drawn(seed: int) -> Cycle:
    chance = random.Random(seed)
    members = chance.sample(NAMES, chance.choice((2, 3)))
    group = [
        Ask(name, prompt, True) for name, prompt in zip(members, chance.sample(PROMPTS, len(members)), strict=True)
    ]
    singles = [Ask(chance.choice(NAMES), chance.choice(PROMPTS), False) for _ in range(chance.randint(0, SINGLES_MAX))]
    roles = tuple(chance.sample(ROLES, 2 if chance.random() < TWO_AT_ONCE else 1))
    fault = chance.choice(FAULTS)
    delay_s, hold_s = chance.uniform(0.0, DELAY_S_MAX), chance.uniform(HOLD_S_MIN, HOLD_S_MAX)
    jump_s = chance.choice(JUMPS_S)
    return Cycle(seed, (*group, *singles), fault, roles, round(delay_s, 2), round(hold_s, 2), jump_s)
