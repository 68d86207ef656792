"""The contact sheet: each prompt alone above the same prompt shared, on one picture.

Never here: making those pictures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TILE_PIXELS = 256
GAP_PIXELS = 16
MARGIN_PIXELS = 24
LABEL_PIXELS = 34
SIDE_LABEL_PIXELS = 104
COLUMNS_MAX = 6

_PAPER, _INK, _QUIET, _SHARED = (250, 250, 248), (32, 33, 36), (120, 124, 130), (150, 40, 140)


@dataclass(frozen=True, slots=True)
class Pair:
    """One prompt's two pictures. `same` says that their pixels are equal."""

    prompt: str
    alone: Path
    shared: Path
    made_by: str
    same: bool


def write_sheet(pairs: Sequence[Pair], title: str, path: Path) -> None:
    from PIL import Image, ImageDraw, ImageFont

    large, small = ImageFont.load_default(22), ImageFont.load_default(15)
    columns = min(len(pairs), COLUMNS_MAX)
    bands = -(-len(pairs) // columns)
    step = TILE_PIXELS + GAP_PIXELS
    band_height = LABEL_PIXELS + 2 * step + LABEL_PIXELS
    width = 2 * MARGIN_PIXELS + SIDE_LABEL_PIXELS + columns * step - GAP_PIXELS
    sheet = Image.new("RGB", (width, 2 * MARGIN_PIXELS + LABEL_PIXELS + bands * band_height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN_PIXELS, MARGIN_PIXELS), title, _INK, font=small)
    for index, pair in enumerate(pairs):
        left = MARGIN_PIXELS + SIDE_LABEL_PIXELS + (index % columns) * step
        top = MARGIN_PIXELS + LABEL_PIXELS + (index // columns) * band_height
        draw.text((left + TILE_PIXELS / 2, top + 4), pair.prompt, _INK, font=large, anchor="ma")
        if index % columns == 0:
            for row, (word, colour) in enumerate((("alone", _QUIET), ("shared", _SHARED))):
                middle = top + LABEL_PIXELS + row * step + TILE_PIXELS / 2
                draw.text((MARGIN_PIXELS, middle), word, colour, font=large, anchor="lm")
        for row, file in enumerate((pair.alone, pair.shared)):
            with Image.open(file) as opened:
                fitted = opened.convert("RGB").resize((TILE_PIXELS, TILE_PIXELS), Image.Resampling.LANCZOS)
            sheet.paste(fitted, (left, top + LABEL_PIXELS + row * step))
        note = f"by {pair.made_by}" + (", the same bits as alone" if pair.same else "")
        foot = top + LABEL_PIXELS + 2 * step - GAP_PIXELS + 6
        draw.text((left + TILE_PIXELS / 2, foot), note, _QUIET, font=small, anchor="ma")
    sheet.save(path)
