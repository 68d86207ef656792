"""Stories of the shelf on a real disk: what comes back, what goes, and what a disk may do to it."""

import hashlib
import resource
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from peerd.checkpoint_cache import FOLDER_NAME, NOTE_ENDING, CheckpointCache
from peerd_protocol.plan import CacheEntry, Call

KIB = 1024
PLENTY = 1 << 20
CALL = Call(
    model="model", prompt="apple on table", steps=11, seed=41, guidance=3.0, scheduler="ddim", width=128, height=128
)


def checkpoint(name: str, size: int = 4 * KIB) -> bytes:
    """Bytes as unlike as checkpoints are."""
    return hashlib.shake_256(name.encode()).digest(size)


def entry_of(data: bytes, step: int = 5, **changes: object) -> CacheEntry:
    entry = CacheEntry(digest=hashlib.sha256(data).hexdigest(), call=CALL, step=step, size=len(data))
    return msgspec.structs.replace(entry, **changes)


def fill(cache: CheckpointCache, *names: str, step: int = 5) -> list[CacheEntry]:
    entries = []
    for name in names:
        data = checkpoint(name)
        entries.append(entry_of(data, step))
        assert cache.keep(entries[-1], data)
    return entries


def files_of(cache_folder: Path) -> set[str]:
    return {path.name for path in cache_folder.iterdir()} if cache_folder.exists() else set()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / FOLDER_NAME


def test_what_is_kept_comes_back_bit_for_bit_and_counts_as_a_hit(folder: Path) -> None:
    cache = CheckpointCache(folder, PLENTY, clock=lambda: 1_000.0)
    (entry,) = fill(cache, "apple")
    assert cache.entries() == (entry,)
    assert cache.recall(entry.digest) == checkpoint("apple")
    assert cache.recall(entry.digest) == checkpoint("apple")
    (kept,) = cache.shelf()
    assert (kept.hits, kept.calls_saved, kept.kept_s) == (2, 10, 1_000.0)


def test_keeping_it_again_changes_nothing(folder: Path) -> None:
    cache = CheckpointCache(folder, PLENTY)
    (entry,) = fill(cache, "apple")
    assert not cache.keep(entry, checkpoint("apple"))
    assert len(cache.entries()) == 1


def test_files_are_for_their_owner_alone_and_named_by_their_digest(folder: Path) -> None:
    (entry,) = fill(CheckpointCache(folder, PLENTY), "apple")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert files_of(folder) == {entry.digest, entry.digest + NOTE_ENDING}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert (folder / entry.digest).read_bytes() == checkpoint("apple")


def test_a_restart_keeps_entries_hits_and_order(folder: Path) -> None:
    cache = CheckpointCache(folder, PLENTY)
    apple, lemon = fill(cache, "apple", "lemon")
    cache.recall(lemon.digest)
    again = CheckpointCache(folder, PLENTY)
    assert again.entries() == cache.entries() == (lemon, apple)
    assert again.shelf() == cache.shelf()
    assert again.used_bytes <= cache.used_bytes + 2 * 64
    assert again.recall(apple.digest) == checkpoint("apple")


def test_the_bytes_of_all_files_stay_under_the_bound_whatever_comes(folder: Path) -> None:
    bytes_max = 40 * KIB
    cache = CheckpointCache(folder, bytes_max)
    for number in range(40):
        data = checkpoint(str(number), size=(number * 997) % (9 * KIB) + 1)
        cache.keep(entry_of(data, step=number % 7 + 1), data)
        if number % 3 == 0 and cache.entries():
            cache.recall(cache.entries()[-1].digest)
        on_disk = sum(path.stat().st_size for path in folder.iterdir())
        assert on_disk <= cache.used_bytes <= bytes_max
    assert files_of(folder) == {
        name for entry in cache.entries() for name in (entry.digest, entry.digest + NOTE_ENDING)
    }
    assert len(cache.entries()) > 3


def test_what_saves_least_a_byte_makes_room_and_what_is_used_stays(folder: Path) -> None:
    cache = CheckpointCache(folder, 15 * KIB)
    used, unused, short = *fill(cache, "used", "unused"), *fill(cache, "short", step=2)
    cache.recall(used.digest)
    (new,) = fill(cache, "new")
    assert set(cache.entries()) == {used, unused, new}
    assert cache.recall(short.digest) is None
    fill(cache, "newer")
    assert {entry.digest for entry in cache.entries()} >= {used.digest}


def test_a_bound_of_zero_keeps_nothing_and_removes_what_was_there(folder: Path) -> None:
    fill(CheckpointCache(folder, PLENTY), "apple", "lemon")
    off = CheckpointCache(folder, 0)
    assert off.entries() == ()
    assert files_of(folder) == set()
    data = checkpoint("apple")
    assert not off.keep(entry_of(data), data)
    assert files_of(folder) == set()


def test_clearing_leaves_no_file_and_no_word(folder: Path) -> None:
    cache = CheckpointCache(folder, PLENTY)
    fill(cache, "apple", "lemon")
    assert cache.clear() == 2
    assert (cache.entries(), cache.used_bytes, files_of(folder)) == ((), 0, set())
    assert cache.clear() == 0
    fill(cache, "orange")
    assert len(cache.entries()) == 1


# ---- what must not be kept -------------------------------------------------------------------------------------


def test_a_request_that_shares_nothing_is_not_kept(folder: Path) -> None:
    cache = CheckpointCache(folder, PLENTY)
    data = checkpoint("secret")
    assert not cache.keep(entry_of(data, share="nothing"), data)
    assert files_of(folder) == set()


