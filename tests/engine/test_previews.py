"""Previews are small, cheap, and look like what the decoder would draw."""

import torch

from peerd.engine import pipelines
from peerd.engine.previews import SIDE_MAX, Previewer
from tests.engine.stories import Model


def test_a_preview_resembles_the_decoded_picture(picture_model: Model) -> None:
    pipe = pipelines.load(picture_model.folder).pipe
    generator = torch.Generator().manual_seed(5)
    coarse = torch.randn(1, 4, 4, 4, generator=generator)
    latent = torch.nn.functional.interpolate(coarse, size=(16, 16), mode="bilinear")
    latent = latent / latent.std()
    preview, side = Previewer(pipe).thumbnail(latent)
    assert (side, len(preview)) == (16, 16 * 16 * 3)
    with torch.inference_mode():
        decoded = pipe.vae.decode(latent / pipe.vae.config.scaling_factor, return_dict=False)[0]
    small = torch.nn.functional.adaptive_avg_pool2d(decoded / 2 + 0.5, 16)[0].clamp(0, 1).flatten()
    shown = torch.frombuffer(bytearray(preview), dtype=torch.uint8).reshape(16, 16, 3).permute(2, 0, 1) / 255
    likeness = torch.corrcoef(torch.stack([small, shown.flatten()]))[0, 1]
    assert likeness > 0.6


def test_latents_that_are_no_picture_have_no_preview(picture_model: Model) -> None:
    previewer = Previewer(pipelines.load(picture_model.folder).pipe)
    assert previewer.thumbnail(torch.zeros(1, 64, 16)) == (b"", 0)
    assert previewer.thumbnail(torch.zeros(1, 7, 16, 16)) == (b"", 0)


def test_large_latents_stay_small(picture_model: Model) -> None:
    previewer = Previewer(pipelines.load(picture_model.folder).pipe)
    preview, side = previewer.thumbnail(torch.randn(1, 4, 128, 96) * 4000)
    assert side == SIDE_MAX
    assert len(preview) == SIDE_MAX**2 * 3
