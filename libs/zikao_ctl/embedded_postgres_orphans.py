"""Finds and ends what a killed embedded PostgreSQL has left running.

When the postmaster is killed, its backends go on until they notice; as long as
one is attached to the old shared memory, no new postmaster may start. They are
known by the cluster name in their process title, which is made from the data
directory's device and inode: it is no other directory's, and unlike
/proc/PID/cwd any user may read it.
"""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

CLEAN_END_SECONDS = 30.0  # a fast shutdown writes a checkpoint
NOTICE_SECONDS = 1.0  # idle backends see the postmaster's death at once
QUICK_END_SECONDS = 5.0
POLL_SECONDS = 0.02
PROC = Path("/proc")


def cluster_name(pgdata: Path) -> str:
    """Return the name that marks the processes of the cluster in `pgdata`."""
    status = pgdata.stat()
    return f"zikao-{status.st_dev:x}-{status.st_ino:x}"


def running(name: str) -> set[int]:
    """Return the ids of all live processes of the cluster `name` (none where there is no /proc)."""
    if not PROC.is_dir():
        return set()
    ids = (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())
    return {pid for pid in ids if _belongs(pid, name)}


def end_orphans(pgdata: Path) -> None:
    """End every process left of the cluster in `pgdata`; returns at once when there is none.

    The caller holds the directory's lock, so that none of them has an owner.
    Killing is safe: what was committed is in the write-ahead log.
    Raises TimeoutError when a process cannot be ended.
    """
    name = cluster_name(pgdata)
    if running(name):
        _end(pgdata, name)
    _forget_stale_lock(pgdata)


def _end(pgdata: Path, name: str) -> None:
    postmaster = postmaster_id(pgdata)
    if postmaster in running(name):
        # Our death has already sent it this signal on Linux; a second one changes nothing.
        _signal({postmaster}, signal.SIGINT)
        _wait(lambda: postmaster not in running(name), CLEAN_END_SECONDS)
    _wait(lambda: not running(name), NOTICE_SECONDS)
    for number in (signal.SIGQUIT, signal.SIGKILL):
        _signal(running(name), number)
        if _wait(lambda: not running(name), QUICK_END_SECONDS):
            return
    raise TimeoutError(f"processes of {pgdata} do not end: {sorted(running(name))}")


def postmaster_id(pgdata: Path) -> int:
    """Return the process id in `postmaster.pid`, 0 when there is no such file."""
    try:
        return int((pgdata / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return 0


def _forget_stale_lock(pgdata: Path) -> None:
    """Remove a `postmaster.pid` whose id a stranger has by now: PostgreSQL would not start."""
    pid = postmaster_id(pgdata)
    if pid and (PROC / str(pid)).exists():
        (pgdata / "postmaster.pid").unlink()


def _belongs(pid: int, name: str) -> bool:
    try:
        arguments = (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:  # ended meanwhile
        return False
    title = arguments[0].decode(errors="replace")
    is_child = title.startswith(f"postgres: {name}: ")
    is_postmaster = f"cluster_name={name}".encode() in arguments and title.endswith("/postgres")
    return is_child or is_postmaster


def _signal(ids: set[int], number: signal.Signals) -> None:
    for pid in ids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _wait(done: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
