"""Program run between us and PostgreSQL: drops root, ties the child to our life, becomes it.

A script of its own rather than a `preexec_fn`, because code between fork and
exec can deadlock in a process with threads, and ours has gRPC's. `execve`
keeps the process id, so what the caller sees is PostgreSQL itself.

    launch.py PARENT_PID UID GID PROGRAM [ARGUMENT...]     (UID -1: stay who you are)
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


def end_with_parent(parent_pid: int) -> None:
    """Ask for SIGINT (PostgreSQL's fast shutdown) when the parent is gone; exit if it is already.

    Must follow the change of user: changing credentials clears the request.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGINT), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent_pid:
        sys.exit("the process that wanted PostgreSQL is gone")


def main() -> None:
    """Turn this process into the program named on the command line."""
    parent_pid, uid, gid = (int(argument) for argument in sys.argv[1:4])
    command = sys.argv[4:]
    if uid != STAY:
        drop_privileges(uid, gid)
    end_with_parent(parent_pid)
    os.umask(0o077)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and exec would pass that on
    environment = {"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath}
    os.execve(command[0], command, environment)  # noqa: S606  (no shell is wanted)


if __name__ == "__main__":
    main()
