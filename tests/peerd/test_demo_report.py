"""What a demo tells of its errands: groups, calls, and when nodes are in agreement. No daemon is needed for that."""

import io
from pathlib import Path

import msgspec
import pytest
from PIL import Image
from rich.console import Console

from peerd.api.desk import NodeView, Wish
from peerd.demo.cluster import agreed
from peerd.demo.errands import Errand
from peerd.demo.live import picture_columns
from peerd.demo.nodes import DemoFailed, NodeProcess
from peerd.demo.report import bands, calls_so_far, predicted, shared_with
from peerd.demo.script import Script, _file_names, perform
from peerd.demo.sheet import Pair, write_sheet
from peerd.demo.stage import PlainStage
from peerd.screen.tale import Tale
from peerd_protocol.ids import NodeId, RequestId
from peerd_protocol.notices import AnyNotice, Finished, HandedOff, LocalStep, PlanMade, SharedStep, WentAlone
from tests.peerd.api.scripted import ADA, BOB, FORECAST, ScriptedDesk

NAMES = {ADA: "ada", BOB: "bob"}


def errand(number: int, prompt: str, node: NodeId, with_: tuple[int, ...], shared: int) -> Errand:
    """One that is done, in a group with the requests of these numbers; BOB ran the shared steps."""
    tale = Tale(prompt, request=RequestId(f"r{number}"))
    plan = PlanMade(
        executor=BOB,
        runner=node,
        leads=node == BOB,
        shared_steps=shared,
        shared_with=tuple(RequestId(f"r{other}") for other in with_),
        seed=41,
        forecast=FORECAST,
        reason="",
    )
    heard: list[AnyNotice] = [plan]
    heard += [SharedStep(executor=BOB, step=s, total=11, preview=b"", preview_side=0) for s in range(1, shared + 1)]
    heard += [HandedOff(sender=BOB, size=1_000, step=shared)] if shared else []
    heard += [LocalStep(runner=node, step=s, total=11, preview=b"", preview_side=0) for s in range(shared + 1, 12)]
    heard.append(Finished(path="/p.png", pixels_sha256="", denoiser_calls=11 - shared, exact=True, seconds=1.0))
    for notice in heard:
        tale.hear(notice)
    return Errand(Wish(prompt=prompt), NodeProcess(NAMES[node], Path("/nowhere")), tale)


def test_two_alike_and_one_stranger() -> None:
    apple = errand(1, "apple", ADA, (2,), 5)
    lemon = errand(2, "lemon", BOB, (1,), 5)
    car = errand(3, "car", ADA, (), 0)
    told = bands([apple, car, lemon], NAMES)
    assert [(band.prompts, band.shared_steps, band.executor) for band in told] == [
        (("apple", "lemon"), 5, "bob"),
        (("car",), 0, None),
    ]
    assert calls_so_far([apple, car, lemon], NAMES) == {"ada": (0, 6 + 11), "bob": (5, 6)}
    assert shared_with(apple, [apple, car, lemon]) == ("lemon",)
    assert shared_with(car, [apple, car, lemon]) == ()
    assert predicted([apple, lemon]) == (FORECAST.seconds, FORECAST.seconds_alone)
    assert apple.tale.crossed is not None
    assert lemon.tale.crossed is None, "a checkpoint that stays on its device has not changed hands"


def test_who_went_alone_after_all_is_counted_alone() -> None:
    apple = errand(1, "apple", ADA, (2,), 5)
    lemon = errand(2, "lemon", BOB, (1,), 5)
    apple.tale.hear(WentAlone(reason="bob fell silent"))
    assert [band.shared_steps for band in bands([apple, lemon], NAMES)] == [0, 5]


def test_nodes_agree_once_all_see_each_other_and_one_leader() -> None:
    ada = ScriptedDesk().view()
    bob: NodeView = msgspec.structs.replace(ada, id=BOB, name="bob")
    both = agreed([ada, bob])
    assert both is not None and (both.leader_name, both.term) == ("bob", 3)
    assert agreed([ada, msgspec.structs.replace(bob, term=4)]) is None
    assert agreed([ada, msgspec.structs.replace(bob, leader=None)]) is None
    assert agreed([ada, msgspec.structs.replace(bob, members=())]) is None


@pytest.mark.parametrize(
    ("pictures", "width", "height", "columns"),
    [(4, 120, 40, 26), (4, 200, 60, 32), (4, 80, 24, 12), (6, 130, 45, 22), (1, 100, 100, 32), (16, 40, 20, 12)],
)
def test_pictures_are_as_wide_as_the_screen_allows(pictures: int, width: int, height: int, columns: int) -> None:
    assert picture_columns(pictures, width, height) == columns


def test_files_are_named_by_their_prompts() -> None:
    assert _file_names(["Apple on Table!", "apple, on table", "苹果"]) == [
        "apple-on-table",
        "apple-on-table-2",
        "picture",
    ]


def test_a_sheet_shows_every_prompt_alone_and_shared(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), (200, 30, 30)).save(tmp_path / "a.png")
    pairs = [Pair(f"prompt {n}", tmp_path / "a.png", tmp_path / "a.png", "ada", n == 0) for n in range(7)]
    write_sheet(pairs, "seven", tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        colours = sheet.convert("RGB").getcolors(1 << 24)
    assert colours is not None
    reds = sum(count for count, colour in colours if colour == (200, 30, 30))
    assert reds == 14 * 256 * 256


def test_a_daemon_that_cannot_start_is_one_sentence_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEERD_NETWORK_PORT", "many")
    stage = PlainStage(Console(file=io.StringIO()), None)
    with pytest.raises(DemoFailed, match="The daemon ada has ended; its last words: ") as told:
        perform(Script(nodes=1, out=tmp_path / "out"), stage)
    assert "\n" not in str(told.value)
    assert (tmp_path / "out" / "ada.log").exists()
