"""A story: who is there, what they ask, and what is done to them until all heals. A seed draws one, a test keeps one.

Never here: how a fault is done (`faults`), or what must hold of the end (`settling`).
"""

from dataclasses import dataclass
from random import Random

from peerd_protocol.ids import NodeId, RequestId
from peerd_protocol.plan import Call, Request
from tests.simulation import faults
from tests.simulation.faults import AnyFault
from tests.simulation.links import Weather

FAULTS_S = 30.0
PER_FAULT_S = 1.6
"""Between two faults on the average."""
STEPS = 11


@dataclass(frozen=True, slots=True)
class Ask:
    at_s: float
    request: Request
    cancelled_s: float | None = None
    """So long after it was asked the person changes their mind."""


@dataclass(frozen=True, slots=True)
class Story:
    """Everything else that happens follows from `seed`."""

    seed: int
    nodes: int
    boots: tuple[float, ...]
    engineless: tuple[NodeId, ...]
    asks: tuple[Ask, ...]
    faults: tuple[AnyFault, ...]
    sides: tuple[int, ...]
    """Where each device is once all is healed."""

    @property
    def names(self) -> tuple[NodeId, ...]:
        return names_of(self.nodes)


def names_of(nodes: int) -> tuple[NodeId, ...]:
    return tuple(NodeId(f"n{number:02}") for number in range(nodes))


def drawn(seed: int, nodes: int) -> Story:
    """The story of a seed."""
    chance, names = Random(f"story/{seed}/{nodes}"), names_of(nodes)
    sides = chance.choice((1, 1, 2))
    return Story(
        seed=seed,
        nodes=nodes,
        boots=tuple(chance.choice((0.0, round(chance.uniform(0, 4), 2))) for _ in names),
        engineless=tuple(name for name in names[:-1] if chance.random() < 0.15),
        asks=_asks(chance, names),
        faults=_faults(chance, names),
        sides=tuple(chance.randrange(sides) for _ in names),
    )


def _asks(chance: Random, names: tuple[NodeId, ...]) -> tuple[Ask, ...]:
    """People ask together, now and then, over the whole time; a few take it back."""
    asks: list[Ask] = []
    for _ in range(chance.randint(2, 4)):
        together_s = chance.uniform(1, FAULTS_S - 1)
        for _ in range(chance.choice((1, 2, 3, 4))):
            request = _request(chance, RequestId(f"r{len(asks):02}"), chance.choice(names))
            cancelled_s = round(chance.uniform(0.1, 12), 2) if chance.random() < 0.15 else None
            asks.append(Ask(round(together_s + chance.uniform(0, 0.6), 2), request, cancelled_s))
    return tuple(asks)


def _request(chance: Random, name: RequestId, origin: NodeId) -> Request:
    call = Call(
        model="toy",
        prompt=f"picture {name}",
        steps=STEPS,
        seed=chance.choice((41, 42)),
        guidance=3.0,
        scheduler="ddim",
        width=64,
        height=64,
    )
    grouped = chance.random() < 0.6
    share = chance.choices(("prompt", "concepts", "nothing"), (10, 2, 1))[0]
    return Request(
        id=name,
        origin=origin,
        call=call,
        shared=chance.choice((None, None, None, None, 5, 0)),
        share=share,
        concepts=f"like {name}" if share == "concepts" else "",
        keep=chance.random() < 0.8,
        group_name="g" if grouped else "",
        group_size=chance.choice((2, 3, 6)) if grouped else 1,
        wait_ms=chance.choice((500, 2_000, 4_000)) if grouped else 0,
    )


def _faults(chance: Random, names: tuple[NodeId, ...]) -> tuple[AnyFault, ...]:
    drawn: list[AnyFault] = []
    at_s = 0.0
    while (at_s := at_s + chance.expovariate(1 / PER_FAULT_S)) < FAULTS_S:
        kind = chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
        drawn.append(_fault(kind, round(at_s, 2), chance, names))
    return tuple(drawn)


_WEIGHTS: dict[type[faults.Fault], int] = {
    faults.Storm: 4,
    faults.Part: 3,
    faults.Deafen: 2,
    faults.Sever: 2,
    faults.Mend: 4,
    faults.Crash: 5,
    faults.Wipe: 1,
    faults.Tear: 2,
    faults.Leave: 1,
    faults.Pause: 5,
    faults.Unplug: 2,
    faults.Plug: 1,
    faults.Break: 3,
    faults.Hang: 2,
    faults.Mute: 2,
    faults.Boast: 1,
    faults.Refuse: 1,
    faults.Spoil: 1,
    faults.Rot: 1,
}


def _fault(kind: type[faults.Fault], at_s: float, chance: Random, names: tuple[NodeId, ...]) -> AnyFault:
    draw = chance.uniform
    who = chance.choice(("leader", "leader", "worker", "worker", *[chance.choice(names) for _ in range(4)]))
    back_s = round(draw(0.05, 8), 2)
    pairs = tuple((chance.choice(names), chance.choice(names)) for _ in range(chance.randint(1, len(names))))
    match kind:
        case faults.Storm:
            weather = Weather(
                loss=round(draw(0, 0.3), 2),
                doubling=round(draw(0, 0.2), 2),
                reordering=round(draw(0, 0.3), 2),
                garbling=round(draw(0, 0.3), 2),
                delay_s_max=round(draw(0.01, 0.3), 2),
                disk_s_max=round(draw(0.001, 0.4), 3),
            )
            return faults.Storm(at_s, weather)
        case faults.Part:
            sides = chance.choice((2, 2, 3))
            return faults.Part(at_s, tuple((name, chance.randrange(sides)) for name in names))
        case faults.Deafen:
            return faults.Deafen(at_s, pairs)
        case faults.Sever:
            return faults.Sever(at_s, pairs)
        case faults.Mend:
            return faults.Mend(at_s)
        case faults.Crash:
            return faults.Crash(at_s, who, back_s, refuses=chance.random() < 0.6)
        case faults.Wipe | faults.Tear | faults.Leave:
            return kind(at_s, who, back_s)
        case faults.Pause:
            return faults.Pause(at_s, who, round(chance.choice((draw(0.2, 1.5), draw(1, 15))), 2))
        case faults.Unplug:
            return faults.Unplug(at_s, who, charge=round(draw(0.05, 0.5), 2), drain_per_s=round(draw(0, 0.03), 3))
        case faults.Break:
            return faults.Break(at_s, who, steps=chance.choice((1, 1, 2, 4)))
        case faults.Hang:
            return faults.Hang(at_s, who, seconds=round(draw(1, 20), 1))
        case faults.Boast:
            return faults.Boast(at_s, who, times=chance.choice((0.1, 1.0, 10.0)))
        case faults.Refuse:
            return faults.Refuse(at_s, who, reason=chance.choice(("", "hot")))
        case _:
            return kind(at_s, who)
