"""Pictures and bars out of characters. Never here: what they show.

A half block shows two pixels in one cell, the upper as its colour and the lower as its background, so that pixels
come out nearly square.
"""

from functools import lru_cache

from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.text import Text

HALF_BLOCK = "▀"
PICTURES_KEPT_MAX = 64
"""A frame is drawn eight times a second, and most of its pictures are those of the frame before."""

SHARED, LOCAL, QUIET = "magenta", "cyan", "grey37"


def can_draw(console: Console) -> bool:
    """Whether pictures may be drawn here: a terminal with colours; else plain lines are written."""
    return console.is_terminal and console.color_system is not None and not console.no_color


@lru_cache(PICTURES_KEPT_MAX)
def picture(rgb: bytes, width: int, height: int, columns: int) -> Text:
    """RGB rows as half blocks, `columns` cells wide; enlarged in whole pixels, or averaged down."""
    from PIL import Image

    rows = max(2, round(columns * height / width / 2) * 2)
    image = Image.frombytes("RGB", (width, height), rgb)
    shrinks = columns <= width
    image = image.resize((columns, rows), Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC)
    pixels = image.tobytes()
    text = Text(no_wrap=True)
    for y in range(0, rows, 2):
        for x in range(columns):
            text.append(HALF_BLOCK, Style(color=_at(pixels, columns, x, y), bgcolor=_at(pixels, columns, x, y + 1)))
        if y + 2 < rows:
            text.append("\n")
    return text


@lru_cache(PICTURES_KEPT_MAX)
def picture_file(path: str, columns: int) -> Text:
    from PIL import Image

    with Image.open(path) as image:
        shown = image.convert("RGB")
    return picture(shown.tobytes(), shown.width, shown.height, columns)


def empty_picture(columns: int, word: str = "") -> Text:
    """What stands where a picture will be, so that nothing jumps when it comes."""
    rows = max(1, round(columns / 2))
    lines = ["·" * columns] * rows
    if word:
        lines[rows // 2] = f" {word} ".center(columns, "·")
    return Text("\n".join(lines), style=QUIET, no_wrap=True)


def step_bar(done: int, shared: int, total: int, columns: int) -> Text:
    """A bar of `columns` cells: the shared steps and the own ones in their colours, those to come in grey."""
    text = Text(no_wrap=True)
    for cell in range(columns if total else 0):
        step = cell * total // columns + 1
        colour = SHARED if step <= shared else LOCAL
        text.append("━", Style(color=colour if step <= done else QUIET, bold=step <= done))
    return text


def _at(pixels: bytes, columns: int, x: int, y: int) -> Color:
    start = 3 * (y * columns + x)
    return Color.from_rgb(pixels[start], pixels[start + 1], pixels[start + 2])
