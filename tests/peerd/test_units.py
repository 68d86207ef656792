"""The systemd units: systemd itself finds nothing to say about them, and they keep what torch needs."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).parents[2] / "systemd"
UNITS = [("peerd.service", "--system"), ("peerd-user.service", "--user")]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed here")
@pytest.mark.parametrize(("unit", "manager"), UNITS)
def test_systemd_finds_nothing_to_say(unit: str, manager: str, tmp_path: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", manager, "--man=no", str(SYSTEMD / unit)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("unit", [unit for unit, _ in UNITS])
def test_a_unit_is_watched_and_leaves_torch_its_compiled_kernels(unit: str) -> None:
    text = (SYSTEMD / unit).read_text()
    settings = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert "Type=notify" in settings
    assert any(line.startswith("WatchdogSec=") for line in settings)
    assert not any(line.startswith(("MemoryDenyWriteExecute", "ProcSubset")) for line in settings)
