"""What can be done in a story, a sentence each. Never here: what is looked at (`facts`), or a rule of the protocol."""

from dataclasses import replace
from functools import partial

import msgspec

from peerd_protocol.actions import MakePlan
from peerd_protocol.events import Cancelled, Draft, Leaving, Profiled
from peerd_protocol.ids import BootNonce, NodeId, RequestId
from peerd_protocol.messages import AnyMessage, Chunk, Heartbeat, Offer, PlanTold
from peerd_protocol.profile import PowerClass
from tests.protocol.little_world import FORECAST, TICK_S, picture_request
from tests.scenarios.language import Kind, Names, Sentence, collector
from tests.scenarios.stage import Stage

DEEDS: list[Sentence] = []
deed = collector(DEEDS, Kind.DEED)

MESSAGES: dict[str, type[AnyMessage]] = {
    "heartbeats": Heartbeat,
    "offers": Offer,
    "plans": PlanTold,
    "checkpoints": Chunk,
}
GROUP_WAIT_MS = 10_000

# ---- lives -----------------------------------------------------------------------------------------------------------


@deed("NAMES start/starts")
def start(stage: Stage, names: Names) -> None:
    for name in names:
        stage.world.boot(name)


@deed("NAMES start/starts without an engine")
def start_without_engine(stage: Stage, names: Names) -> None:
    stage.world.engineless |= set(names)
    start(stage, names)


@deed("NAMES is/are killed")
def kill(stage: Stage, names: Names) -> None:
    """The process ends; its device goes on, and refuses whoever dials it."""
    for name in names:
        stage.living(name)
        stage.world.kill(name)


@deed("NAMES lose/loses power")
def lose_power(stage: Stage, names: Names) -> None:
    """The device is gone, and nothing says so but its silence."""
    for name in names:
        stage.living(name)
        stage.world.kill(name, refuses=False)


@deed("NAMES leave/leaves")
def leave(stage: Stage, names: Names) -> None:
    """Somebody stops it, and it says goodbye."""
    for name in names:
        stage.tell(name, Leaving())
        stage.world.kill(name, refuses=False)


@deed("NAMES come/comes back")
def come_back(stage: Stage, names: Names) -> None:
    """A new life on the disk of the last one."""
    for name in names:
        stage.dead(name)
        stage.world.boot(name)


@deed("NAMES lose/loses the disk")
def lose_disk(stage: Stage, names: Names) -> None:
    """Nothing of its earlier lives is left, and what it was asked is gone with it."""
    for name in names:
        stage.dead(name).disk.clear()
        stage.forget(name)


@deed("NAMES fall/falls asleep")
def fall_asleep(stage: Stage, names: Names) -> None:
    for name in names:
        stage.awake(name).asleep = True


@deed("NAMES wake/wakes up")
def wake(stage: Stage, names: Names) -> None:
    for name in names:
        assert stage.living(name).asleep, f"{name} is awake."
        stage.world.wake(name)


@deed("a clone of NAME appears")
def clone(stage: Stage, name: str) -> None:
    """Its disk was copied: both speak with one key, and each dials when the other has taken its channel."""
    me = NodeId(name)
    for other in (other for other, place in stage.world.places.items() if other != me and place.alive):
        stage.world.greet(other, me, BootNonce("clone"))
        stage.world.greet(other, me, stage.world[name].boot)


# ---- the house -------------------------------------------------------------------------------------------------------


@deed("the house parts: SIDES")
def part(stage: Stage, sides: tuple[Names, ...]) -> None:
    stage.world.part(*sides)


@deed("NAME stops hearing NAMES")
def deafen(stage: Stage, name: str, others: Names) -> None:
    """One way only: what it says still arrives."""
    stage.world.deaf |= {(NodeId(name), NodeId(other)) for other in others}


@deed("the house is whole again")
def mend(stage: Stage) -> None:
    stage.world.mend()


@deed("all MESSAGES are lost")
def lose(stage: Stage, kind: str) -> None:
    """Between devices, from now on."""
    stage.world.loses = lambda sender, to, message: sender != to and isinstance(message, MESSAGES[kind])


@deed("NAME's MESSAGES are lost")
def lose_from(stage: Stage, name: str, kind: str) -> None:
    stage.world.loses = lambda sender, to, message: sender == name != to and isinstance(message, MESSAGES[kind])


@deed("nothing is lost any more")
def lose_nothing(stage: Stage) -> None:
    stage.world.loses = lambda sender, to, message: False


# ---- devices ---------------------------------------------------------------------------------------------------------


def _power(stage: Stage, names: Names, power: PowerClass) -> None:
    for name in names:
        profile = stage.awake(name).node.profile
        stage.tell(name, Profiled(msgspec.structs.replace(profile, power=power)))


deed("NAMES is/are on mains")(partial(_power, power=PowerClass.MAINS))
deed("NAMES is/are on battery")(partial(_power, power=PowerClass.BATTERY))
deed("NAMES is/are low on battery")(partial(_power, power=PowerClass.LOW))


@deed("NAMES decline/declines to help")
def decline(stage: Stage, names: Names) -> None:
    for name in names:
        stage.awake(name).declines = "not today"


@deed("NAME's engine hangs")
def hang(stage: Stage, name: str) -> None:
    """It makes no more steps, and does not say so."""
    stage.awake(name).hangs = True


@deed("NAME's engine goes on")
def go_on(stage: Stage, name: str) -> None:
    stage.awake(name).hangs = False


@deed("NAME's engine takes NUMBER seconds for a step, whatever it promised")
def boast(stage: Stage, name: str, seconds: int) -> None:
    stage.awake(name).step_ticks = round(seconds / TICK_S)


@deed("NAME's engine will break at step NUMBER")
def break_engine(stage: Stage, name: str, step: int) -> None:
    stage.awake(name).breaks_at_step = step


@deed("groups share NUMBER steps, foreseen to take NUMBER seconds each")
def share_steps(stage: Stage, steps: int, seconds: int) -> None:
    """Slow steps are worth a spare checkpoint now and then."""
    world, plan = stage.world, stage.world.drafts
    world.shared_steps = steps

    def plan_slowly(order: MakePlan) -> tuple[Draft, ...]:
        slow = msgspec.structs.replace(FORECAST, step_seconds=float(seconds))
        return tuple(replace(draft, forecast=slow) for draft in plan(order))

    world.drafts = plan_slowly


# ---- people ----------------------------------------------------------------------------------------------------------


@deed("NAMES ask/asks for WORDS")
def ask(stage: Stage, names: Names, words: Names) -> None:
    """One each, for company if there is any."""
    _ask(stage, names, words)


@deed("NAMES ask/asks for WORDS in a group of NUMBER")
def ask_in_a_group(stage: Stage, names: Names, words: Names, size: int) -> None:
    """Whoever asks in a group of this size waits for the others."""
    _ask(stage, names, words, group_name=f"group of {size}", group_size=size, wait_ms=GROUP_WAIT_MS)


@deed("NAMES ask/asks for WORDS and share/shares nothing")
def ask_in_private(stage: Stage, names: Names, words: Names) -> None:
    _ask(stage, names, words, share="nothing")


def _ask(stage: Stage, names: Names, words: Names, **wishes: object) -> None:
    assert len(names) == len(words), "One picture each."
    for name, word in zip(names, words, strict=True):
        stage.ask(name, picture_request(word, name, **wishes))


@deed("NAME cancels WORDS")
def cancel(stage: Stage, name: str, words: Names) -> None:
    for word in words:
        stage.tell(name, Cancelled(RequestId(word)))
