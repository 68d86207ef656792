"""The door to the embedded model's recipe: its words, its sentences, its judge. Never here: anything of quality's own.

The recipe's scripts import each other by plain names, so their folder goes on the path here and nowhere else.
"""

from __future__ import annotations

import sys
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "embedded_model"
sys.path.append(str(FOLDER))

from common import quiet  # noqa: E402
from evaluate import prompt_of  # noqa: E402
from judge import CHECKPOINT, THINGS, load_judge  # noqa: E402
from render import sheet  # noqa: E402
from vae import to_tensor  # noqa: E402
from words import BY_NAME, NEAR_PLACES, PLACE_NAMES, all_pairs  # noqa: E402

__all__ = [
    "BY_NAME", "CHECKPOINT", "NEAR_PLACES", "PLACE_NAMES", "THINGS", "all_pairs", "load_judge", "prompt_of", "quiet",
    "sheet", "to_tensor",
]  # fmt: skip
