"""The shipped election core as an automaton: every state that a node was ever in, and what each event makes of it.

A node's times are kept relative to its own clock, which moves by half an interval at a time, and its state is known by
all it holds: two nodes that hold the same are one, and what follows from an event is worked out once. Beside the node
stands what an onlooker must remember of it to judge it: what it claimed, revealed and obeyed.

    I1  a term is claimed once.             I2  an accepted term never falls, and is on disk before it is revealed.
    I3  a node obeys at most one leader.    I4  no command of an older term is accepted.

Never here: what happens when (`exhaustive`), or a rule of the election.
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import Enum, auto
from functools import cache
from typing import Any, Literal

import msgspec

from peerd_protocol.actions import Action, Remember, Send
from peerd_protocol.election import Election, ElectionMessage
from peerd_protocol.ids import BootNonce, NodeId, Term
from peerd_protocol.membership import Membership
from peerd_protocol.messages import Heartbeat
from peerd_protocol.profile import PowerClass, Profile
from peerd_protocol.terms import ACCEPTED_KEY

INTERVAL_S = 1.0
TICK_S = INTERVAL_S / 2
"""Time in the election is continuous; here it goes by half intervals, the longest that make no node doubt itself. What
the rules promise for every moment must hold at any pace: a coarse clock hides lengths, not the order of events."""
SLEEP_S = 8 * INTERVAL_S
FORGOTTEN_S = 20 * INTERVAL_S
"""Whatever was longer ago than any timeout makes no difference any more."""

NAMES = (NodeId("ann"), NodeId("bob"), NodeId("eve"))


class Violation(AssertionError):
    """An invariant broke; the text names it."""


class Happening(Enum):
    """What happens to a node otherwise than by a letter."""

    TICK = auto()
    CRASH = auto()
    """Its process ends and begins again on its disk."""
    LOSS = auto()
    """The same, on an empty disk."""
    SLEEP = auto()
    """It stands still for so long that all whom it knows seem dead, and ticks."""
    LOW = auto()
    """Its battery runs low."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message in flight; "redialled" says that the sender's process has ended, and that there is a new one."""

    sender: NodeId
    to: NodeId
    message: ElectionMessage | Literal["redialled"]


Event = Happening | int
"""A letter is known by its number."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A node at a moment, never changed once made. From `claimed` on it is the onlooker's."""

    name: NodeId
    life: int
    clock_s: float
    profile: Profile
    disk: Mapping[str, bytes]
    membership: Membership
    election: Election
    claimed: frozenset[Term] = frozenset()
    revealed: Term | None = None
    commanded: Term | None = None

    @property
    def disk_term(self) -> Term | None:
        raw = self.disk.get(ACCEPTED_KEY)
        return None if raw is None else msgspec.json.decode(raw, type=Term)

    @property
    def obeyed(self) -> Term | None:
        """The term whose commands it would carry out now."""
        term = self.election.term
        return term if term is not None and self.election.obeys(term.leader, term) else None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a node, by its number, and what it said, by the letters' numbers."""

    node: int
    letters: tuple[int, ...]


