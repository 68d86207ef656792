"""What the election promises where little goes wrong: rules that save needless changes, and that faults hide.

    C1  a living leader stays: whoever joins follows it, and who misses its words asks before it claims.
    C2  a leader that falls silent is followed by one claim, that of the best-ranked living device.
    C3  no counter leaps: it is at most the number of claims, whatever highest counter one peer tells of; and nobody
        obeys or outdoes a claim far above.
    C4  a leader whose process is known to be gone is replaced at once, and nobody else is lost, though words of both
        from before then are still under way.

Never here: whole stories (`stories`), or what becomes of the work (`losses`).
"""

from collections.abc import Callable

import msgspec

from peerd_protocol.election import Role
from peerd_protocol.ids import NodeId, Term
from peerd_protocol.messages import AnyMessage, Heartbeat
from tests.simulation.figures import calm_world, dark_world
from tests.simulation.invariants import Violation
from tests.simulation.links import Weather
from tests.simulation.world import World

SETTLES_S = 8.0
MISSED_S = 6.0
KNOWN_S_MAX = 2.0
BELIEVABLE, INCREDIBLE = 50_000, 2**40
LEAP_MAX = 2**16


def newcomer(seed: int, nodes: int) -> None:
    """The best-ranked device is switched on beside a leader."""
    world = calm_world(seed, nodes, dark=1)
    claims = len(world.terms.claims)
    world.boot(max(world.devices.values(), key=lambda device: device.name))
    world.clockwork.run(world.now_s + SETTLES_S)
    if len(world.terms.claims) > claims:
        raise Violation("C1", f"a newcomer costs {_since(world, claims)}")


def missed_words(seed: int, nodes: int) -> None:
    """A leader's heartbeats don't reach one of its followers for a while; all else does."""
    world = calm_world(seed, nodes)
    claims, leader = len(world.terms.claims), world.leaders()[0].name
    follower = next(name for name in world.devices if name != leader)
    world.links.twist = _without_heartbeats(leader, follower)
    world.clockwork.run(world.now_s + MISSED_S)
    world.links.twist = None
    world.clockwork.run(world.now_s + SETTLES_S)
    if len(world.terms.claims) > claims:
        raise Violation("C1", f"words that {follower} missed cost {_since(world, claims)}")


def silent_death(seed: int, nodes: int) -> None:
    """The leader's device loses power."""
    world = calm_world(seed, nodes)
    claims, dead = len(world.terms.claims), world.leaders()[0]
    world.crash(dead, refuses=False)
    world.clockwork.run(world.now_s + SETTLES_S)
    best = max(name for name in world.devices if name != dead.name)
    if [term.leader for term in _since(world, claims)] != [best]:
        raise Violation("C2", f"after {dead.name} not {best} alone claims: {_since(world, claims)}")


def known_death(seed: int, nodes: int) -> None:
    """The leader's process dies, while words said before then are doubled and late."""
    world = calm_world(seed, nodes)
    world.links.weather = Weather(doubling=0.3, reordering=0.3)
    world.clockwork.run(world.now_s + 2.0)
    world.links.weather = Weather()
    world.crash(world.leaders()[0], refuses=True)
    world.clockwork.run(world.now_s + KNOWN_S_MAX)
    if not world.leaders():
        raise Violation("C4", f"after {KNOWN_S_MAX} s nobody leads, though the leader's process is known to be gone")
    lost = world.terms.changes[Role.FOLLOW, Role.CANDIDATE]
    if lost > nodes - 1:
        raise Violation("C4", f"{nodes - 1} followers lost {lost} leaders, though one died")


def high_talk(seed: int, nodes: int) -> None:
    """All are switched on at once, and one tells of a counter that nobody claimed."""
    world = dark_world(seed, nodes)
    world.links.twist = _talking_of(BELIEVABLE)
    for device in world.devices.values():
        world.boot(device)
    world.clockwork.run(SETTLES_S)
    if (top := max(term.counter for term in world.terms.claims)) > len(world.terms.claims):
        raise Violation("C3", f"the counter is {top} after {len(world.terms.claims)} claims")


def incredible_claim(seed: int, nodes: int) -> None:
    """One of them says that it obeys a term far above."""
    world = calm_world(seed, nodes)
    world.links.twist = _obeying(INCREDIBLE)
    world.clockwork.run(world.now_s + SETTLES_S)
    if (top := max(term.counter for term in world.terms.claims)) > LEAP_MAX * SETTLES_S:
        raise Violation("C3", f"the counter leapt to {top}")


Promises = tuple[tuple[Callable[[int, int], None], int], ...]
"""Each takes a seed and a number of devices, and stands with the least number that it needs."""

PROMISES: Promises = (
    (newcomer, 2),
    (missed_words, 2),
    (silent_death, 3),
    (known_death, 2),
    (high_talk, 3),
    (incredible_claim, 2),
)


def hold(promises: Promises, seed: int, nodes: int) -> None:
    for promise, nodes_min in promises:
        if nodes >= nodes_min:
            promise(seed, nodes)


def broken(promises: Promises, seed: int, nodes: int) -> list[tuple[str, Violation]]:
    """Every promise of these that does not hold, by its name."""
    found = []
    for promise, nodes_min in promises:
        try:
            if nodes >= nodes_min:
                promise(seed, nodes)
        except Violation as violation:
            found.append((promise.__name__, violation))
    return found


def _since(world: World, claims: int) -> list[Term]:
    return list(world.terms.claims)[claims:]


LIAR = NodeId("n00")
Twist = Callable[[NodeId, NodeId, AnyMessage], AnyMessage | None]


def _talking_of(highest: int) -> Twist:
    def twist(sender: NodeId, _: NodeId, message: AnyMessage) -> AnyMessage:
        if sender != LIAR or not isinstance(message, Heartbeat):
            return message
        return msgspec.structs.replace(message, highest=highest)

    return twist


def _obeying(counter: int) -> Twist:
    def twist(sender: NodeId, _: NodeId, message: AnyMessage) -> AnyMessage:
        if sender != LIAR or not isinstance(message, Heartbeat):
            return message
        term = Term(counter, NodeId("nobody"), message.boot)
        return msgspec.structs.replace(message, term=term, leading=False, following=False)

    return twist


def _without_heartbeats(of: NodeId, to: NodeId) -> Twist:
    def twist(sender: NodeId, receiver: NodeId, message: AnyMessage) -> AnyMessage | None:
        return None if (sender, receiver) == (of, to) and isinstance(message, Heartbeat) else message

    return twist