@pytest.mark.parametrize("wrong", [{"digest": "ab" * 32}, {"size": 7}, {"digest": "../../escape"}])
def test_bytes_that_are_not_what_their_entry_says_are_not_kept(folder: Path, wrong: dict[str, object]) -> None:
    cache = CheckpointCache(folder, PLENTY)
    data = checkpoint("apple")
    assert not cache.keep(entry_of(data, **wrong), data)
    assert cache.recall("../../escape") is None
    assert files_of(folder) == set()


# ---- what a disk may do ----------------------------------------------------------------------------------------


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def link(path: Path) -> None:
    beside = path.with_name("elsewhere")
    path.rename(beside)
    path.symlink_to(beside)


@pytest.mark.parametrize("harm", [damage, cut, lengthen, link, Path.unlink])
def test_a_checkpoint_that_is_harmed_is_never_given_out_and_dropped_at_its_first_use(folder: Path, harm) -> None:  # type: ignore[no-untyped-def]
    cache = CheckpointCache(folder, PLENTY)
    apple, lemon = fill(cache, "apple", "lemon")
    harm(folder / apple.digest)
    assert cache.recall(apple.digest) is None
    assert cache.entries() == (lemon,)
    assert not files_of(folder) & {apple.digest, apple.digest + NOTE_ENDING}
    assert cache.recall(lemon.digest) == checkpoint("lemon")


@pytest.mark.parametrize("harm", [damage, cut, lengthen, link, Path.unlink])
@pytest.mark.parametrize("ending", ["", NOTE_ENDING])
def test_after_a_restart_a_harmed_entry_is_gone_or_unusable_and_the_others_are_there(  # type: ignore[no-untyped-def]
    folder: Path, harm, ending: str
) -> None:
    apple, lemon = fill(CheckpointCache(folder, PLENTY), "apple", "lemon")
    harm(folder / (apple.digest + ending))
    again = CheckpointCache(folder, PLENTY)
    assert again.recall(apple.digest) is None
    assert again.entries() == (lemon,)
    assert files_of(folder) == {lemon.digest, lemon.digest + NOTE_ENDING}


def test_a_note_under_another_digest_is_dropped_with_its_bytes(folder: Path) -> None:
    (apple,) = fill(CheckpointCache(folder, PLENTY), "apple")
    for ending in ("", NOTE_ENDING):
        (folder / (apple.digest + ending)).rename(folder / ("cd" * 32 + ending))
    assert CheckpointCache(folder, PLENTY).entries() == ()
    assert files_of(folder) == set()


@pytest.mark.parametrize("left", ["", ".part", f"{NOTE_ENDING}.part"])
def test_a_crash_in_the_middle_of_keeping_leaves_nothing_after_the_next_start(folder: Path, left: str) -> None:
    """Whatever had been written by then: bytes without a note, or a half of either."""
    (apple,) = fill(CheckpointCache(folder, PLENTY), "apple")
    torn = hashlib.sha256(checkpoint("torn")).hexdigest()
    (folder / f"{torn}{left}").write_bytes(checkpoint("torn")[:100])
    assert CheckpointCache(folder, PLENTY).entries() == (apple,)
    assert files_of(folder) == {apple.digest, apple.digest + NOTE_ENDING}


def test_folders_in_it_are_left_alone(folder: Path) -> None:
    (folder / "mine").mkdir(parents=True)
    (folder / "mine" / "letter").write_text("dear")
    fill(CheckpointCache(folder, PLENTY), "apple")
    assert len(CheckpointCache(folder, PLENTY).entries()) == 1
    assert (folder / "mine" / "letter").read_text() == "dear"


@contextmanager
def full_disk() -> Iterator[None]:
    """The kernel refuses every write to a file, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_keeps_nothing_new_gives_what_is_there_and_can_be_cleared(folder: Path) -> None:
    cache = CheckpointCache(folder, PLENTY)
    (apple,) = fill(cache, "apple")
    data = checkpoint("lemon")
    with full_disk():
        assert not cache.keep(entry_of(data), data)
        assert cache.recall(apple.digest) == checkpoint("apple")
        assert cache.entries() == (apple,)
    assert files_of(folder) == {apple.digest, apple.digest + NOTE_ENDING}
    assert cache.shelf()[0].hits == 1
    assert CheckpointCache(folder, PLENTY).entries() == (apple,), "with the note of before"
    with full_disk():
        assert cache.clear() == 1
        assert files_of(folder) == set()
    assert cache.keep(entry_of(data), data), "and goes on when the disk does"


def test_a_folder_that_can_not_be_used_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / FOLDER_NAME).write_text("a file in its place")
    cache = CheckpointCache(tmp_path / FOLDER_NAME, PLENTY)
    data = checkpoint("apple")
    assert not cache.keep(entry_of(data), data)
    assert cache.entries() == ()
    assert cache.clear() == 0
    assert (tmp_path / FOLDER_NAME).read_text() == "a file in its place"


def test_threads_may_keep_and_recall_at_once(folder: Path) -> None:
    cache = CheckpointCache(folder, 60 * KIB)
    wrong: list[str] = []

    def work(name: str) -> None:
        for number in range(30):
            data = checkpoint(f"{name}{number % 7}")
            cache.keep(entry_of(data), data)
            for entry in cache.entries():
                found = cache.recall(entry.digest)
                if found is not None and hashlib.sha256(found).hexdigest() != entry.digest:
                    wrong.append(entry.digest)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert CheckpointCache(folder, 60 * KIB).entries() == cache.entries()
