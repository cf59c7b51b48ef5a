"""Program run between the supervisor and its programs: ties a program to our life, becomes it.

    supervisor_launch.py PARENT_PID PROGRAM [ARGUMENT...]

A script of its own rather than a `preexec_fn`: code between fork and exec can deadlock in a
process with threads, and ours has gRPC's. It imports nothing of the project and keeps the id.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def end_with_parent(parent_id: int) -> None:
    """Ask the kernel to kill us when the parent is gone; exit if it is already."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent_id:
        sys.exit("the supervisor is gone")


def main() -> None:
    """Turn this process into the program named on the command line."""
    end_with_parent(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606  (no shell is wanted)


if __name__ == "__main__":
    main()
