"""Pictures that travel and are written: the same pixels, their settings, and never over another file."""

import json
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from peerd.pictures import (
    MAGIC,
    Picture,
    Provenance,
    pack,
    parameters,
    pixels_sha256,
    sweep,
    unpack,
    with_seed,
    write_png,
)
from peerd_protocol.errors import FrameError, LocalError
from peerd_protocol.plan import Call

CALL = Call(
    model="abcdef0123456789", prompt="apple on table", steps=11, seed=41, guidance=7.5, scheduler="euler_a", width=4,
    height=2,
)  # fmt: skip
PICTURE = Picture(
    width=4, height=2, rgb=bytes(range(24)), seed=41, denoiser_calls=6, exact=True, shared_steps=5,
    checkpoint_digest="cd" * 32,
)  # fmt: skip
PROVENANCE = Provenance(
    request="r1", origin="AAAA", executor="BBBB", shared_steps=5, shared_with=3, checkpoint_digest="cd" * 32
)


def write(path: Path, *, overwrite: bool = False, call: Call = CALL) -> Path:
    return write_png(path, PICTURE, call, PROVENANCE, model="embedded", overwrite=overwrite)


@given(st.integers(1, 9), st.integers(1, 9), st.randoms(use_true_random=False), st.booleans())
def test_a_picture_travels_whole(width: int, height: int, chance: object, exact: bool) -> None:
    rows = chance.randbytes(width * height * 3)  # type: ignore[attr-defined]
    picture = Picture(width=width, height=height, rgb=rows, seed=3, denoiser_calls=7, exact=exact)
    assert unpack(pack(picture)) == picture


def test_an_even_picture_travels_small() -> None:
    sky = Picture(width=512, height=512, rgb=b"\x80\xa0\xff" * 512 * 512, seed=0, denoiser_calls=1, exact=True)
    assert len(pack(sky)) < 5_000
    assert unpack(pack(sky)) == sky


@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda tail: MAGIC + tail))
def test_rubbish_is_no_picture(data: bytes) -> None:
    with pytest.raises(FrameError):
        unpack(data)


def test_a_picture_that_lies_about_its_size_is_refused_before_memory_is_taken() -> None:
    def forge(width: int, height: int, rows: bytes) -> bytes:
        told = msgspec.structs.replace(PICTURE, width=width, height=height, rgb=b"")
        header = msgspec.json.encode({"picture": told, "deflated": True})
        return MAGIC + struct.pack("<H", len(header)) + header + rows

    bomb = zlib.compress(b"\0" * 50_000_000)
    for data in (forge(4, 2, bomb), forge(100_000, 100_000, bomb), forge(-4, 2, bomb), forge(4, 2, b"torn")):
        with pytest.raises(FrameError):
            unpack(data)
    with pytest.raises(FrameError):
        unpack(pack(PICTURE)[:-3])


def test_a_file_tells_how_it_was_made(tmp_path: Path) -> None:
    path = write(tmp_path / "new" / "apple.png")
    with Image.open(path) as image:
        image.load()
        assert pixels_sha256(image.convert("RGB").tobytes()) == pixels_sha256(PICTURE.rgb)
        told = json.loads(image.info["peerd"])
        assert image.info["parameters"] == (
            "apple on table\nSteps: 11, Sampler: Euler a, CFG scale: 7.5, Seed: 41, Size: 4x2, "
            "Model hash: abcdef0123, Model: embedded"
        )
    assert (told["request"], told["executor"], told["shared_steps"], told["shared_with"]) == ("r1", "BBBB", 5, 3)
    assert (told["checkpoint_digest"], told["result"]) == ("cd" * 32, "exact")
    assert told["pixels_sha256"] == pixels_sha256(PICTURE.rgb)


def test_negative_prompts_and_other_alphabets_are_written_too(tmp_path: Path) -> None:
    call = msgspec.structs.replace(CALL, prompt="яблоко на столе 🍎", negative="blurry")
    with Image.open(write(tmp_path / "a.png", call=call)) as image:
        assert image.info["parameters"].startswith("яблоко на столе 🍎\nNegative prompt: blurry\nSteps: 11, ")
    assert "Seed: 9" in parameters(with_seed(call, 9), "embedded")


def test_no_file_is_written_over_unless_its_owner_named_it(tmp_path: Path) -> None:
    path = tmp_path / "apple.png"
    path.write_text("mine")
    assert write(path) == tmp_path / "apple-2.png"
    assert write(path) == tmp_path / "apple-3.png"
    assert path.read_text() == "mine"
    assert write(path, overwrite=True) == path
    with Image.open(path) as image:
        assert image.size == (4, 2)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["apple-2.png", "apple-3.png", "apple.png"]


def test_a_full_disk_is_one_sentence_and_leaves_no_torn_file(tmp_path: Path) -> None:
    path = tmp_path / "apple.png"
    path.write_text("mine")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(LocalError, match="free some space"):
            write(path, overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [file.name for file in tmp_path.iterdir()] == ["apple.png"]
    assert path.read_text() == "mine"


def test_a_folder_that_is_a_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalError, match="can not be written"):
        write(tmp_path / "file" / "apple.png")


@pytest.mark.parametrize("kind", ["a pipe", "a socket", "a link to a device"])
def test_what_is_no_ordinary_file_is_not_replaced(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "apple.png"
    with socket.socket(socket.AF_UNIX) as listener:
        if kind == "a pipe":
            os.mkfifo(path)
        elif kind == "a socket":
            listener.bind(str(path))
        else:
            path.symlink_to("/dev/null")
        before = path.lstat()
        with pytest.raises(LocalError, match="no ordinary file") as told:
            write(path, overwrite=True)
        assert "\n" not in str(told.value)
        assert (path.lstat().st_mode, path.lstat().st_ino) == (before.st_mode, before.st_ino)
    assert [file.name for file in tmp_path.iterdir()] == ["apple.png"]


def test_a_link_to_a_file_or_to_nothing_gives_way_to_the_picture_as_before(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")
    for name, target in (("one.png", "there"), ("two.png", "nowhere")):
        (tmp_path / name).symlink_to(target)
        assert not write(tmp_path / name, overwrite=True).is_symlink()
    assert (tmp_path / "there").read_text() == "mine"


def test_what_a_kill_left_half_written_is_swept_away_and_nothing_else_is(tmp_path: Path) -> None:
    story = (
        "import os, pathlib, signal, sys; from peerd import pictures;"
        "os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL);"
        "pictures.write_file(pathlib.Path(sys.argv[1]), b'half', overwrite=False)"
    )
    ended = subprocess.run([sys.executable, "-c", story, str(tmp_path / "apple.png")], check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 1
    theirs = ["film.part", ".hidden.part", ".notes.12.part", "apple.png"]
    for name in theirs:
        (tmp_path / name).write_text("mine")
    sweep(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(theirs)
    sweep(tmp_path / "not there yet")
