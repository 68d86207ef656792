"""The first words on a channel: who a peer is in this life of it, and where its bulk socket listens.

A peer draws a boot nonce at every start. A nonce we have not seen is a restart. An *older* nonce that completes a new
handshake after a newer one did cannot be: two devices speak with one key, an SD card was copied. We cannot tell which
is the owner's, so neither is heard any more, loudly, until one of them starts anew.

        connected -> open --hello of a new boot------> greeted    the peer started, or started again
                          --hello of the newest boot-> greeted    a channel was dialled again, all is well
                          --hello of an older boot---> refused    a clone
                          --hello of another version-> refused    one side needs an update

Never here: whether a peer is a member (the transport's roster), or alive (`membership`).
"""

from dataclasses import dataclass, replace

from peerd_protocol.actions import Action, Warn
from peerd_protocol.ids import BootNonce, NodeId
from peerd_protocol.messages import PROTOCOL_VERSION, Hello

PAST_BOOTS_MAX = 64
"""Older nonces remembered per peer. A clone whose nonce was forgotten passes for a restart, until the other returns."""


@dataclass(frozen=True, slots=True)
class Greeting:
    """What a peer's handshakes have told so far. `refusal` says why it is not heard, or is empty."""

    hello: Hello
    past_boots: tuple[BootNonce, ...] = ()
    refusal: str = ""
    late: bool = False
    """Whether an older boot's hello came since the newest one's without a channel that was seen to open."""


class Handshakes:
    """Every peer's greeting, in this life of our own node."""

    def __init__(self, me: NodeId, boot: BootNonce) -> None:
        self._me, self._boot = me, boot
        self._greetings: dict[NodeId, Greeting] = {}
        self._open: set[NodeId] = set()

    # ---- what happened ----

    def connected(self, peer: NodeId) -> None:
        """A channel opened: the next hello completes a new handshake."""
        self._open.add(peer)

    def received(self, peer: NodeId, hello: Hello) -> list[Action]:
        """A peer introduced itself; warns if it is refused, once for each time it tries."""
        was_open = peer in self._open
        self._open.discard(peer)
        known = self._greetings.get(peer)
        if peer == self._me:
            return [] if hello.boot == self._boot else [Warn(_clone_text(peer, hello))]
        if hello.version != PROTOCOL_VERSION:
            return self._refuse_version(peer, hello, known)
        if known is None:
            self._greetings[peer] = Greeting(hello)
            return []
        if hello.boot == known.hello.boot:
            return self._greet_again(peer, hello, known)
        if hello.boot in known.past_boots:
            # Nobody saw a channel open: these may be the last words of a life that ended, read late. Said twice, not.
            if was_open or known.late:
                return self._refuse_clone(peer, known)
            self._greetings[peer] = replace(known, late=True)
            return []
        self._greetings[peer] = Greeting(hello, _past(known))
        return []

    def removed_from_roster(self, members: frozenset[NodeId]) -> None:
        """The roster now has these members; nobody else is remembered."""
        self._greetings = {peer: greeting for peer, greeting in self._greetings.items() if peer in members}
        self._open &= members

    # ---- what is known ----

    def hears(self, peer: NodeId) -> bool:
        """Whether messages of this peer are listened to: it has introduced itself and was not refused."""
        greeting = self._greetings.get(peer)
        return greeting is not None and not greeting.refusal

    def hello(self, peer: NodeId) -> Hello | None:
        """The newest introduction of a peer that is listened to."""
        return self._greetings[peer].hello if self.hears(peer) else None

    def refusal(self, peer: NodeId) -> str:
        """Why a peer is not listened to; empty if it is, or has said nothing yet."""
        greeting = self._greetings.get(peer)
        return "" if greeting is None else greeting.refusal

    # ---- rules ----

    def _greet_again(self, peer: NodeId, hello: Hello, known: Greeting) -> list[Action]:
        """The same life on another channel: its ports may be new, a refusal stays."""
        self._greetings[peer] = replace(known, hello=hello)
        return [Warn(known.refusal)] if known.refusal else []

    def _refuse_version(self, peer: NodeId, hello: Hello, known: Greeting | None) -> list[Action]:
        newer = "this device" if hello.version > PROTOCOL_VERSION else "that device"
        text = (
            f"{hello.name} ({peer}) speaks version {hello.version} of the protocol and this device speaks "
            f"{PROTOCOL_VERSION}; update peerd on {newer}."
        )
        same_life = known is not None and known.hello.boot == hello.boot
        past_boots = () if known is None else known.past_boots if same_life else _past(known)
        self._greetings[peer] = Greeting(hello, past_boots, text)
        return [Warn(text)]

    def _refuse_clone(self, peer: NodeId, known: Greeting) -> list[Action]:
        """Both lives are refused: the newest is marked, and the older one is not the newest."""
        text = _clone_text(peer, known.hello)
        self._greetings[peer] = replace(known, refusal=text)
        return [Warn(text)]


def _clone_text(peer: NodeId, hello: Hello) -> str:
    return (
        f"Two devices use the identity of {hello.name} ({peer}): its state folder was copied, or its SD card cloned. "
        f"Neither is listened to. Erase the copy, pair it anew, and restart the other."
    )


def _past(known: Greeting) -> tuple[BootNonce, ...]:
    return (known.hello.boot, *known.past_boots)[:PAST_BOOTS_MAX]
