"""Which picture a plan promises: the toy engine itself draws it here, undisturbed and without any daemon.

Here lives also how files are compared with that. Never here: real daemons, or judging what they drew (`play.py`).
"""

import asyncio
from functools import cache
from pathlib import Path

from PIL import Image

from peerd.engine.port import Order, Painted, Saved
from peerd.engine.toy import ToyEngine
from peerd.pictures import pixels_sha256
from peerd_protocol.plan import Call

TOTAL, SHARED = 8, 4
SIDE_PIXELS, SEED = 64, 7
WISHES = {"steps": TOTAL, "seed": SEED, "width": SIDE_PIXELS, "height": SIDE_PIXELS, "scheduler": "ddim", "keep": False}
"""What all requests of a soak have in common. Nothing is kept, so that no cycle begins with the last one's work."""


@cache
def alone(prompt: str) -> str:
    """The digest of a picture that is drawn with its own words from the noise on."""
    return shared_with(prompt, prompt)


@cache
def shared_with(lead: str, prompt: str) -> str:
    """The digest of a picture whose shared steps were run with the lead's words."""
    return asyncio.run(_draw(lead, prompt))


def digest_of(picture: Path) -> str:
    """Of a file's pixels; '' where there is none."""
    if not picture.exists():
        return ""
    with Image.open(picture) as image:
        return pixels_sha256(image.convert("RGB").tobytes())


async def _draw(lead: str, prompt: str) -> str:
    engine = ToyEngine()
    begun = [event async for event in engine.run(Order(_call(lead), stop=SHARED))]
    (saved,) = [event for event in begun if isinstance(event, Saved)]
    done = [event async for event in engine.run(Order(_call(prompt), start=saved.data))]
    (painted,) = [event for event in done if isinstance(event, Painted)]
    return pixels_sha256(painted.rgb)


def _call(prompt: str) -> Call:
    return Call(
        model="toy",
        prompt=prompt,
        steps=TOTAL,
        seed=SEED,
        guidance=1.0,
        scheduler="ddim",
        width=SIDE_PIXELS,
        height=SIDE_PIXELS,
    )
