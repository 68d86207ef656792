"""Words that the engine's tests share: a model, calls of it, and how to ask for a run."""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from peerd.engine import dialogue
from peerd.engine.port import Look
from peerd.engine.process import EngineConfig, ProcessEngine
from peerd_protocol.plan import Call, Leave

WIDE = 1e9
"""A difference that no two prompts have."""
PATIENCE_S = 60.0
"""For a machine that does other things too; nothing that is waited for takes a tenth of it."""


@dataclass(frozen=True)
class Model:
    """A folder and the size of its pictures."""

    folder: Path
    size: int

    def call(self, prompt: str = "apple on table", **wishes: Any) -> Call:
        """A small call of this model."""
        usual: dict[str, Any] = {
            "model": "m" * 64,
            "steps": 6,
            "seed": 41,
            "guidance": 3.0,
            "scheduler": "ddim",
            "width": self.size,
            "height": self.size,
        }
        return Call(prompt=prompt, **{**usual, **wishes})

    def run(self, call: Call, start: bytes | None = None, stop: int | None = None, every: int = 0) -> dialogue.Run:
        """The command to run `call`."""
        return dialogue.Run(1, str(self.folder), call, start, stop, every, False)


def leaving(command: dialogue.Run, *leaves: Leave, probe: tuple[Look, ...] = ()) -> dialogue.Run:
    """The command for a run that others leave."""
    return msgspec.structs.replace(command, leaves=leaves, probe=probe)


def picture_of(answers: list[dialogue.Answer]) -> dialogue.Picture:
    """The picture that ended the run."""
    assert isinstance(answers[-1], dialogue.Picture), answers[-1]
    return answers[-1]


def saved_in(answers: list[dialogue.Answer]) -> dict[int, bytes]:
    """The run's checkpoints by their step."""
    return {answer.step: answer.data for answer in answers if isinstance(answer, dialogue.Save)}


def refusal_of(answers: list[dialogue.Answer]) -> dialogue.Refused:
    """The refusal that was the only answer but for what is loaded, so that nothing ran before it."""
    answers = [answer for answer in answers if not isinstance(answer, dialogue.Loaded | dialogue.Unloaded)]
    assert len(answers) == 1, answers
    assert isinstance(answers[0], dialogue.Refused), answers[0]
    return answers[0]


def engine_of(model: Model, **config: Any) -> ProcessEngine:
    """An engine that has this model, and for every other digest a folder that is none."""
    known = model.call().model

    def folder_of(digest: str) -> Path:
        return model.folder if digest == known else model.folder / "nowhere"

    return ProcessEngine(EngineConfig(folder_of=folder_of, model=known, **config))


def runs(pid: int) -> bool:
    """Whether that process is there and not just waiting to be counted as dead."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False
