"""What is known of pictures made so far, in one SQLite file: verdict and latent, never the picture.

A row is keyed by everything that decides it: model, judge and guidance by their digests, then the picture's own key.
So a run that is cut off, or a second one, makes only what is missing. Never here: making or judging.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from examples.quality.pictures import Look, Picture

THINGS_KEPT, PLACES_KEPT = 49, 12
Row = tuple[str, bytes, bytes, bytes]
"""The picture's key, then the judge's log-probabilities of things and places and the latent, all float16."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the judge saw, and the finished latent as a flat float32 vector."""

    things: np.ndarray
    places: np.ndarray
    latent: np.ndarray

    @property
    def thing(self) -> int:
        """The number of the likeliest thing."""
        return int(self.things.argmax())

    @property
    def place(self) -> int:
        """The number of the likeliest place."""
        return int(self.places.argmax())


class Archive:
    """The file and what is in it under one model, judge and guidance."""

    def __init__(self, path: Path, makers: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._makers = makers
        self._file = sqlite3.connect(path)
        self._file.execute(
            "CREATE TABLE IF NOT EXISTS seen "
            "(key BLOB PRIMARY KEY, things BLOB, places BLOB, latent BLOB) WITHOUT ROWID"
        )
        self._file.execute("CREATE TABLE IF NOT EXISTS looked (key BLOB PRIMARY KEY, difference REAL) WITHOUT ROWID")
        self._known: dict[Picture, Seen] = {}

    def missing(self, things: Iterable[Picture | Look]) -> list[Picture | Look]:
        """Those that are not known yet, each once, in their order."""

        def known(thing: Picture | Look) -> bool:
            return (self.difference(thing) if isinstance(thing, Look) else self.find(thing)) is not None

        return [thing for thing in dict.fromkeys(things) if not known(thing)]

    def find(self, picture: Picture) -> Seen | None:
        """What is known of it."""
        if picture not in self._known:
            row = self._file.execute(
                "SELECT things, places, latent FROM seen WHERE key = ?", (self._key(picture.key),)
            ).fetchone()
            if row is None:
                return None
            self._known[picture] = Seen(*(np.frombuffer(part, np.float16).astype(np.float32) for part in row))
        return self._known[picture]

    def keep(self, rows: Sequence[Row]) -> None:
        """Write rows down, whole or not at all."""
        with self._file:
            self._file.executemany(
                "INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?)", [(self._key(key), *rest) for key, *rest in rows]
            )

    def difference(self, look: Look) -> float | None:
        """What a probe saw at this look, if it is known."""
        row = self._file.execute("SELECT difference FROM looked WHERE key = ?", (self._key(look.key),)).fetchone()
        return None if row is None else float(row[0])

    def keep_looks(self, looks: Sequence[tuple[str, float]]) -> None:
        """Write down what was seen at looks, by their keys."""
        with self._file:
            self._file.executemany(
                "INSERT OR REPLACE INTO looked VALUES (?, ?)", [(self._key(key), value) for key, value in looks]
            )

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _key(self, key: str) -> bytes:
        return hashlib.sha256(f"{self._makers}\n{key}".encode()).digest()[:16]
