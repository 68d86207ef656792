"""Where a run's state lies and what decides it. Never here: what is measured."""

from __future__ import annotations

import hashlib
from pathlib import Path

from examples.quality.archive import Archive
from examples.quality.vocabulary import CHECKPOINT
from peerd.engine.model_folder import EMBEDDED_FOLDER, model_digest
from peerd.models import calibrations
from peerd.planning import calibration

ROOT = Path(__file__).parent.parent.parent
STATE = ROOT / ".work" / "quality"
RESULTS = Path(__file__).parent / "results"


def model() -> str:
    """The embedded model's digest, as shipped."""
    STATE.mkdir(parents=True, exist_ok=True)
    return model_digest(EMBEDDED_FOLDER, STATE)


def open_archive() -> Archive:
    """The archive of pictures of the embedded model, by the judge beside its recipe."""
    judge = hashlib.sha256(CHECKPOINT.read_bytes()).hexdigest()
    return Archive(STATE / "seen.sqlite", f"{model()} {judge} guidance 3")


def calibrated() -> calibration.Calibration | None:
    """What comes with the model, whatever this machine's owner measured."""
    data = calibrations.read(STATE, model(), EMBEDDED_FOLDER)
    return None if data is None else calibration.parse(data)
