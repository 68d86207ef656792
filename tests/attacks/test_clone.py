"""A device's folder is copied, keys and all, and both run: whoever hears them refuses both, and says so."""

import asyncio
import shutil
from pathlib import Path

import pytest

from peerd.network import receiver
from peerd_protocol.actions import Warn
from peerd_protocol.handshake import Handshakes
from peerd_protocol.ids import BootNonce
from peerd_protocol.messages import Hello
from tests.peerd.network.station import Station, meet, word

LATE_S = 0.3


async def test_two_lives_of_one_key_are_both_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiver, "LATE_S", LATE_S)
    ada, bob = Station(tmp_path, "ada"), Station(tmp_path, "bob")
    ada.lets_in(bob)
    shutil.copytree(bob.folder, tmp_path / "copied" / "bob")
    clone = Station(tmp_path / "copied", "bob")
    clone.boots = 9
    assert clone.node == bob.node
    await asyncio.gather(ada.start(), bob.start(), clone.start())
    try:
        await meet(ada, bob)
        handshakes = Handshakes(ada.node, BootNonce("ada"))
        clone.dial(ada)  # it takes over: ada hears the newest life alone
        await ada.until(lambda: any(isinstance(m, Hello) and m.boot == "boot-9" for _, m in ada.heard))
        assert bob.transport.send(ada.node, word(1))  # what comes now may only be late
        await ada.drops("stale")
        assert _boots(ada) == ["boot-1", "boot-9"]
        await asyncio.sleep(LATE_S)
        assert bob.transport.send(ada.node, word(2))
        await ada.until(lambda: _boots(ada) == ["boot-1", "boot-9", "boot-1", "boot-1"])
        assert bob.transport.send(ada.node, word(3))
        await ada.drops("stale", 3)
        assert len(_boots(ada)) == 4, "it is told once"
        warnings = [
            action.text
            for sender, message in ada.heard
            if isinstance(message, Hello)
            for action in handshakes.received(sender, message)
            if isinstance(action, Warn)
        ]
        assert len(warnings) == 1 and "Two devices use the identity of bob" in warnings[0]
        assert not handshakes.hears(bob.node)
    finally:
        await asyncio.gather(*(station.transport.close() for station in (ada, bob, clone)))


def _boots(station: Station) -> list[str]:
    return [message.boot for _, message in station.heard if isinstance(message, Hello)]
