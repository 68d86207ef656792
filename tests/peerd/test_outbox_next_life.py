"""What an earlier life left of requests that are over is forgotten at the start. Never here: how a request ends."""

from pathlib import Path

from peerd.models.registry import Registry
from peerd.outbox import PREFIX, Outbox
from peerd.store import Store
from peerd_protocol.actions import Forget, Remember
from peerd_protocol.ids import RequestId


def next_life(folder: Path) -> dict[str, bytes]:
    """A daemon's start, as far as the outbox has a part in it; returns what is on disk after it."""
    store = Store(folder)
    Outbox(store, Registry(folder), folder / "pictures").forget_ended(store.recall())
    store.close()
    return dict(Store(folder).recall())


def test_a_request_that_ended_just_before_the_power_cut_leaves_no_path_behind(tmp_path: Path) -> None:
    store = Store(tmp_path)
    outbox = Outbox(store, Registry(tmp_path), tmp_path / "pictures")
    outbox.expect(RequestId("ended"), "/home/ann/ended.png")
    store.write([Remember("request/ended", b"{}")])
    store.write([Forget("request/ended")])
    store.close()  # before it was told, which is when the outbox forgets
    assert next_life(tmp_path) == {}


def test_one_that_was_never_announced_leaves_none_either(tmp_path: Path) -> None:
    """Its path is written first, so that a full disk refuses it before anyone hears of it."""
    store = Store(tmp_path)
    Outbox(store, Registry(tmp_path), tmp_path / "pictures").expect(RequestId("unheard"), None)
    store.close()
    assert next_life(tmp_path) == {}


def test_open_requests_keep_theirs_and_nothing_else_is_touched(tmp_path: Path) -> None:
    kept = {PREFIX + "open": b"/ann/open.png", "request/open": b"{}", "request/unnamed": b"{}", "term/highest": b"7"}
    store = Store(tmp_path)
    store.write([*(Remember(key, value) for key, value in kept.items()), Remember(PREFIX + "ended", b"")])
    store.close()
    assert next_life(tmp_path) == kept
    assert next_life(tmp_path) == kept, "and so in every life"
