"""Every order of events, up to a depth: breadth-first search over three nodes of the shipped election core.

A move delivers or doubles any message in flight, lets any node's clock go on by half an interval, ends any process
between or in the middle of its actions and starts it anew, with its disk or without, sends a device to sleep, or lets a
battery run low. How often each fault may happen is bounded; messages take any time and any order, and one that is lost
is one that stays in flight for ever. I1 to I4 are checked in each state; a violation is told as the moves that led to
it.

    python -m tests.simulation.exhaustive --depth 6                  from every beginning
    python -m tests.simulation.exhaustive --depth 11 --faults 0      deeper, with clocks and messages alone

Never here: what follows from an event, or what is judged in one node (`exhaustive_nodes`).
"""

import argparse
import gc
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import perf_counter
from typing import NamedTuple

from peerd_protocol.election import Role
from peerd_protocol.ids import NodeId, Term
from peerd_protocol.messages import Heartbeat
from tests.simulation.exhaustive_nodes import NAMES, Automaton, Event, Happening, Outcome, Violation


class Faults(NamedTuple):
    """How many may still happen in all, and of each kind."""

    in_all: int = 2
    doubles: int = 1
    crashes: int = 1
    losses: int = 1
    sleeps: int = 1
    lows: int = 1


SOME, NONE = Faults(), Faults(0, 0, 0, 0, 0, 0)
FAULTS: dict[Event, str] = {
    Happening.CRASH: "crashes",
    Happening.LOSS: "losses",
    Happening.SLEEP: "sleeps",
    Happening.LOW: "lows",
}


class State(NamedTuple):
    """The three nodes and the letters in flight, by their numbers, and what may still go wrong."""

    nodes: tuple[int, ...]
    letters: tuple[int, ...]
    faults: Faults


class Move(NamedTuple):
    """`what` happens to a node, which may die after some of its actions; a letter that `stays` is heard again."""

    what: Event
    node: int
    died_after: int = 0
    stays: bool = False


def _in_short(message: object) -> str:
    """A heartbeat's profile and numbers tell nothing here."""
    if not isinstance(message, Heartbeat):
        return str(message)
    does = "leads" if message.leading else "follows" if message.following else "has"
    return f"Heartbeat {message.sequence} of {message.boot}: {does} {message.term}"


# ---- beginnings ------------------------------------------------------------------------------------------------------

Reaches = Callable[[NodeId, NodeId], bool]


def everyone(sender: NodeId, to: NodeId) -> bool:
    return True


def without_eve(sender: NodeId, to: NodeId) -> bool:
    return "eve" not in (sender, to)


def calm(automaton: Automaton, nodes: tuple[int, ...], ticks: int, reaches: Reaches = everyone) -> tuple[int, ...]:
    """All clocks go alike, and whatever is said is heard at once by those that it reaches."""
    now = list(nodes)
    for _ in range(ticks):
        letters: list[int] = []
        for index in range(len(now)):
            ticked = automaton.outcome(now[index], Happening.TICK)
            now[index] = ticked.node
            letters += ticked.letters
        while letters:
            number = letters.pop(0)
            reader, letter = automaton.readers[number], automaton.letters[number]
            if reaches(letter.sender, letter.to):
                heard = automaton.outcome(now[reader], number)
                now[reader] = heard.node
                letters += heard.letters
    return tuple(now)


def all_start(automaton: Automaton) -> tuple[int, ...]:
    return tuple(automaton.born(name) for name in NAMES)


def all_are_about_to_stand(automaton: Automaton) -> tuple[int, ...]:
    return calm(automaton, all_start(automaton), 4)


def one_leads(automaton: Automaton) -> tuple[int, ...]:
    return calm(automaton, all_start(automaton), 12)


def a_leader_is_about_to_be_missed(automaton: Automaton) -> tuple[int, ...]:
    return calm(automaton, one_leads(automaton), 6, without_eve)


def two_lead(automaton: Automaton) -> tuple[int, ...]:
    return calm(automaton, one_leads(automaton), 14, without_eve)


BEGINNINGS: dict[str, Callable[[Automaton], tuple[int, ...]]] = {
    "all start": all_start,
    "all are about to stand": all_are_about_to_stand,
    "one leads": one_leads,
    "a leader is about to be missed": a_leader_is_about_to_be_missed,
    "two lead": two_lead,
}


