"""Model names and digests to folders, and what a model is run with unless asked otherwise.

A name is `embedded`, a folder's path, or a folder in PEERD_HOME/models. The folders that this node was asked for are
remembered: others may ask for the same model, by its digest. Never here: torch, a download, or how a digest is computed
(`engine/model_folder.py`).

A folder may lie on a stick that is pulled, on a share that went away, or in a home that was closed: whatever the system
says of it then, it is not there.
"""

import json
import logging
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from peerd.engine.model_folder import EMBEDDED_FOLDER, model_digest
from peerd.paths import is_file, is_folder
from peerd_protocol.errors import LocalError
from peerd_protocol.schedulers import DEFAULT_SCHEDULER

log = logging.getLogger("peerd.models")

EMBEDDED = "embedded"
FOLDERS_MAX = 14
"""Folders remembered, those asked for last. With the usual and the embedded model they are all that a profile tells."""
INDEX_FILE = "model_index.json"
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


class Shelf(Protocol):
    """Where the names that were asked for outlive the daemon, the last one at the end."""

    def folders(self) -> list[str]: ...
    def save_folders(self, names: Sequence[str]) -> None: ...


class Registry:
    """The models of one node. Safe from several threads; what blocks says so."""

    def __init__(
        self, home: Path, *, usual: str = EMBEDDED, shelf: Shelf | None = None, embedded: Path = EMBEDDED_FOLDER
    ) -> None:
        self.usual = usual
        """The name of the model that is meant where none is named."""
        self._home = home
        self._shelf = shelf
        self._embedded = embedded
        self._asked = shelf.folders() if shelf else []
        self._found: dict[str, Model] = {}
        self._stopping = threading.Event()
        self._away: frozenset[str] = frozenset()
        """Names of `_found` whose folder was not there when somebody last looked."""

    def stop(self) -> None:
        """Read no folder to its end, and tell who wanted it so: a process that ends waits for its threads."""
        self._stopping.set()

    def find(self, name: str) -> Model:
        """The model of that name, which is remembered. LocalError if there is none, or the folder isn't a model.

        Blocks for as long as it takes to read a folder that is new or has changed, which may be gigabytes: call it in a
        thread. So does `folder_of`.
        """
        model = self._look(name)
        self._remember(model)
        return model

    def folder_of(self, digest: str) -> Path:
        """The folder of a model by its digest; LocalError if this node does not have it, or no longer."""
        known = sorted(name for name, model in self._found.copy().items() if model.digest == digest)
        for name in dict.fromkeys((*known, self.usual, *self._asked, *self.names())):
            try:
                model = self._look(name)
            except LocalError:
                continue  # a broken folder does not hide the others
            if model.digest == digest:
                return model.folder
        raise LocalError(f"This device has no model with the digest {digest[:12]}; copy its folder here first.")

    def recall(self) -> None:
        """Look again at what was asked for in the daemon's earlier lives. Blocks: call it in a thread."""
        for name in (EMBEDDED, *self._asked):
            with suppress(LocalError):  # it may be back another day
                self._look(name)

    def look_around(self) -> None:
        """See which of the known folders are there now.

        Blocks for as long as a network's file system that does not answer: call it in a thread.
        """
        found = self._found.copy().items()
        self._away = frozenset(name for name, model in found if not is_file(model.folder / INDEX_FILE))

    def digests(self) -> list[str]:
        """The models that were here when this node last looked, that asked for last first; never blocks."""
        asked = self._asked.copy()
        found = sorted(self._found.copy().values(), key=lambda model: _place(model.name, asked), reverse=True)
        return list(dict.fromkeys(model.digest for model in found if model.name not in self._away))

    def folder_known(self, digest: str) -> Path | None:
        """The folder of a model that was looked at already; never blocks."""
        return next((model.folder for model in self._found.copy().values() if model.digest == digest), None)

    def name_of(self, digest: str) -> str:
        """What this node calls the model; the digest's beginning where it does not have it."""
        known = sorted(model.name for model in self._found.copy().values() if model.digest == digest)
        return Path(known[0]).name if known else digest[:12]

    def names(self) -> list[str]:
        """All names that need no path, `embedded` first."""
        folder = self._home / "models"
        try:
            found = sorted(path.name for path in folder.iterdir() if is_folder(path) and not path.name.startswith("."))
        except OSError:
            found = []
        return [EMBEDDED, *(name for name in found if name != EMBEDDED)]

    def _look(self, name: str) -> Model:
        folder = self._folder(name)
        index = _read(folder / INDEX_FILE)
        try:
            digest = model_digest(folder, self._home / CACHE_FOLDER, self._stopping.is_set)
        except OSError as error:
            raise LocalError(
                f"The model in {folder} can not be read: {error.strerror}; let the user that runs peerd read it."
            ) from error
        self._away -= {name}
        known = self._found.get(name)
        if known is None or (known.folder, known.digest) != (folder, digest):
            known = self._found[name] = self._describe(name, folder, digest, index)
        return known

    def _remember(self, model: Model) -> None:
        if model.name in (EMBEDDED, self.usual) or self._asked[-1:] == [model.name]:
            return
        asked = [*(name for name in self._asked if name != model.name), model.name]
        for name in asked[:-FOLDERS_MAX]:
            self._found.pop(name, None)
        self._asked = asked[-FOLDERS_MAX:]
        if self._shelf is not None:
            try:
                self._shelf.save_folders(self._asked)
            except LocalError as error:
                log.warning("the folder %s is forgotten at the next start: %s", model.name, error)

    def _folder(self, name: str) -> Path:
        if name == EMBEDDED:
            if not is_folder(self._embedded):
                raise LocalError("The embedded model is missing from this installation; install peerd again.")
            return self._embedded
        if "\0" in name or not name.strip():
            raise LocalError("A model's name is empty or holds a zero byte; name a model or a folder.")
        own = self._home / "models" / name
        path = Path(name)
        with suppress(RuntimeError):  # "~somebody" who has no home here is an ordinary name
            path = path.expanduser()
        folder = own if len(path.parts) == 1 and name not in (".", "..") and is_folder(own) else path
        if not folder.is_absolute() and folder is path:
            raise LocalError(
                f"There is no model {name!r}; choose one of {', '.join(self.names())}, or a folder's path."
            )
        if not is_folder(folder):
            raise LocalError(
                f"There is no folder {folder}, or the user that runs peerd may not look into it; name a model or a "
                "folder that holds one."
            )
        if not is_file(folder / INDEX_FILE):
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


def _place(name: str, asked: Sequence[str]) -> int:
    return asked.index(name) if name in asked else -1


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
    if not is_file(path):
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
