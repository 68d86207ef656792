"""The first words on a channel: who a peer is in this life of it, and where its bulk socket listens.

A peer draws a boot nonce at every start. A nonce we have not seen is a restart. An *older* nonce that completes a new
handshake after a newer one did cannot be: two devices speak with one key, an SD card was copied. We cannot tell which
is the owner's, so neither is heard any more, loudly, until one of them starts anew.

        connected -> open --hello--> greeted         the newest nonce again: a channel was re-dialled, all is well
                          --hello of another version, or of a clone--> refused, and a warning

Never here: whether a peer is a member (the transport's roster), or alive (`membership`).
"""

from dataclasses import dataclass

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


class Handshake:
    """Every peer's greeting, in this life of our own node."""

    def __init__(self, me: NodeId) -> None:
        self._me = me
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
        if hello.version != PROTOCOL_VERSION:
            return self._refuse_version(peer, hello, known)
        if known is None:
            self._greetings[peer] = Greeting(hello)
            return []
        if hello.boot == known.hello.boot:
            return self._greet_again(peer, hello, known)
        if hello.boot in known.past_boots:
            # Without a new channel these are old words that came late: they prove nothing.
            return self._refuse_clone(peer, hello, known) if was_open else []
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
        self._greetings[peer] = Greeting(hello, known.past_boots, known.refusal)
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

    def _refuse_clone(self, peer: NodeId, hello: Hello, known: Greeting) -> list[Action]:
        """Both lives are refused: the newest is marked, and the older one is not the newest."""
        text = (
            f"Two devices use the identity of {known.hello.name} ({peer}): its state folder was copied, or its SD "
            f"card cloned. Neither is listened to. Erase the copy, pair it anew, and restart the other."
        )
        self._greetings[peer] = Greeting(known.hello, known.past_boots, text)
        return [Warn(text)]


def _past(known: Greeting) -> tuple[BootNonce, ...]:
    return (known.hello.boot, *known.past_boots)[:PAST_BOOTS_MAX]
