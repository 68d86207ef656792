"""Words to the command line, said in this very process. Never here: assertions."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from peerd.cli import main

Said = Callable[..., "subprocess.CompletedProcess[str]"]


def saying(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Said:
    """`peerd` with these words, in the environment as it is then."""

    def said(*words: str) -> "subprocess.CompletedProcess[str]":
        monkeypatch.setattr(sys, "argv", ["peerd", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return subprocess.CompletedProcess(words, int(ended.value.code or 0), *capsys.readouterr())

    return said
