"""The daemon's clock counts through suspend: shown in a time namespace, where only that clock is moved ahead."""

import shutil
import subprocess
import sys

import pytest

from peerd.runtime import boot_time_s

SUSPENDED_S = 5_000
IN_NAMESPACE = ("unshare", "--user", "--map-root-user", "--time", "--boottime", str(SUSPENDED_S), "--fork")
"""As after a suspend: CLOCK_MONOTONIC stood still, CLOCK_BOOTTIME did not."""


def namespaces_work() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*IN_NAMESPACE, "true"], capture_output=True, timeout=60).returncode == 0


@pytest.mark.skipif(not namespaces_work(), reason="this host lets nobody unshare a time namespace")
def test_a_suspend_is_a_gap_on_the_daemons_clock() -> None:
    look = "from peerd.runtime import boot_time_s; print(boot_time_s())"
    command = [*IN_NAMESPACE, sys.executable, "-c", look]
    before_s = boot_time_s()
    seen_s = float(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout)
    assert before_s <= seen_s - SUSPENDED_S <= boot_time_s()
