"""One node, `me`, among peers that exist by what we make them say: the stage of the stories about elections."""

from collections.abc import Callable
from typing import TypeVar

from peerd_protocol.actions import Action, Send
from peerd_protocol.election import Election, Role
from peerd_protocol.ids import BootNonce, NodeId, Term
from peerd_protocol.membership import Membership
from peerd_protocol.messages import Fenced, Heartbeat, Preclaim, PreclaimAnswer, Resign
from peerd_protocol.profile import PowerClass, Profile
from peerd_protocol.terms import HIGHEST_KEY

Message = TypeVar("Message", Heartbeat, Preclaim, PreclaimAnswer, Resign, Fenced)

MAINS = Profile(model="toy", steps_per_second=4.0)
BATTERY = Profile(model="toy", steps_per_second=4.0, power=PowerClass.BATTERY)
LOW = Profile(model="toy", steps_per_second=4.0, power=PowerClass.LOW)
ANN, BOB, ME, ZOE = NodeId("ann"), NodeId("bob"), NodeId("me"), NodeId("zoe")
"""With equal devices the later name ranks better: zoe above me above bob above ann."""


def boot_of(peer: NodeId) -> BootNonce:
    return BootNonce(f"boot-{peer}")


class Story:
    """One node, `me`, and what it did. Peers exist by what we make them say."""

    def __init__(
        self, recalled: dict[str, bytes] | None = None, boot: str = "boot-me", interval_s: float = 1.0
    ) -> None:
        self.now_s, self.profile = 100.0, MAINS
        self.membership = Membership(ME)
        self.election = Election(ME, BootNonce(boot), recalled or {}, interval_s, self.now_s)
        self.done: list[Action] = []
        self._sequences: dict[NodeId, int] = {}

    # ---- what happens ----

    def wait(self, seconds: float, hearing: Callable[[], object] | None = None) -> list[Action]:
        """Let time pass in ticks of 50 ms, while `hearing` happens each half second. Returns what was done."""
        before = len(self.done)
        for tick in range(1, round(seconds / 0.05) + 1):
            self.now_s += 0.05
            if hearing is not None and tick % 10 == 0:
                hearing()
            self.tick()
        return self.done[before:]

    def leap(self, seconds: float) -> list[Action]:
        """The device sleeps, and ticks when it wakes."""
        self.now_s += seconds
        return self.tick()

    def tick(self) -> list[Action]:
        self.membership.ticked(self.now_s, self.election.interval_s)
        return self._note(self.election.ticked(self.now_s, self.membership, self.profile, b"roster"))

    def hear(
        self,
        peer: NodeId,
        term: Term | None = None,
        leading: bool = False,
        following: bool = False,
        highest: int = 0,
        followers: int = 0,
        profile: Profile = MAINS,
        boot: BootNonce | None = None,
    ) -> list[Action]:
        self._sequences[peer] = self._sequences.get(peer, 0) + 1
        heartbeat = Heartbeat(
            boot=boot or boot_of(peer), sequence=self._sequences[peer], interval_ms=1000, term=term, leading=leading,
            following=following, highest=highest, followers=followers, profile=profile, roster_digest=b"",
        )  # fmt: skip
        self.membership.connected(peer, self.now_s)
        assert self.membership.heard(peer, heartbeat, self.now_s)
        return self._receive(peer, heartbeat)

    def lead(self, peer: NodeId, counter: int, followers: int = 0, profile: Profile = MAINS) -> list[Action]:
        """A peer's heartbeat as the leader of this counter's term."""
        return self.hear(peer, term_of(peer, counter), leading=True, followers=followers, profile=profile)

    def ask(self, peer: NodeId, counter: int = 1) -> bool:
        """A peer asks for leave to claim."""
        (answer,) = sent(self._receive(peer, Preclaim(counter=counter)), PreclaimAnswer)
        assert answer.counter == counter
        return answer.granted

    def answer(self, peer: NodeId, granted: bool, counter: int | None = None) -> list[Action]:
        counter = self.election.highest + 1 if counter is None else counter
        return self._receive(peer, PreclaimAnswer(counter=counter, granted=granted))

    def fence(self, peer: NodeId, highest: int) -> list[Action]:
        """A peer answers a command of ours with the highest counter that it knows of."""
        return self._receive(peer, Fenced(term=None, highest=highest))

    def resign(self, peer: NodeId, term: Term, successor: NodeId = ME) -> list[Action]:
        return self._receive(peer, Resign(term=term, successor=successor))

    def _receive(self, peer: NodeId, message: Heartbeat | Preclaim | PreclaimAnswer | Resign | Fenced) -> list[Action]:
        return self._note(self.election.received(peer, message, self.now_s, self.membership))

    def _note(self, actions: list[Action]) -> list[Action]:
        self.done += actions
        return actions

    # ---- how it stands ----

    def plays(self, role: Role) -> bool:
        return self.election.role is role

    @property
    def counter(self) -> int:
        assert self.election.term is not None
        return self.election.term.counter


def term_of(peer: NodeId, counter: int) -> Term:
    return Term(counter, peer, boot_of(peer))


def sent(actions: list[Action], kind: type[Message]) -> list[Message]:
    return [action.message for action in actions if isinstance(action, Send) and isinstance(action.message, kind)]


def asked(actions: list[Action]) -> set[NodeId]:
    return {action.to for action in actions if isinstance(action, Send) and isinstance(action.message, Preclaim)}


def following_ann() -> Story:
    """A story that begins as ann's follower in term 5."""
    story = Story()
    story.lead(ANN, 5)
    assert story.plays(Role.FOLLOW)
    return story


def leading(recalled_counter: int = 0) -> Story:
    """A story that begins as a lone leader."""
    story = Story({HIGHEST_KEY: str(recalled_counter).encode()})
    story.wait(2.3)
    assert story.plays(Role.LEAD)
    return story


def candidate_among(*peers: str) -> Story:
    """A story whose node has just asked: the best-ranked among ann and bob, who live."""
    story = Story()
    for peer in peers:
        story.hear(ANN if peer == "ann" else BOB)
    story.wait(2.2, lambda: [story.hear(ANN if peer == "ann" else BOB) for peer in peers])
    story.wait(0.1)
    assert story.plays(Role.CANDIDATE)
    return story
