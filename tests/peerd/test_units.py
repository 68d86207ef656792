"""The systemd units: systemd itself finds nothing to say about them, and they keep what torch needs."""

import os
import re
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


@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="systemd-sysusers is not installed here")
def test_the_devices_user_and_group_are_made_as_the_unit_names_them(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    made = [f"--root={tmp_path}", str(SYSTEMD / "peerd.sysusers")]
    done = subprocess.run(["systemd-sysusers", *made], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    unit = (SYSTEMD / "peerd.service").read_text()
    (user,) = re.findall("^User=(.*)$", unit, re.MULTILINE)
    (group,) = set(re.findall(r"\b(?:Group|PEERD_API_GROUP)=(\S*)", unit))
    for file, name in (("passwd", user), ("group", group)):
        assert f"{name}:x:" in (tmp_path / "etc" / file).read_text()


@pytest.mark.parametrize("unit", [unit for unit, _ in UNITS])
def test_a_unit_is_watched_and_leaves_torch_its_compiled_kernels(unit: str) -> None:
    text = (SYSTEMD / unit).read_text()
    settings = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert "Type=notify" in settings
    assert any(line.startswith("WatchdogSec=") for line in settings)
    assert not any(line.startswith(("MemoryDenyWriteExecute", "ProcSubset")) for line in settings)
