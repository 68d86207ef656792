"""The calibrations of this node's models as planning and engine ask for them: read when first asked for, and again when
`peerd models calibrate` has written anew.

Never here: what they say (`planning.calibration`), or where their files lie (`models.calibrations`).
"""

import logging
from dataclasses import dataclass, field
from pathlib import Path

from peerd.models import calibrations
from peerd.models.registry import Registry
from peerd.planning.calibration import Calibration, parse
from peerd_protocol.errors import LocalError

log = logging.getLogger("peerd.calibrated")

KEPT_MAX = 64
"""Models whose calibration is in memory; a cluster with more measures some of them from disk again."""


@dataclass(slots=True)
class Calibrated:
    """Called with a model's digest."""

    home: Path
    registry: Registry
    _known: dict[str, tuple[int, Path | None, Calibration | None]] = field(default_factory=dict)

    def __call__(self, digest: str) -> Calibration | None:
        """None where nobody measured this model, or what was measured can not be read."""
        # A leader may plan for a model that it does not have, or that it gets to know later.
        changed_ns, folder = self._changed_ns(digest), self.registry.folder_known(digest)
        known = self._known.get(digest)
        if known is not None and known[:2] == (changed_ns, folder):
            return known[2]
        if len(self._known) >= KEPT_MAX:
            del self._known[next(iter(self._known))]
        found = self._read(digest, folder)
        self._known[digest] = changed_ns, folder, found
        return found

    def _changed_ns(self, digest: str) -> int:
        try:
            return calibrations.path_of(self.home, digest).stat().st_mtime_ns
        except OSError:
            return 0

    def _read(self, digest: str, folder: Path | None) -> Calibration | None:
        try:
            data = calibrations.read(self.home, digest, folder)
            return None if data is None else parse(data)
        except LocalError as error:
            log.warning("going by the table for every model: %s", error)
            return None
