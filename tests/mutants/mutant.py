"""A mutant: the protocol with one rule taken out, in a copy of its own.

Each edit replaces a text that occurs once in its file; anything else is an error, so that a mutant never goes stale in
silence. Never here: which mutants there are (`catalogue`), or what kills them (`hunt`).
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).parents[2]
PACKAGE = Path("peerd_protocol")


class StaleError(Exception):
    """The text that a mutant replaces is not there, or more than once."""


@dataclass(frozen=True, slots=True)
class Edit:
    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """`where` it is looked for: in stories, in the calm, or where one device is lost in the calm."""

    name: str
    edits: tuple[Edit, ...]
    where: Literal["storm", "calm", "loss"] = "storm"
    first: int = 0
    """The seed that the hunt begins with: a rare thing is looked for where it was found."""

    def write(self, folder: Path) -> None:
        """A mutated copy of the package in `folder`."""
        shutil.copytree(ROOT / "protocol" / PACKAGE, folder / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
        for edit in self.edits:
            path = folder / PACKAGE / edit.file
            text = path.read_text()
            if (found := text.count(edit.old)) != 1:
                raise StaleError(f"{self.name}: {edit.file} has its text {found} times:\n{edit.old}")
            path.write_text(text.replace(edit.old, edit.new))


def swap(name: str, file: str, old: str, new: str) -> Mutant:
    """The usual mutant: one text for another, found by a story."""
    return Mutant(name, (Edit(file, old, new),))


def calm(name: str, file: str, old: str, new: str) -> Mutant:
    return Mutant(name, (Edit(file, old, new),), "calm")


def loss(name: str, file: str, old: str, new: str, first: int = 0) -> Mutant:
    return Mutant(name, (Edit(file, old, new),), "loss", first)
