"""The door to the embedded model's recipe, as far as it works: its judge, its pictures. It imports torch.

Never here: its words (`vocabulary`), or anything of quality's own.
"""

from __future__ import annotations

from examples.quality.vocabulary import FOLDER

assert FOLDER.is_dir()  # what follows is found there

from common import quiet  # noqa: E402
from judge import load_judge  # noqa: E402
from render import sheet  # noqa: E402
from vae import to_tensor  # noqa: E402

__all__ = ["load_judge", "quiet", "sheet", "to_tensor"]
