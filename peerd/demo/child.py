"""`python -m peerd.demo.child PARENT_PID ARGS...`: `peerd ARGS` that never outlives the program that started it.

Even `kill -9` of the demo leaves no daemon behind: where the kernel can (Linux), it terminates the child when its
parent is gone. Never here: anything about what the daemon does.
"""

import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it was gone before we asked
            raise SystemExit(1)


if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]))
    # The kernel keeps the promise across exec.
    os.execv(sys.executable, [sys.executable, "-m", "peerd", *sys.argv[2:]])
