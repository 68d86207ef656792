"""What people look at: half blocks, bars, and the tale that a request's notices tell."""

import io

import msgspec
from rich.console import Console

from peerd.screen import draw
from peerd.screen.tale import Tale, describe
from peerd_protocol.notices import Failed, Finished, PlanMade, Queued, SharedStep, WentAlone
from tests.peerd.api.scripted import ADA, BOB, story

NAMES = {ADA: "ada", BOB: "bob"}


def test_a_half_block_shows_one_pixel_above_another() -> None:
    red, blue = bytes([255, 0, 0]), bytes([0, 0, 255])
    text = draw.picture(red * 2 + blue * 2, 2, 2, 2)
    assert text.plain == "▀▀"
    style = text.spans[0].style
    assert not isinstance(style, str)
    assert style.color is not None and style.bgcolor is not None
    assert (style.color.triplet, style.bgcolor.triplet) == ((255, 0, 0), (0, 0, 255))


def test_a_picture_keeps_its_shape_at_any_width() -> None:
    for columns in (8, 12, 31, 40):
        lines = draw.picture(bytes(32 * 32 * 3), 32, 32, columns).plain.split("\n")
        assert {len(line) for line in lines} == {columns}
        assert abs(2 * len(lines) - columns) <= 1
        assert len(draw.empty_picture(columns, "ada").plain.split("\n")[0]) == columns


def test_a_bar_gives_every_step_its_share_and_its_colour() -> None:
    bar = draw.step_bar(done=3, shared=2, total=4, columns=8)
    colours = [str(span.style).split()[-1] for span in bar.spans]
    assert colours == [draw.SHARED] * 4 + [draw.LOCAL] * 2 + [draw.QUIET] * 2
    assert draw.step_bar(0, 0, 0, 8).plain == ""


def test_only_a_terminal_with_colours_gets_pictures() -> None:
    assert not draw.can_draw(Console(file=io.StringIO()))
    assert draw.can_draw(Console(file=io.StringIO(), force_terminal=True, color_system="truecolor"))
    assert not draw.can_draw(Console(file=io.StringIO(), force_terminal=True, color_system="truecolor", no_color=True))


def test_a_tale_goes_from_shared_steps_over_a_handoff_to_its_picture() -> None:
    tale = Tale("apple on table")
    seen = []
    for notice in story(2, 4):
        tale.hear(notice)
        seen.append((tale.step, tale.in_shared_part))
    assert seen == [(0, False), (0, False), (1, True), (2, True), (2, True), (3, False), (4, False), (4, False)]
    assert (tale.shared_steps, tale.total) == (2, 4)
    assert tale.finished is not None
    assert tale.crossed is not None and tale.crossed.size == 70_000


def test_who_goes_on_alone_has_nothing_shared_any_more() -> None:
    tale = Tale("apple on table")
    for notice in story(2, 4)[:4]:
        tale.hear(notice)
    tale.hear(WentAlone(reason="bob fell silent"))
    assert (tale.shared_steps, tale.step, tale.alone_reason) == (0, 0, "bob fell silent")


def test_every_notice_can_be_said_in_one_line() -> None:
    others = [WentAlone(reason="as asked"), Failed(reason="cancelled"), Queued(leader=None)]
    for notice in [*story(), *others]:
        line = describe(notice, NAMES)
        assert line and "\n" not in line
        assert "ADA-ID" not in line and "BOB-ID" not in line
    assert isinstance(story()[-1], Finished) and isinstance(story()[1], PlanMade) and isinstance(story()[2], SharedStep)


def test_a_kept_beginning_is_not_told_as_if_somebody_ran_it_now() -> None:
    plan = story(2, 4)[1]
    assert isinstance(plan, PlanMade)
    late = msgspec.structs.replace(
        plan, shared_with=(), reason="an earlier beginning fits; saves 2 of 4 denoiser calls"
    )
    line = describe(late, NAMES)
    assert "the first 2 steps come from bob, ada runs the rest (an earlier beginning fits" in line
    assert "runs 2 steps" not in line
