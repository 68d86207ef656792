"""A story played from its beginning to the settled end, with what came of it.

Never here: what is drawn (`stories`), or how outcomes are counted and shown (`report`).
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from peerd_protocol.election import Role
from peerd_protocol.events import Asked, Cancelled
from peerd_protocol.ids import NodeId, RequestId
from tests.simulation import faults
from tests.simulation.device import any_device
from tests.simulation.faults import AnyFault
from tests.simulation.invariants import Violation
from tests.simulation.settling import settle
from tests.simulation.stories import FAULTS_S, Ask, Story
from tests.simulation.world import World


@dataclass(slots=True)
class Outcome:
    """What a story showed. `endings` say of each request how it ended, and from what beginning."""

    violation: Violation | None = None
    simulated_s: float = 0.0
    happened: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    changes: Counter[tuple[Role, Role]] = field(default_factory=Counter)
    passages: Counter[tuple[str, str]] = field(default_factory=Counter)
    endings: dict[RequestId, tuple[str, bytes]] = field(default_factory=dict)
    leaders: tuple[NodeId, ...] = ()
    first_leader_intervals: list[float] = field(default_factory=list)
    one_leader_intervals: list[float] = field(default_factory=list)

    @property
    def gist(self) -> tuple[object, ...]:
        """What a fault has to change to have mattered: how requests end, and who leads after whom."""
        return self.endings, self.leaders


class Play:
    """One run of a story. `say` hears it in words."""

    def __init__(self, story: Story, say: Callable[[str], None] | None = None) -> None:
        self.story, self.outcome = story, Outcome()
        seed = f"{story.seed}/{story.nodes}"
        devices = [any_device(name, seed, name not in story.engineless) for name in story.names]
        self.world = World(seed, devices)
        self.world.say = say

    def run(self) -> Outcome:
        """A violation ends it, and is part of the outcome."""
        world, story, outcome = self.world, self.story, self.outcome
        for device, at_s in zip(world.devices.values(), story.boots, strict=True):
            world.clockwork.at(at_s, world.boot, device)
        for ask in story.asks:
            world.clockwork.at(ask.at_s, self._ask, ask)
        for fault in story.faults:
            world.clockwork.at(fault.at_s, self._do, fault)
        try:
            world.clockwork.run(FAULTS_S)
            world.tell(f"all heals, on sides {story.sides}")
            faults.heal(world, dict(zip(story.names, story.sides, strict=True)))
            sides = settle(world)
        except Violation as violation:
            outcome.violation = violation
        else:
            outcome.first_leader_intervals = [side.led_s / side.interval_s for side in sides if side.led_s is not None]
            outcome.one_leader_intervals = [side.changed_s / side.interval_s for side in sides]
        outcome.simulated_s, outcome.happened = world.now_s, world.clockwork.happened
        outcome.changes, outcome.passages = world.terms.changes, world.requests.passages
        outcome.endings = {name: (entry.state, entry.picture) for name, entry in world.requests.entries.items()}
        outcome.leaders = tuple(world.terms.claims.values())
        return outcome

    def _do(self, fault: AnyFault) -> None:
        done = faults.do(fault, self.world)
        self.world.tell(f"{fault}" + ("" if done else ", of whom there is none"))
        if done:
            self.outcome.faults[type(fault).__name__] += 1

    def _ask(self, ask: Ask) -> None:
        process = self.world.processes.get(ask.request.origin)
        if process is None:
            return  # nobody can ask a dead device
        self.world.requests.asked(ask.request)
        self.world.tell(f"{ask.request.origin} is asked for {ask.request.id}")
        process.post(Asked(ask.request))
        if ask.cancelled_s is not None:
            self.world.clockwork.after(ask.cancelled_s, self._cancel, ask)

    def _cancel(self, ask: Ask) -> None:
        if (process := self.world.processes.get(ask.request.origin)) is not None:
            self.world.requests.cancelled(ask.request.id)
            process.post(Cancelled(ask.request.id))


def play(story: Story) -> Outcome:
    return Play(story).run()


def without(story: Story, kind: type[faults.Fault]) -> Story:
    """The story without one kind of fault."""
    return replace(story, faults=tuple(fault for fault in story.faults if type(fault) is not kind))
