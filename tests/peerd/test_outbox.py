"""A request has one picture on disk, wherever the power goes out; and it is there when its record is."""

import os
from pathlib import Path

import msgspec
import pytest

from peerd import pictures
from peerd.models.registry import Registry
from peerd.outbox import Outbox
from peerd.store import Result, Store
from peerd_protocol.actions import Deliver
from peerd_protocol.ids import RequestId
from tests.protocol.samples import REQUESTED

PICTURE = pictures.pack(pictures.Picture(width=2, height=2, rgb=bytes(12), seed=1, denoiser_calls=6, exact=True))
REQUEST = msgspec.structs.replace(REQUESTED, id=RequestId("1a218e92c617c9df1de11"))
DELIVER = Deliver(REQUEST, PICTURE, None, seconds=4.0, planned_s=0.5)


class PowerCut(BaseException):
    """Nothing after it happens."""


class StoreOfACut(Store):
    """The power goes out before the first record."""

    def commit(self, result: Result) -> Result:
        raise PowerCut


def outbox_of(folder: Path, store: Store) -> Outbox:
    return Outbox(store, Registry(folder), folder / "pictures")


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_power_cut_between_the_picture_and_its_record_leaves_one_picture(tmp_path: Path) -> None:
    cut = StoreOfACut(tmp_path)
    with pytest.raises(PowerCut):
        outbox_of(tmp_path, cut).deliver(DELIVER)
    cut.close()
    (name,) = names_in(tmp_path / "pictures")

    store = Store(tmp_path)
    delivered = outbox_of(tmp_path, store).deliver(DELIVER)
    store.close()
    assert delivered.path == str(tmp_path / "pictures" / name)
    assert names_in(tmp_path / "pictures") == [name]


@pytest.mark.parametrize("theirs", ["another request", "a damaged file", "a folder"])
def test_a_name_that_is_taken_by_anything_else_is_left_alone(tmp_path: Path, theirs: str) -> None:
    store = Store(tmp_path)
    outbox = outbox_of(tmp_path, store)
    other = msgspec.structs.replace(REQUEST, id=RequestId("0" * 15 + REQUEST.id[-6:]))
    first = Path(outbox.deliver(Deliver(other, PICTURE, None, seconds=4.0, planned_s=0.5)).path)
    if theirs == "a damaged file":
        first.write_bytes(first.read_bytes()[:20])
    elif theirs == "a folder":
        first.unlink()
        first.mkdir()
    before = first.read_bytes() if first.is_file() else b""
    delivered = outbox.deliver(DELIVER)
    store.close()
    assert delivered.path == str(first.with_stem(f"{first.stem}-2"))
    assert (first.read_bytes() if first.is_file() else b"") == before


def test_a_picture_is_durable_under_its_name_before_its_record_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    sync = os.fsync

    def witness(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", witness)
    cut = StoreOfACut(tmp_path)
    with pytest.raises(PowerCut):
        outbox_of(tmp_path, cut).deliver(DELIVER)
    cut.close()
    assert [path.suffix for path in synced] == [".part", ""], "the file, then the folder with its name"
    assert synced[-1] == tmp_path / "pictures"