# ---- the search ------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Search:
    """All states that can be reached from a beginning, level by level."""

    automaton: Automaton
    beginning: str
    faults: Faults = SOME
    depth: int = 0
    came_from: dict[State, tuple[State, Move] | None] = field(default_factory=dict)
    roles: set[Role] = field(default_factory=set)
    leaders_at_once: int = 0
    claims: set[Term] = field(default_factory=set)
    _looked_at: set[tuple[int, ...]] = field(default_factory=set)

    def __str__(self) -> str:
        states, nodes, terms = len(self.came_from), len(self.automaton.nodes), len(self.claims)
        counts = f"states {states:8}  depth {self.depth:2}  nodes {nodes:6}  terms {terms:3}"
        return f"{counts}  leaders at once {self.leaders_at_once}"

    def run(self, depth: int, states_max: int = 10**9) -> None:
        """Go on to this depth, or until that many states are known. Raises Violation at the first."""
        level = [State(BEGINNINGS[self.beginning](self.automaton), (), self.faults)]
        self.came_from = {level[0]: None}
        while self.depth < depth and level and len(self.came_from) < states_max:
            level = [after for state in level for after in self._expand(state)]
            self.depth += 1

    def _expand(self, state: State) -> Iterator[State]:
        """The states after one more move that nothing led to before."""
        for move in self._moves(state):
            try:
                for ended, after in self._ends(state, move):
                    if after not in self.came_from:
                        self.came_from[after] = state, ended
                        self._look(after)
                        yield after
            except Violation as violation:
                raise Violation("\n".join([*self._story(state), self._told(move), str(violation)])) from None

    def _moves(self, state: State) -> Iterator[Move]:
        possible = [happening for happening, name in FAULTS.items() if getattr(state.faults, name)]
        for node in range(len(state.nodes)):
            yield from (Move(what, node) for what in (Happening.TICK, *possible))
        for number in set(state.letters):
            reader = self.automaton.readers[number]
            yield Move(number, reader)
            if state.faults.doubles:
                yield Move(number, reader, stays=True)

    def _ends(self, state: State, move: Move) -> Iterator[tuple[Move, State]]:
        """How the move may end: as it should, or by a crash in its middle."""
        node = state.nodes[move.node]
        yield move, self._after(state, move, self.automaton.outcome(node, move.what))
        if state.faults.crashes and not move.stays:
            for count, outcome in enumerate(self.automaton.deaths(node, move.what), 1):
                died = move._replace(died_after=count)
                yield died, self._after(state, died, outcome)

    @staticmethod
    def _after(state: State, move: Move, outcome: Outcome) -> State:
        nodes, letters, faults = state
        flying = [*letters, *outcome.letters]
        if isinstance(move.what, int) and not move.stays:
            flying.remove(move.what)
        flying.sort()
        fault = "doubles" if move.stays else "crashes" if move.died_after else FAULTS.get(move.what)
        if fault is not None:
            faults = faults._replace(**{"in_all": faults.in_all - 1, fault: getattr(faults, fault) - 1})
            if not faults.in_all:
                faults = NONE
        return State((*nodes[: move.node], outcome.node, *nodes[move.node + 1 :]), tuple(flying), faults)

    def _look(self, state: State) -> None:
        """What no node can see by itself: whose term it obeys, and whether that one has claimed it."""
        if state.nodes in self._looked_at:
            return
        self._looked_at.add(state.nodes)
        nodes = [self.automaton.nodes[number] for number in state.nodes]
        claims = {claim: node.name for node in nodes for claim in node.claimed}
        for node in nodes:
            obeyed = [claim for claim in claims if node.election.obeys(claim.leader, claim)]
            if node.commanded is not None and obeyed and min(obeyed) < node.commanded:
                raise Violation(f"I4 {node.name} obeys {min(obeyed)} after {node.commanded}")
            if len(obeyed) > 1:
                raise Violation(f"I3 {node.name} obeys {obeyed}")
            if node.obeyed is not None and claims.get(node.obeyed) != node.obeyed.leader:
                raise Violation(f"I4 {node.name} obeys {node.obeyed}, which {node.obeyed.leader} never claimed")
        self.roles |= {node.election.role for node in nodes}
        self.leaders_at_once = max(self.leaders_at_once, sum(node.election.role is Role.LEAD for node in nodes))
        self.claims |= claims.keys()

    def _story(self, state: State) -> list[str]:
        """The moves that lead here."""
        moves: list[str] = []
        while (before := self.came_from[state]) is not None:
            state, move = before
            moves.insert(0, self._told(move))
        return [f"from: {self.beginning}", *moves]

    def _told(self, move: Move) -> str:
        died = f", and dies after {move.died_after} of its actions" if move.died_after else ""
        if isinstance(move.what, Happening):
            return f"{NAMES[move.node]}: {move.what.name.lower()}{died}"
        letter, hears = self.automaton.letters[move.what], "hears, not for the last time," if move.stays else "hears"
        return f"{NAMES[move.node]} {hears} from {letter.sender}: {_in_short(letter.message)}{died}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--depth", type=int, default=6, help="moves from the beginning")
    parser.add_argument("--states-max", type=int, default=1_000_000, help="a level that would go beyond is the last")
    parser.add_argument("--beginning", choices=BEGINNINGS, action="append", help="all, unless named")
    parser.add_argument("--faults", type=int, default=SOME.in_all, help="in all; with fewer it goes deeper")
    arguments = parser.parse_args()
    faults = SOME._replace(in_all=arguments.faults) if arguments.faults else NONE
    states = violations = 0
    gc.disable()  # a search makes no cycles, and looking for some takes half of its time
    for beginning in arguments.beginning or BEGINNINGS:
        search, began_s = Search(Automaton(), beginning, faults), perf_counter()
        try:
            search.run(arguments.depth, arguments.states_max)
        except Violation as violation:
            violations += 1
            print(f"VIOLATION\n{violation}", flush=True)
        states += len(search.came_from)
        print(f"{beginning:32} {search}  {perf_counter() - began_s:5.1f} s", flush=True)
    print(f"states {states}; violations: {violations}")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
