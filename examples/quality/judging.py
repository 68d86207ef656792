"""What the judge says of pictures, as rows of the archive. Never here: the judge itself (embedded_model/judge.py)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from examples.quality.archive import PLACES_KEPT, THINGS_KEPT, Row
from examples.quality.pictures import Picture
from examples.quality.tools import load_judge, to_tensor


class Judging:
    """The judge, loaded once."""

    def __init__(self) -> None:
        self.judge = load_judge()

    @torch.inference_mode()
    def rows(self, pictures: Sequence[Picture], latents: Sequence[torch.Tensor], pixels: np.ndarray) -> list[Row]:
        """One row a picture."""
        things, places = (logits.log_softmax(1).half().numpy() for logits in self.judge(to_tensor(pixels)))
        assert things.shape[1:] + places.shape[1:] == (THINGS_KEPT, PLACES_KEPT)
        return [
            (picture.key, thing.tobytes(), place.tobytes(), latent.half().contiguous().numpy().tobytes())
            for picture, thing, place, latent in zip(pictures, things, places, latents, strict=True)
        ]
