"""Who speaks, in which life: stories of introductions."""

from peerd_protocol.actions import Warn
from peerd_protocol.handshake import Handshakes
from peerd_protocol.ids import BootNonce, NodeId
from peerd_protocol.messages import PROTOCOL_VERSION, Hello

ME, ANN, BOB = NodeId("me"), NodeId("ann"), NodeId("bob")
MY_BOOT, FIRST, SECOND, THIRD = BootNonce("b0"), BootNonce("b1"), BootNonce("b2"), BootNonce("b3")


def hello(boot: BootNonce, port: int = 7, version: int = PROTOCOL_VERSION) -> Hello:
    return Hello(version=version, name="Ann's laptop", boot=boot, control_port=port, bulk_port=port + 1)


class Hall:
    """The handshakes of one node, and what it warned of."""

    def __init__(self) -> None:
        self.handshakes = Handshakes(ME, MY_BOOT)

    def meet(self, boot: BootNonce, peer: NodeId = ANN, port: int = 7, version: int = PROTOCOL_VERSION) -> list[str]:
        """A new channel and its hello."""
        self.handshakes.connected(peer)
        return self.say(boot, peer, port, version)

    def say(self, boot: BootNonce, peer: NodeId = ANN, port: int = 7, version: int = PROTOCOL_VERSION) -> list[str]:
        """A hello on a channel that nobody saw open."""
        actions = self.handshakes.received(peer, hello(boot, port, version))
        return [action.text for action in actions if isinstance(action, Warn)]

    def hears(self, peer: NodeId = ANN) -> bool:
        return self.handshakes.hears(peer)


def test_a_peer_is_heard_once_it_has_introduced_itself() -> None:
    hall = Hall()
    assert not hall.hears()
    assert hall.meet(FIRST) == []
    assert hall.hears()
    assert not hall.hears(BOB)


def test_a_channel_dialled_again_brings_new_ports_and_no_complaint() -> None:
    hall = Hall()
    hall.meet(FIRST, port=7)
    assert hall.meet(FIRST, port=9) == []
    known = hall.handshakes.hello(ANN)
    assert known is not None and known.control_port == 9


def test_a_new_nonce_is_a_restart() -> None:
    hall = Hall()
    hall.meet(FIRST)
    assert hall.meet(SECOND) == []
    known = hall.handshakes.hello(ANN)
    assert known is not None and known.boot == SECOND


def test_an_older_nonce_with_a_new_handshake_is_a_clone_and_both_are_refused() -> None:
    hall = Hall()
    hall.meet(FIRST)
    hall.meet(SECOND)
    (warning,) = hall.meet(FIRST)
    assert "Ann's laptop" in warning and "copied" in warning
    assert not hall.hears()
    assert hall.handshakes.hello(ANN) is None
    assert hall.meet(SECOND) == [warning], "the newer one is refused too, and each time loudly"
    assert hall.handshakes.refusal(ANN) == warning


def test_after_a_clone_a_fresh_start_is_heard_and_the_old_lives_are_not() -> None:
    hall = Hall()
    for boot in (FIRST, SECOND, FIRST):
        hall.meet(boot)
    assert hall.meet(THIRD) == []
    assert hall.hears()
    assert hall.meet(SECOND) != []
    assert not hall.hears()


def test_the_last_words_of_an_old_life_that_come_late_prove_nothing() -> None:
    hall = Hall()
    hall.meet(FIRST)
    hall.meet(SECOND)
    assert hall.say(FIRST) == []
    assert hall.hears()


def test_but_an_old_life_that_says_it_again_is_not_late() -> None:
    hall = Hall()
    hall.meet(FIRST)
    hall.meet(SECOND)
    hall.say(FIRST)
    assert hall.say(FIRST) != []
    assert not hall.hears()


def test_another_version_is_refused_with_who_must_update() -> None:
    hall = Hall()
    (warning,) = hall.meet(FIRST, version=PROTOCOL_VERSION + 1)
    assert "update peerd on this device" in warning
    (warning,) = hall.meet(FIRST, peer=BOB, version=PROTOCOL_VERSION - 1)
    assert "update peerd on that device" in warning
    assert not hall.hears() and not hall.hears(BOB)
    assert hall.meet(SECOND) == [], "updated, it starts anew"
    assert hall.hears()


def test_a_known_peer_may_be_downgraded_and_come_back() -> None:
    hall = Hall()
    hall.meet(FIRST)
    assert hall.meet(SECOND, version=PROTOCOL_VERSION + 1) != []
    assert hall.meet(SECOND, version=PROTOCOL_VERSION + 1) != []
    assert hall.meet(THIRD) == []
    assert hall.hears()


def test_another_device_with_our_own_identity_is_announced() -> None:
    hall = Hall()
    assert hall.meet(MY_BOOT, peer=ME) == [], "we dialled ourselves"
    (warning,) = hall.meet(FIRST, peer=ME)
    assert "identity" in warning
    assert not hall.hears(ME)


def test_who_is_off_the_roster_is_forgotten() -> None:
    hall = Hall()
    hall.meet(FIRST)
    hall.meet(FIRST, peer=BOB)
    hall.handshakes.removed_from_roster(frozenset({BOB}))
    assert not hall.hears(ANN)
    assert hall.hears(BOB)
