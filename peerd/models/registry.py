"""Model names and digests to folders, and what a model is run with unless asked otherwise.

A name is `embedded`, a folder's path, or a folder in PEERD_HOME/models. Blocks while it hashes a new folder: call
`find` in a thread. Never here: torch, a download, or how a digest is computed (`engine/model_folder.py`).
"""

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peerd.engine.model_folder import EMBEDDED_FOLDER, model_digest
from peerd_protocol.errors import LocalError
from peerd_protocol.schedulers import DEFAULT_SCHEDULER

EMBEDDED = "embedded"
JSON_BYTES_MAX = 1024 * 1024
CACHE_FOLDER = "cache"

STEPS_DEFAULT = 30
GUIDANCE_DEFAULT = 7.5
SIDE_DEFAULT = 512
EMBEDDED_STEPS = 20
EMBEDDED_GUIDANCE = 3.0

_OF_CLASS = {
    "DDIMScheduler": "ddim",
    "DDPMScheduler": "ddpm",
    "PNDMScheduler": "pndm",
    "LMSDiscreteScheduler": "lms",
    "EulerDiscreteScheduler": "euler",
    "EulerAncestralDiscreteScheduler": "euler_a",
    "HeunDiscreteScheduler": "heun",
    "KDPM2DiscreteScheduler": "kdpm2",
    "KDPM2AncestralDiscreteScheduler": "kdpm2_a",
    "DPMSolverMultistepScheduler": "dpmpp_2m",
    "DPMSolverSinglestepScheduler": "dpmpp_2s",
    "UniPCMultistepScheduler": "unipc",
    "DEISMultistepScheduler": "deis",
    "LCMScheduler": "lcm",
    "TCDScheduler": "tcd",
    "FlowMatchEulerDiscreteScheduler": "flow_euler",
    "FlowMatchHeunDiscreteScheduler": "flow_heun",
}


@dataclass(frozen=True, slots=True)
class Model:
    """One model folder. `steps`, `guidance`, `scheduler`, `width` and `height` are what it is run with by default."""

    name: str
    folder: Path
    digest: str
    steps: int
    guidance: float
    scheduler: str
    width: int
    height: int


class Registry:
    """The models of one node."""

    def __init__(self, home: Path, *, embedded: Path = EMBEDDED_FOLDER) -> None:
        self._home = home
        self._embedded = embedded
        self._by_digest: dict[str, Model] = {}

    def find(self, name: str) -> Model:
        """The model of that name. LocalError in one sentence if there is none, or the folder isn't a model."""
        folder = self._folder(name)
        index = _read(folder / "model_index.json")
        digest = model_digest(folder, self._home / CACHE_FOLDER)
        known = self._by_digest.get(digest)
        if known is not None and known.name == name:
            return known
        model = self._describe(name, folder, digest, index)
        self._by_digest[digest] = model
        return model

    def folder_of(self, digest: str) -> Path:
        """The folder of a model by its digest; LocalError if this node does not have it."""
        if digest not in self._by_digest:
            for name in self.names():
                try:
                    self.find(name)
                except LocalError:
                    continue  # a broken folder does not hide the others
        model = self._by_digest.get(digest)
        if model is None:
            raise LocalError(f"This device has no model with the digest {digest[:12]}; copy its folder here first.")
        return model.folder

    def name_of(self, digest: str) -> str:
        """What this node calls the model; the digest's beginning where it does not have it."""
        known = self._by_digest.get(digest)
        return digest[:12] if known is None else Path(known.name).name

    def names(self) -> list[str]:
        """All names that need no path, `embedded` first."""
        folder = self._home / "models"
        try:
            found = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
        except OSError:
            found = []
        return [EMBEDDED, *(name for name in found if name != EMBEDDED)]

    def _folder(self, name: str) -> Path:
        if name == EMBEDDED:
            if not self._embedded.is_dir():
                raise LocalError("The embedded model is missing from this installation; install peerd again.")
            return self._embedded
        if "\0" in name or not name.strip():
            raise LocalError("A model's name is empty or holds a zero byte; name a model or a folder.")
        own = self._home / "models" / name
        path = Path(name)
        with suppress(RuntimeError):  # "~somebody" who has no home here is an ordinary name
            path = path.expanduser()
        folder = own if len(path.parts) == 1 and name not in (".", "..") and own.is_dir() else path
        if not folder.is_absolute() and folder is path:
            raise LocalError(
                f"There is no model {name!r}; choose one of {', '.join(self.names())}, or a folder's path."
            )
        if not folder.is_dir():
            raise LocalError(f"There is no folder {folder}; name a model or a folder that holds one.")
        if not (folder / "model_index.json").is_file():
            raise LocalError(f"{folder} is not a model folder: it has no model_index.json; diffusers writes one.")
        return folder.resolve()

    def _describe(self, name: str, folder: Path, digest: str, index: dict[str, Any]) -> Model:
        denoiser = next((part for part in ("unet", "transformer") if part in index), None)
        if denoiser is None:
            raise LocalError(f"{folder} is not a model that peerd can run: its index names no unet or transformer.")
        width, height = _sides(folder, denoiser)
        embedded = name == EMBEDDED
        return Model(
            name=name,
            folder=folder,
            digest=digest,
            steps=EMBEDDED_STEPS if embedded else STEPS_DEFAULT,
            guidance=EMBEDDED_GUIDANCE if embedded else GUIDANCE_DEFAULT,
            scheduler=_scheduler(folder),
            width=width,
            height=height,
        )


def _sides(folder: Path, denoiser: str) -> tuple[int, int]:
    """The picture that the denoiser was trained on: its latent's side times what the VAE enlarges."""
    sample = _read(folder / denoiser / "config.json").get("sample_size")
    channels = _read(folder / "vae" / "config.json").get("block_out_channels")
    factor = 2 ** (len(channels) - 1) if isinstance(channels, list) and channels else 8
    match sample:
        case int(side):
            sides = (side * factor, side * factor)
        case [int(height), int(width)]:
            sides = (width * factor, height * factor)
        case _:
            sides = (SIDE_DEFAULT, SIDE_DEFAULT)
    return sides


def _scheduler(folder: Path) -> str:
    """Our name for the folder's own scheduler, or the default for one that we do not offer."""
    settings = _read(folder / "scheduler" / "scheduler_config.json")
    name = _OF_CLASS.get(str(settings.get("_class_name", "")), DEFAULT_SCHEDULER)
    if settings.get("use_karras_sigmas") and name in ("lms", "euler", "dpmpp_2m"):
        return f"{name}_karras"
    return name


def _read(path: Path) -> dict[str, Any]:
    """A small JSON file of a model; nothing where it is missing."""
    if not path.is_file():
        return {}
    try:
        if path.stat().st_size > JSON_BYTES_MAX:
            raise LocalError(f"{path} is larger than any model's settings.")
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise LocalError(f"{path} can not be read: {error}; the model's folder is damaged.") from error
    if not isinstance(found, dict):
        raise LocalError(f"{path} does not hold a model's settings; the model's folder is damaged.")
    return found
