"""Where calibrations lie: one file a model, by its digest, in the home; the embedded model's beside its weights.

Never here: what is in them (planning/calibration.py).
"""

import os
from pathlib import Path

from peerd.engine.model_folder import CALIBRATION_FILE
from peerd_protocol.errors import LocalError

FOLDER = "calibration"
BYTES_MAX = 1024 * 1024


def path_of(home: Path, digest: str) -> Path:
    """Where this node's own measurement of the model goes."""
    return home / FOLDER / f"{digest}.json"


def read(home: Path, digest: str, folder: Path | None = None) -> bytes | None:
    """This node's own measurement, else what came with the model in `folder`; None where nobody measured."""
    places = [path_of(home, digest)]
    if folder is not None:
        places.append(folder / CALIBRATION_FILE)
    for path in places:
        try:
            if path.stat().st_size > BYTES_MAX:
                raise LocalError(f"{path} is larger than any calibration; delete it.")
            return path.read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise LocalError(f"{path} can not be read: {error.strerror}.") from error
    return None


def write(path: Path, data: bytes) -> None:
    """The whole file or none of it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(f".{os.getpid()}")
        beside.write_bytes(data)
        beside.replace(path)
    except OSError as error:
        raise LocalError(
            f"{path} can not be written: {error.strerror}; free some space or choose another home."
        ) from None
