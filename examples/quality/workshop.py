"""Where a run's state lies and what decides it. Never here: what is measured."""

from __future__ import annotations

import hashlib
from pathlib import Path

from examples.quality.archive import Archive
from examples.quality.vocabulary import JUDGE
from peerd.engine.model_folder import CALIBRATION_FILE, EMBEDDED_FOLDER, model_digest
from peerd.planning import calibration

ROOT = Path(__file__).parent.parent.parent
STATE = ROOT / ".work" / "quality"
RESULTS = Path(__file__).parent / "results"
ASKED = RESULTS / "probe.json"


def model() -> str:
    """The embedded model's digest, as shipped."""
    STATE.mkdir(parents=True, exist_ok=True)
    return model_digest(EMBEDDED_FOLDER, STATE)


def open_archive() -> Archive:
    """The archive of pictures of the embedded model, by the judge beside its recipe."""
    judge = hashlib.sha256(JUDGE.read_bytes()).hexdigest()
    return Archive(STATE / "seen.sqlite", f"{model()} {judge} guidance 3")


def calibrated() -> calibration.Calibration:
    """What comes with the model, whatever this machine's owner measured; an error if it is of other weights."""
    found = calibration.parse((EMBEDDED_FOLDER / CALIBRATION_FILE).read_bytes())
    if found.model != model():
        raise SystemExit("The shipped calibration is of other weights; measure it anew: peerd models calibrate --ship")
    return found


def asked_for() -> calibration.Calibration:
    """The shipped table with the probe of those who ask for one; an error if it is of other weights or not there."""
    try:
        found = calibration.parse(ASKED.read_bytes())
    except FileNotFoundError:
        found = None
    if found is None or found.model != model():
        raise SystemExit("No probe was fitted to these weights; fit it: python -m examples.quality.look_worth")
    return found