class Automaton:
    """All nodes by number, all letters by number, and the outcomes of events so far, of one election core."""

    def __init__(self, core: type[Election] = Election) -> None:
        self._core = core
        self.nodes: list[Snapshot] = []
        self.letters: list[Letter] = []
        self.readers: list[int] = []
        """Of each letter, which node it is for, by its place in `NAMES`."""
        self._node_numbers: dict[Hashable, int] = {}
        self._letter_numbers: dict[Letter, int] = {}
        self._outcomes: dict[tuple[int, Event], Outcome] = {}
        self._deaths: dict[tuple[int, Event], tuple[Outcome, ...]] = {}

    # ---- events ----

    def born(self, name: NodeId) -> int:
        profile = Profile(model="toy", steps_per_second=4.0)
        return self._number(self._boot(name, 1, FORGOTTEN_S, profile, {}))

    def outcome(self, node: int, event: Event) -> Outcome:
        """What follows from an event."""
        known = self._outcomes.get((node, event))
        if known is None:
            known = self._outcomes[node, event] = self._work_out(self.nodes[node], event)
        return known

    def deaths(self, node: int, event: Event) -> tuple[Outcome, ...]:
        """What follows if the process dies after the first of its actions, after the second, ..., before the last.

        Without anything to remember among them, that is no other than a crash and a few lost letters.
        """
        known = self._deaths.get((node, event))
        if known is None:
            before = self.nodes[node]
            _, actions = self._step(before, event)
            counts = range(1, len(actions)) if any(isinstance(action, Remember) for action in actions) else ()
            ended = [_carry_out(before, actions[:count]) for count in counts]
            known = self._deaths[node, event] = tuple(self._reborn(*each) for each in ended)
        return known

    def _work_out(self, before: Snapshot, event: Event) -> Outcome:
        match event:
            case Happening.CRASH:
                return self._reborn(before)
            case Happening.LOSS:
                return self._reborn(replace(before, disk={}, revealed=None, commanded=None))
            case _:
                return self._done(before, *self._step(before, event))

    def _step(self, before: Snapshot, event: Event) -> tuple[Snapshot, list[Action]]:
        """What the core makes of an event, before any of its actions is carried out."""
        after = copied(before)
        match event:
            case Happening.TICK | Happening.SLEEP:
                passed_s = TICK_S if event is Happening.TICK else SLEEP_S
                after = replace(after, clock_s=after.clock_s + passed_s)
                return after, _tick(after)
            case Happening.LOW:
                return replace(after, profile=msgspec.structs.replace(after.profile, power=PowerClass.LOW)), []
            case int():
                return after, _hear(after, self.letters[event])
            case _:
                return after, []

    def _done(self, before: Snapshot, after: Snapshot, actions: list[Action]) -> Outcome:
        """All was carried out, in order."""
        term = after.election.term
        if before.election.term is not None and (term is None or term < before.election.term):
            raise Violation(f"I2 {before.name} fell from {before.election.term} to {term}")
        after, sends = _carry_out(after, actions)
        return Outcome(self._number(_obeying(after)), self._post(after, sends))

    def _reborn(self, before: Snapshot, sends: Iterable[Send] = ()) -> Outcome:
        after = self._boot(before.name, before.life + 1, before.clock_s, before.profile, before.disk)
        after = replace(after, claimed=before.claimed, revealed=before.revealed, commanded=before.commanded)
        term = after.election.term
        for relied in (before.revealed, before.commanded):
            if relied is not None and (term is None or term < relied):
                raise Violation(f"I2 {before.name} fell from {relied} to {term} by a restart")
        said = [*self._post(before, sends)]
        said += [self._letter(Letter(before.name, peer, "redialled")) for peer in NAMES if peer != before.name]
        return Outcome(self._number(after), tuple(said))

    def _boot(self, name: NodeId, life: int, clock_s: float, profile: Profile, disk: Mapping[str, bytes]) -> Snapshot:
        membership = Membership(name)
        for peer in NAMES:
            if peer != name:
                membership.connected(peer, clock_s)
        election = self._core(name, BootNonce(f"{name}{life}"), disk, INTERVAL_S, clock_s)
        return Snapshot(name, life, clock_s, profile, disk, membership, election)

    # ---- numbers ----

    def _post(self, sender: Snapshot, sends: Iterable[Send]) -> tuple[int, ...]:
        return tuple(self._letter(Letter(sender.name, send.to, send.message)) for send in sends)  # type: ignore[arg-type]

    def _letter(self, letter: Letter) -> int:
        number = self._letter_numbers.setdefault(letter, len(self.letters))
        if number == len(self.letters):
            self.letters.append(letter)
            self.readers.append(NAMES.index(letter.to))
        return number

    def _number(self, node: Snapshot) -> int:
        number = self._node_numbers.setdefault(key_of(node, node.clock_s), len(self.nodes))
        if number == len(self.nodes):
            self.nodes.append(node)
        return number


