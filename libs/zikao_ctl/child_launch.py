"""Program run between us and a child process: ties it to our life, and becomes it.

    child_launch.py PARENT_PID SIGNAL UID GID PROGRAM [ARGUMENT...]     (UID -1: stay who you are)

The child gets SIGNAL when we are gone. This is a script of its own rather than a `preexec_fn`,
because code between fork and exec can deadlock in a process with threads, and ours has gRPC's.
It imports nothing of the project. `exec` keeps the process id: what we see is the child itself.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
STAY = -1


def drop_privileges(uid: int, gid: int) -> None:
    """Become `uid`:`gid` for good, without root's supplementary groups."""
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def end_with_parent(parent_pid: int, number: int) -> None:
    """Ask the kernel for a signal when the parent is gone; exit if it is already.

    Must follow the change of user: changing credentials clears the request.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent_pid:
        sys.exit("the process that wanted this one is gone")


def main() -> None:
    """Turn this process into the program named on the command line."""
    parent_pid, number, uid, gid = (int(argument) for argument in sys.argv[1:5])
    command = sys.argv[5:]
    if uid != STAY:
        drop_privileges(uid, gid)
    end_with_parent(parent_pid, number)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and exec would pass that on
    os.execvp(command[0], command)  # noqa: S606  (no shell is wanted)


if __name__ == "__main__":
    main()
