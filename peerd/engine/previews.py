"""A cheap look at an unfinished picture: latent channels to colours by one small matrix, no decoder.

The matrix is fitted once a model, by least squares against what its own VAE makes of a few smooth random latents.
Never here: the finished picture, or anything that changes a run.
"""

from typing import Any

import torch

SIDE_MAX = 32
"""A terminal's half blocks show no more, and 3 KB ride beside every step."""
_SAMPLES = 2
_COARSE, _FINE = 4, 16


class Previewer:
    """Makes thumbnails of latents for one pipeline; silent where it has none to give."""

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe
        self._factors: torch.Tensor | None = None
        self._fitted = False

    @torch.inference_mode()
    def thumbnail(self, latent: torch.Tensor) -> tuple[bytes, int]:
        """RGB rows of a squared picture and its side; empty where the latent is no picture."""
        if latent.ndim != 4:
            return b"", 0
        if not self._fitted:
            self._factors, self._fitted = self._fit(latent.shape[1]), True
        if self._factors is None:
            return b"", 0
        side = min(SIDE_MAX, latent.shape[-1], latent.shape[-2])
        small = torch.nn.functional.adaptive_avg_pool2d(latent[:1].float().cpu(), side)[0]
        # Some solvers keep the latent in units of sigma, thousands of times larger at first.
        small = small / small.std().clamp(min=1.0)
        flat = torch.cat([small.flatten(1), torch.ones(1, side * side)])
        colours = (self._factors @ flat).T.clamp(0.0, 1.0)
        return (colours * 255).round().to(torch.uint8).numpy().tobytes(), side

    def _fit(self, channels: int) -> torch.Tensor | None:
        vae: Any = getattr(self._pipe, "vae", None)
        config: Any = getattr(vae, "config", None)
        if vae is None or getattr(config, "latent_channels", None) != channels or not hasattr(config, "scaling_factor"):
            return None
        generator = torch.Generator().manual_seed(0)
        coarse = torch.randn(_SAMPLES, channels, _COARSE, _COARSE, generator=generator)
        smooth = torch.nn.functional.interpolate(coarse, size=(_FINE, _FINE), mode="bilinear")
        raw = smooth / config.scaling_factor + (getattr(config, "shift_factor", None) or 0.0)
        picture = vae.decode(raw.to(vae.device, vae.dtype), return_dict=False)[0].float().cpu()
        if picture.ndim != 4 or picture.shape[1] != 3:
            return None
        target = torch.nn.functional.adaptive_avg_pool2d(picture / 2 + 0.5, _FINE).permute(1, 0, 2, 3).flatten(1)
        source = torch.cat([smooth.permute(1, 0, 2, 3).flatten(1), torch.ones(1, _SAMPLES * _FINE * _FINE)])
        factors: torch.Tensor = torch.linalg.lstsq(source.T, target.T).solution.T
        return factors if bool(torch.isfinite(factors).all()) else None
