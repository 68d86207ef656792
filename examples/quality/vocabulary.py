"""The door to the embedded model's recipe, as far as words go: its things, its places, its sentences.

The recipe's scripts import each other by plain names, so their folder goes on the path here and nowhere else. Never
here: anything of quality's own, or what needs torch (`tools`).
"""

from __future__ import annotations

import sys
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "embedded_model"
sys.path.append(str(FOLDER))

from words import BY_NAME, NEAR_PLACES, PLACE_NAMES, THINGS, all_pairs, prompt_of  # noqa: E402

JUDGE = FOLDER / "judge.safetensors"

__all__ = ["BY_NAME", "FOLDER", "JUDGE", "NEAR_PLACES", "PLACE_NAMES", "THINGS", "all_pairs", "prompt_of"]
