"""Starts PostgreSQL's programs as children that never outlive us."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

from zikao_ctl import child_launch
from zikao_ctl.embedded_postgres_binaries import Account

ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath}


def spawn(
    command: Sequence[str], data_dir: Path, account: Account | None, log: Path
) -> "subprocess.Popen[bytes]":
    """Start `command` ({data} in it: the data directory) so that it ends when we do.

    It runs as `account` (None: as we are) and writes to `log`. The kernel tells
    a child of its parent's death when the *thread* that made it ends, so each
    child has a thread of its own that lives as long. Raises OSError.
    """
    started: Future[subprocess.Popen[bytes]] = Future()

    def live_with_child() -> None:
        try:
            process = _start(command, data_dir, account, log)
        except BaseException as error:  # raised again in the caller's thread
            started.set_exception(error)
        else:
            started.set_result(process)
            process.wait()

    threading.Thread(target=live_with_child, name="embedded-postgres", daemon=True).start()
    return started.result()


def _start(
    command: Sequence[str], data_dir: Path, account: Account | None, log: Path
) -> "subprocess.Popen[bytes]":
    directory = os.open(data_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # Another user may not get to the directory by its path, but can through what we opened.
        data = str(data_dir) if account is None else f"/proc/self/fd/{directory}"
        stay = child_launch.STAY
        uid, gid = (stay, stay) if account is None else (account.uid, account.gid)
        launcher = [sys.executable, "-I", "-S", child_launch.__file__]
        # SIGINT is PostgreSQL's fast shutdown.
        how = (os.getpid(), int(signal.SIGINT), uid, gid)
        with log.open("ab") as output:
            return subprocess.Popen(
                [*launcher, *map(str, how), *(word.replace("{data}", data) for word in command)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env=ENVIRONMENT,
                umask=0o077,
                pass_fds=() if account is None else (directory,),
                start_new_session=True,  # Ctrl-C is for us: we stop it last
            )
    finally:
        os.close(directory)
