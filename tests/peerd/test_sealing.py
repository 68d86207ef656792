"""What lies on disk says nothing without its key: no words of a prompt, no latent, no bytes that were replaced."""

import hashlib
import sqlite3
from pathlib import Path

import pytest

from peerd.checkpoint_cache import CheckpointCache
from peerd.network import sealing_key
from peerd.network.secret_files import write_secret
from peerd.sealing import KEY_BYTES, OVERHEAD_BYTES, Seal, is_sealed
from peerd.store import FILE_NAME, Store
from peerd_protocol.actions import Predict, Remember
from peerd_protocol.errors import LocalError
from peerd_protocol.plan import CacheEntry, Call
from tests.protocol.samples import PLAN

PROMPT = "a violet plum for Winifred"
LATENT = hashlib.shake_256(b"latent").digest(4_096)
CALL = Call(model="m", prompt=PROMPT, steps=11, seed=41, guidance=3.0, scheduler="ddim", width=64, height=64)


def on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def assert_tells_nothing(folder: Path) -> None:
    data = on_disk(folder)
    assert data and b"Winifred" not in data and LATENT[:32] not in data and LATENT[-32:] not in data


def test_a_piece_is_opened_by_its_key_at_its_place_alone() -> None:
    seal, other = Seal(b"k" * KEY_BYTES), Seal(b"o" * KEY_BYTES)
    sealed = seal.close(LATENT, "progress/1")
    assert len(sealed) == len(LATENT) + OVERHEAD_BYTES and is_sealed(sealed)
    assert seal.open(sealed, "progress/1") == LATENT
    assert seal.open(sealed, "progress/2") is None and other.open(sealed, "progress/1") is None
    assert seal.open(sealed[:-1] + bytes([sealed[-1] ^ 1]), "progress/1") is None
    assert seal.open(LATENT, "progress/1") is None and seal.open(b"", "progress/1") is None
    assert seal.close(LATENT, "progress/1") != sealed


def test_the_memory_and_its_journal_hold_no_words_and_no_latent(tmp_path: Path) -> None:
    seal = Seal(b"k" * KEY_BYTES)
    store = Store(tmp_path, seal)
    store.write([Remember("request/1", PROMPT.encode()), Remember("progress/1", LATENT), Predict(PLAN)])
    assert_tells_nothing(tmp_path)
    assert store.recall() == {"request/1": PROMPT.encode(), "progress/1": LATENT}
    assert [plan.group for plan in store.promises()] == [PLAN.group]
    assert store.promise(PLAN.group) == PLAN.forecast
    store.close()
    assert_tells_nothing(tmp_path)
    again = Store(tmp_path, seal)
    assert again.recall()["progress/1"] == LATENT
    again.close()


def test_what_an_earlier_version_left_open_is_sealed_and_its_bytes_are_gone(tmp_path: Path) -> None:
    plain = Store(tmp_path)
    plain.write([Remember("request/1", PROMPT.encode()), Remember("progress/1", LATENT), Predict(PLAN)])
    plain.close()
    assert b"Winifred" in on_disk(tmp_path)
    store = Store(tmp_path, Seal(b"k" * KEY_BYTES))
    assert_tells_nothing(tmp_path)
    assert store.recall() == {"request/1": PROMPT.encode(), "progress/1": LATENT}
    assert store.promise(PLAN.group) == PLAN.forecast
    store.close()


def test_a_state_file_of_another_key_is_refused_in_one_sentence(tmp_path: Path) -> None:
    store = Store(tmp_path, Seal(b"k" * KEY_BYTES))
    store.write([Remember("request/1", PROMPT.encode()), Remember("request/2", b"x")])
    store.close()
    other = Store(tmp_path, Seal(b"o" * KEY_BYTES))
    with pytest.raises(LocalError, match="sealed with another key"):
        other.recall()
    other.close()
    with sqlite3.connect(tmp_path / FILE_NAME) as base:  # a piece that is put in another's place is no better
        base.execute("UPDATE memory SET value = (SELECT value FROM memory WHERE key = 'request/2')")
    base.close()
    store = Store(tmp_path, Seal(b"k" * KEY_BYTES))
    with pytest.raises(LocalError, match="sealed with another key"):
        store.recall()
    store.close()


def test_kept_checkpoints_and_their_notes_are_sealed_and_another_key_keeps_none(tmp_path: Path) -> None:
    seal, entry = Seal(b"k" * KEY_BYTES), CacheEntry(digest=_sha(LATENT), call=CALL, step=5, size=len(LATENT))
    cache = CheckpointCache(tmp_path, 1 << 20, seal=seal)
    assert cache.keep(entry, LATENT)
    assert_tells_nothing(tmp_path)
    used = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert used <= cache.used_bytes
    assert cache.recall(entry.digest) == LATENT
    again = CheckpointCache(tmp_path, 1 << 20, seal=seal)
    assert again.entries() == (entry,) and again.recall(entry.digest) == LATENT
    assert CheckpointCache(tmp_path, 1 << 20, seal=Seal(b"o" * KEY_BYTES)).entries() == ()
    assert not list(tmp_path.iterdir()), "what nobody can read is removed"


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    key = sealing_key.load_or_make(tmp_path)
    assert sealing_key.load_or_make(tmp_path) == key and len(key) == KEY_BYTES
    path = tmp_path / sealing_key.FILE_NAME
    path.chmod(0o640)
    with pytest.raises(LocalError, match="open to other users"):
        sealing_key.load_or_make(tmp_path)
    write_secret(path, "sealing", b"short")
    with pytest.raises(LocalError, match="is damaged"):
        sealing_key.load_or_make(tmp_path)


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
