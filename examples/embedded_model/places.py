"""The twelve places as procedural paintings: each function fills a canvas and says where things may stand.

Here live only backgrounds (Pillow primitives at twice the final size). Things and shadows are put in by render.py.
A painter takes a random source, so that no two pictures of a place are alike, and returns the canvas with the
lowest and highest line on which a thing's foot may rest.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

SIZE = 256
Colour = tuple[int, int, int]
Painting = tuple[Image.Image, tuple[int, int]]


def near(rng: random.Random, colour: Colour, spread: int = 14) -> Colour:
    """`colour`, a little moved: all channels together and each by itself."""
    both = rng.uniform(-spread, spread)
    red, green, blue = (max(0, min(255, round(c + both + rng.uniform(-spread, spread) / 2))) for c in colour)
    return red, green, blue


def darker(colour: Colour, share: float) -> Colour:
    """`colour` with `share` of its light taken away."""
    red, green, blue = (round(c * (1 - share)) for c in colour)
    return red, green, blue


def gradient(top: Colour, bottom: Colour) -> Image.Image:
    """A canvas that passes from `top` to `bottom`."""
    ramp = np.linspace(np.asarray(top, np.float32), np.asarray(bottom, np.float32), SIZE)
    return Image.fromarray(np.repeat(ramp[:, None, :], SIZE, axis=1).round().astype(np.uint8))


def table(rng: random.Random) -> Painting:
    """A wooden top with a front edge and two legs before a warm wall."""
    wall = near(rng, rng.choice(((245, 226, 196), (238, 214, 200), (240, 232, 205))), 8)
    image = gradient(wall, darker(wall, 0.12))
    draw = ImageDraw.Draw(image)
    wood, top, edge = near(rng, (168, 104, 54)), rng.randint(150, 166), rng.randint(208, 218)
    draw.rectangle((0, edge - 6, SIZE, SIZE), fill=near(rng, (196, 168, 142), 8))
    inset = rng.randint(18, 34)
    draw.polygon(((inset, top), (SIZE - inset, top), (SIZE, edge), (0, edge)), fill=wood)
    for _ in range(3):
        y = rng.randint(top + 8, edge - 6)
        draw.line((0, y, SIZE, y), fill=darker(wood, 0.08), width=2)
    draw.rectangle((0, edge, SIZE, edge + 14), fill=darker(wood, 0.28))
    for x in (22, SIZE - 22):
        draw.rectangle((x - 9, edge + 14, x + 9, SIZE), fill=darker(wood, 0.4))
    return image, (top + 24, edge - 6)


def desk(rng: random.Random) -> Painting:
    """A pale desk with drawers, below a shelf of books on a cool wall."""
    wall = near(rng, (150, 178, 190), 10)
    image = gradient(wall, darker(wall, 0.1))
    draw = ImageDraw.Draw(image)
    shelf = rng.randint(44, 58)
    x = rng.randint(6, 26)
    while x < SIZE - 16:
        width, height = rng.randint(9, 18), rng.randint(26, 40)
        if rng.random() < 0.85:
            spine = rng.choice(((178, 60, 54), (60, 96, 160), (70, 140, 80), (222, 180, 70), (120, 70, 130)))
            draw.rectangle((x, shelf - height, x + width - 2, shelf), fill=near(rng, spine))
        x += width
    draw.rectangle((0, shelf, SIZE, shelf + 8), fill=(104, 78, 60))
    wood, top, edge = near(rng, (222, 204, 172), 10), rng.randint(154, 168), rng.randint(206, 216)
    draw.rectangle((0, top, SIZE, edge), fill=wood)
    draw.rectangle((0, edge, SIZE, edge + 7), fill=darker(wood, 0.2))
    draw.rectangle((0, edge + 7, SIZE, SIZE), fill=darker(wood, 0.42))
    for left in (10, 136):
        draw.rectangle((left, edge + 13, left + 110, SIZE), fill=darker(wood, 0.3))
        draw.rectangle((left + 44, edge + 22, left + 66, edge + 27), fill=(70, 66, 64))
    return image, (top + 20, edge - 4)


def bed(rng: random.Random) -> Painting:
    """Headboard, two pillows and a coloured blanket in a lilac room."""
    wall = near(rng, (206, 192, 222), 8)
    image = gradient(wall, darker(wall, 0.08))
    draw = ImageDraw.Draw(image)
    head, cover = rng.randint(58, 76), rng.randint(146, 160)
    wood = near(rng, (112, 74, 56))
    draw.rounded_rectangle((10, head, SIZE - 10, cover + 20), 22, fill=wood)
    draw.rectangle((16, cover - 34, SIZE - 16, cover + 20), fill=(236, 234, 238))
    for left in (26, 134):
        draw.rounded_rectangle((left, cover - 50, left + 96, cover), 20, fill=near(rng, (250, 250, 252), 5))
        draw.arc((left + 4, cover - 46, left + 92, cover - 4), 20, 160, fill=(210, 208, 220), width=3)
    blanket = near(rng, rng.choice(((92, 128, 200), (92, 128, 200), (204, 112, 140))))
    draw.rounded_rectangle((4, cover, SIZE - 4, SIZE + 30), 18, fill=blanket)
    draw.rounded_rectangle((4, cover, SIZE - 4, cover + 20), 10, fill=near(rng, (240, 240, 246), 6))
    for x in range(rng.randint(20, 40), SIZE, 52):
        draw.line((x, cover + 22, x, SIZE), fill=darker(blanket, 0.1), width=5)
    return image, (cover + 40, cover + 76)


def sofa(rng: random.Random) -> Painting:
    """A wide couch with arms and cushions, a picture on the wall and a carpet before it."""
    wall = near(rng, (226, 222, 190), 8)
    image = gradient(wall, darker(wall, 0.1))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 214, SIZE, SIZE), fill=near(rng, (156, 120, 96), 8))
    cloth = near(rng, rng.choice(((40, 134, 130), (40, 134, 130), (196, 82, 62))))
    back, seat = rng.randint(92, 108), rng.randint(162, 172)
    draw.rounded_rectangle((22, back, SIZE - 22, 220), 22, fill=darker(cloth, 0.1))
    draw.line((128, back + 10, 128, seat), fill=darker(cloth, 0.3), width=3)
    draw.rounded_rectangle((24, seat, SIZE - 24, 218), 12, fill=cloth)
    draw.line((128, seat + 8, 128, 214), fill=darker(cloth, 0.3), width=3)
    draw.rectangle((24, 208, SIZE - 24, 226), fill=darker(cloth, 0.3))
    for left in (2, SIZE - 40):
        draw.rounded_rectangle((left, seat - 30, left + 38, 230), 16, fill=darker(cloth, 0.2))
        draw.rectangle((left + 10, 230, left + 22, 242), fill=(70, 50, 40))
    frame = rng.randint(84, 116)
    draw.rectangle((frame, 14, frame + 62, 58), fill=(120, 90, 60))
    draw.rectangle((frame + 6, 20, frame + 56, 52), fill=near(rng, (190, 214, 226)))
    return image, (seat + 16, 208)


def book(rng: random.Random) -> Painting:
    """One thick book lying flat: its cover is the ground, its pages show in front."""
    wall = near(rng, (232, 236, 240), 8)
    image = gradient(wall, darker(wall, 0.14))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 186, SIZE, SIZE), fill=near(rng, (206, 200, 196), 8))
    cover = near(rng, rng.choice(((44, 84, 168), (44, 84, 168), (172, 48, 52))))
    top, edge, thick = rng.randint(148, 160), rng.randint(194, 202), rng.randint(26, 32)
    inset = rng.randint(22, 34)
    draw.polygon(
        ((8, edge + thick), (248, edge + thick), (248, edge + thick + 9), (8, edge + thick + 9)),
        fill=darker(cover, 0.35),
    )
    draw.rectangle((14, edge + 5, 242, edge + thick), fill=(250, 246, 232))
    for y in range(edge + 10, edge + thick, 5):
        draw.line((14, y, 242, y), fill=(206, 198, 178), width=2)
    draw.polygon(((inset, top), (SIZE - inset, top), (250, edge), (6, edge)), fill=cover)
    draw.rectangle((6, edge, 250, edge + 7), fill=darker(cover, 0.3))
    draw.rectangle((2, edge, 14, edge + thick + 9), fill=darker(cover, 0.45))
    draw.line((inset + 16, top + 2, 24, edge - 2), fill=(232, 200, 110), width=4)
    return image, (top + 20, edge - 4)


def clouds(rng: random.Random, draw: ImageDraw.ImageDraw, count: int, below: int) -> None:
    """White clouds of three puffs in the upper sky."""
    for _ in range(count):
        x, y, size = rng.randint(-10, SIZE - 40), rng.randint(4, below), rng.randint(16, 30)
        for step in range(3):
            lift = 6 if step == 1 else 0
            draw.ellipse(
                (x + step * size * 0.7, y - lift, x + step * size * 0.7 + size, y + size * 0.7), fill=(250, 252, 255)
            )


def grass(rng: random.Random) -> Painting:
    """A green meadow with blades and small flowers under a blue sky."""
    image = gradient(near(rng, (104, 178, 240), 10), (206, 232, 250))
    draw = ImageDraw.Draw(image)
    clouds(rng, draw, rng.randint(1, 3), 50)
    line, green = rng.randint(126, 148), near(rng, (104, 180, 66))
    hill = rng.randint(-40, 160)
    draw.ellipse((hill - 120, line - 22, hill + 200, line + 90), fill=darker(green, 0.1))
    draw.rectangle((0, line, SIZE, SIZE), fill=green)
    for _ in range(70):
        x, y = rng.randint(0, SIZE), rng.randint(line + 4, SIZE)
        draw.line(
            (x, y, x + rng.randint(-4, 4), y - rng.randint(7, 13)), fill=darker(green, rng.uniform(0.1, 0.3)), width=3
        )
    for _ in range(rng.randint(3, 8)):
        x, y = rng.randint(0, SIZE), rng.randint(line + 10, SIZE)
        draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=rng.choice(((255, 255, 255), (255, 224, 90), (250, 150, 190))))
    return image, (line + 44, 232)


def beach(rng: random.Random) -> Painting:
    """Sand before a blue sea, a sun in the sky."""
    image = gradient(near(rng, (120, 200, 244), 10), (214, 240, 250))
    draw = ImageDraw.Draw(image)
    sun, size = rng.choice((rng.randint(16, 70), rng.randint(180, 236))), rng.randint(15, 21)
    draw.ellipse((sun - size, 38 - size, sun + size, 38 + size), fill=(255, 226, 96))
    sea, shore = rng.randint(92, 106), rng.randint(138, 154)
    water = near(rng, (32, 126, 196))
    draw.rectangle((0, sea, SIZE, SIZE), fill=water)
    for _ in range(8):
        x, y = rng.randint(-10, SIZE), rng.randint(sea + 6, shore - 8)
        draw.line((x, y, x + rng.randint(14, 40), y), fill=(120, 190, 230), width=3)
    slope = rng.randint(-8, 8)
    draw.polygon(((0, shore - 5 + slope), (SIZE, shore - 5 - slope), (SIZE, SIZE), (0, SIZE)), fill=(240, 248, 250))
    sand = near(rng, (240, 210, 142), 10)
    draw.polygon(((0, shore + 3 + slope), (SIZE, shore + 3 - slope), (SIZE, SIZE), (0, SIZE)), fill=sand)
    for _ in range(40):
        x, y = rng.randint(0, SIZE), rng.randint(shore + 12, SIZE)
        draw.ellipse((x - 2, y - 1, x + 2, y + 1), fill=darker(sand, 0.14))
    return image, (shore + 36, 232)


def snow(rng: random.Random) -> Painting:
    """White ground with blue shadows, bare hills, falling flakes on a grey sky."""
    image = gradient(near(rng, (138, 152, 178), 10), (204, 212, 226))
    draw = ImageDraw.Draw(image)
    line = rng.randint(132, 150)
    for _ in range(2):
        x, height = rng.randint(-30, SIZE), rng.randint(40, 66)
        draw.polygon(((x - 90, line + 6), (x, line - height), (x + 90, line + 6)), fill=near(rng, (172, 184, 206), 8))
        draw.polygon(
            ((x - 26, line - height * 0.68), (x, line - height), (x + 26, line - height * 0.68)), fill=(244, 248, 252)
        )
    draw.rectangle((0, line, SIZE, SIZE), fill=near(rng, (238, 244, 252), 4))
    for _ in range(4):
        x, y = rng.randint(-40, SIZE), rng.randint(line + 16, SIZE - 8)
        draw.arc((x, y, x + rng.randint(60, 120), y + 26), 190, 340, fill=(206, 220, 240), width=4)
    for _ in range(45):
        x, y, size = rng.randint(0, SIZE), rng.randint(0, line + 30), rng.randint(2, 4)
        draw.ellipse((x - size, y - size, x + size, y + size), fill=(255, 255, 255))
    return image, (line + 40, 232)


def road(rng: random.Random) -> Painting:
    """Asphalt with white stripes that runs towards a grey town."""
    image = gradient(near(rng, (176, 200, 222), 10), (228, 232, 234))
    draw = ImageDraw.Draw(image)
    line = rng.randint(122, 138)
    x = rng.randint(-20, 0)
    while x < SIZE:
        width, height = rng.randint(26, 46), rng.randint(26, 78)
        wall = near(rng, (140, 138, 150))
        draw.rectangle((x, line - height, x + width, line + 4), fill=wall)
        for y in range(line - height + 8, line - 6, 14):
            for window in range(x + 6, x + width - 6, 12):
                draw.rectangle((window, y, window + 5, y + 6), fill=(236, 222, 160))
        x += width + rng.randint(0, 6)
    draw.rectangle((0, line, SIZE, SIZE), fill=near(rng, (122, 158, 96), 10))
    vanish, asphalt = rng.randint(112, 144), near(rng, (84, 86, 92), 8)
    draw.polygon(((vanish - 50, line), (vanish + 50, line), (SIZE + 40, SIZE), (-40, SIZE)), fill=asphalt)
    for start, end in ((0.04, 0.2), (0.34, 0.56), (0.76, 1.0)):
        top, low = line + (SIZE - line) * start, line + (SIZE - line) * end
        middle_top, middle_low = vanish + (128 - vanish) * start, vanish + (128 - vanish) * end
        draw.polygon(((middle_top - 2 - 6 * start, top), (middle_top + 2 + 6 * start, top),
                      (middle_low + 2 + 6 * end, low), (middle_low - 2 - 6 * end, low)),
                     fill=(244, 244, 240))  # fmt: skip
    for side in (-1, 1):
        draw.line((vanish + side * 46, line, 128 + side * 158, SIZE), fill=(236, 206, 90), width=5)
    return image, (line + 50, 232)


def river(rng: random.Random) -> Painting:
    """A blue river that winds from the hills past a green bank."""
    image = gradient(near(rng, (150, 204, 240), 10), (226, 240, 246))
    draw = ImageDraw.Draw(image)
    line, green = rng.randint(96, 112), near(rng, (120, 170, 84))
    for _ in range(3):
        x, height = rng.randint(-20, SIZE + 20), rng.randint(44, 72)
        draw.polygon(((x - 80, line + 8), (x, line - height), (x + 80, line + 8)), fill=near(rng, (124, 138, 158)))
    draw.rectangle((0, line, SIZE, SIZE), fill=green)
    water, bend = near(rng, (44, 120, 200)), rng.choice((-1, 1))
    start = 128 + bend * rng.randint(20, 70)
    low = rng.randint(196, 208)
    points_left, points_right = [], []
    for step in range(13):
        share = step / 12
        y = line + (low - line) * share
        middle = start + bend * 60 * np.sin(share * 3.4) * (0.4 + share) - (start - 128) * share
        half = 6 + 92 * share**1.4
        points_left.append((middle - half, y))
        points_right.append((middle + half, y))
    draw.polygon((*points_left, *reversed(points_right)), fill=water)
    draw.rectangle((0, low - 26, SIZE, low + 2), fill=water)
    for _ in range(9):
        x, y = rng.randint(-10, SIZE), rng.randint(low - 40, low - 2)
        draw.line((x, y, x + rng.randint(12, 34), y), fill=(130, 190, 236), width=3)
    bank = darker(green, 0.12)
    draw.ellipse((-60, low - 12, SIZE + 60, SIZE + 90), fill=bank)
    for _ in range(16):
        x = rng.randint(0, SIZE)
        draw.line((x, low + 14, x + rng.randint(-3, 3), low - 8), fill=darker(bank, 0.3), width=3)
    return image, (low + 6, 238)


def forest(rng: random.Random) -> Painting:
    """Dark trunks before deeper green, moss on the ground."""
    image = gradient(near(rng, (28, 66, 44), 8), (74, 120, 74))
    draw = ImageDraw.Draw(image)
    line = rng.randint(146, 162)
    for _ in range(9):
        x, width = rng.randint(-6, SIZE), rng.randint(6, 12)
        draw.rectangle((x, 0, x + width, line + 4), fill=near(rng, (58, 72, 48), 8))
    draw.rectangle((0, line, SIZE, SIZE), fill=near(rng, (84, 92, 44), 8))
    for _ in range(5):
        x, width, foot = rng.randint(-14, SIZE), rng.randint(18, 30), line + rng.randint(4, 22)
        bark = near(rng, (88, 62, 42))
        draw.polygon(((x, 0), (x + width, 0), (x + width + 6, foot), (x - 6, foot)), fill=bark)
        draw.line((x + width // 3, 0, x + width // 3, foot - 6), fill=darker(bark, 0.25), width=4)
    for _ in range(14):
        x, size = rng.randint(-20, SIZE), rng.randint(22, 44)
        draw.ellipse((x, -size * 0.8, x + size * 1.5, size * 0.7), fill=near(rng, (36, 98, 50)))
    for _ in range(30):
        x, y = rng.randint(0, SIZE), rng.randint(line + 8, SIZE)
        draw.ellipse((x - 5, y - 2, x + 5, y + 2), fill=near(rng, (128, 116, 54)))
    return image, (line + 40, 234)


def moon(rng: random.Random) -> Painting:
    """Grey ground with craters below a black sky with stars and the Earth."""
    image = gradient((6, 6, 18), near(rng, (24, 22, 48), 6))
    draw = ImageDraw.Draw(image)
    line = rng.randint(138, 154)
    for _ in range(45):
        x, y, size = rng.randint(0, SIZE), rng.randint(0, line), rng.choice((1, 1, 2))
        draw.ellipse((x - size, y - size, x + size, y + size), fill=(255, 255, 240))
    x, y, size = rng.choice((rng.randint(22, 64), rng.randint(192, 234))), rng.randint(28, 44), rng.randint(16, 22)
    draw.ellipse((x - size, y - size, x + size, y + size), fill=(50, 116, 210))
    draw.ellipse((x - size * 0.6, y - size * 0.7, x + size * 0.3, y + size * 0.1), fill=(80, 170, 90))
    grey = near(rng, (158, 158, 164), 10)
    draw.ellipse((-120, line - 8, SIZE + 120, SIZE + 160), fill=grey)
    for _ in range(7):
        x, y = rng.randint(-10, SIZE), rng.randint(line + 12, SIZE - 6)
        wide = rng.randint(12, 30)
        draw.ellipse((x - wide, y - wide * 0.35, x + wide, y + wide * 0.35), fill=darker(grey, 0.3))
        draw.ellipse((x - wide, y - wide * 0.35 + 4, x + wide, y + wide * 0.35 + 3), fill=darker(grey, 0.16))
    return image, (line + 40, 232)


PAINTERS: dict[str, Callable[[random.Random], Painting]] = {
    "table": table, "desk": desk, "bed": bed, "sofa": sofa, "book": book, "grass": grass, "beach": beach,
    "snow": snow, "road": road, "river": river, "forest": forest, "moon": moon,
}  # fmt: skip