def _tick(node: Snapshot) -> list[Action]:
    node.membership.ticked(node.clock_s, node.election.interval_s)
    return node.election.ticked(node.clock_s, node.membership, node.profile)


def _hear(node: Snapshot, letter: Letter) -> list[Action]:
    """As `Node` does it: what the core answers to a letter, changing the node."""
    sender, message, clock_s = letter.sender, letter.message, node.clock_s
    if message == "redialled":
        node.membership.closed(sender, True, clock_s)
        actions = node.election.ticked(clock_s, node.membership, node.profile)
        node.membership.connected(sender, clock_s)
        return actions
    if isinstance(message, Heartbeat) and not node.membership.heard(sender, message, clock_s):
        return []
    return node.election.received(sender, message, clock_s, node.membership)


def _carry_out(node: Snapshot, actions: list[Action]) -> tuple[Snapshot, list[Send]]:
    """The node with what these actions leave on its disk and what they tell the onlooker, and what was said."""
    sends: list[Send] = []
    for action in actions:
        match action:
            case Remember(key, value):
                node = replace(node, disk={**node.disk, key: value})
                if key == ACCEPTED_KEY and (term := node.disk_term) is not None and term.leader == node.name:
                    if term in node.claimed:
                        raise Violation(f"I1 {node.name} claims {term} again")
                    node = replace(node, claimed=node.claimed | {term})
            case Send(_, message):
                sends.append(action)
                if isinstance(message, Heartbeat) and message.term is not None:
                    if node.disk_term is None or node.disk_term < message.term:
                        raise Violation(f"I2 {node.name} reveals {message.term}, its disk has {node.disk_term}")
                    node = replace(node, revealed=max(message.term, node.revealed or message.term))
            case _:
                raise AssertionError(f"election has no business with {action}")
    return node, sends


def _obeying(node: Snapshot) -> Snapshot:
    obeyed = node.obeyed
    if obeyed is None:
        return node
    if node.commanded is not None and obeyed < node.commanded:
        raise Violation(f"I4 {node.name} obeys {obeyed} after {node.commanded}")
    return replace(node, commanded=obeyed)


# ---- copies and keys -------------------------------------------------------------------------------------------------


@cache
def _attributes(kind: type) -> tuple[str, ...] | None:
    """The names of what an object holds that may change or hold a time; None for plain values."""
    if kind.__module__ == "builtins" or issubclass(kind, Enum | msgspec.Struct):
        return None
    return tuple(each.name for each in fields(kind)) if is_dataclass(kind) else ()


def _held(thing: Any) -> Iterable[tuple[str, Any]] | None:
    names = _attributes(type(thing))
    if names is None:
        return None
    return [(name, getattr(thing, name)) for name in names] if names else vars(thing).items()


def copied(thing: Any) -> Any:
    """A copy that shares nothing that can change."""
    if isinstance(thing, dict):
        return {key: copied(value) for key, value in thing.items()}
    if isinstance(thing, set):
        return set(thing)
    if (held := _held(thing)) is None:
        return thing
    copy = object.__new__(type(thing))
    for name, value in held:
        object.__setattr__(copy, name, copied(value))
    return copy


LENGTHS = ("interval_s", "silence_s")
"""How such names end that hold a length of time; all others with `_s` hold a point in it."""


def key_of(thing: Any, now_s: float) -> Hashable:
    """All that a thing holds, as a value; points in time as seconds from now."""
    if isinstance(thing, dict):
        return tuple(sorted((key, key_of(value, now_s)) for key, value in thing.items()))
    if isinstance(thing, set):
        return frozenset(thing)
    if (held := _held(thing)) is None:
        return thing  # type: ignore[no-any-return]
    return tuple(_relative(name, value, now_s) for name, value in held)


def _relative(name: str, value: Any, now_s: float) -> Hashable:
    if name.endswith("_s") and not name.endswith(LENGTHS) and isinstance(value, float):
        return round(max(value - now_s, -FORGOTTEN_S), 3)
    return key_of(value, now_s)
