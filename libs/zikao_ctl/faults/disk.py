"""A small disk for the database, which can be filled to the last byte.

It is a file system in memory, mounted where only this process and its children see it: a mount
namespace of our own, without Docker. `enter` runs this program again inside one.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SIZE_MIB = 256
INSIDE = "ZIKAO_FAULTS_INSIDE"
_BALLAST = "ballast"
_BLOCK_BYTES = 4096


def can_enter() -> bool:
    """Whether there can be a mount namespace of our own here."""
    command = _in_namespace("mount", "-t", "tmpfs", "tmpfs", "/tmp")  # noqa: S108 - nobody's but ours
    return (
        bool(command) and not subprocess.run(command, capture_output=True, check=False).returncode
    )


def enter() -> None:
    """Become this program once more, in a mount namespace; return where there cannot be one."""
    if os.environ.get(INSIDE) or not can_enter():
        return
    command = _in_namespace(sys.executable, *sys.orig_argv[1:])
    os.environ[INSIDE] = "1"
    os.execv(command[0], command)  # noqa: S606


def _in_namespace(*command: str) -> list[str]:
    """A command in a namespace; empty where no program makes one.

    As an ordinary user one is root in it as far as mounts go, and stays who one is otherwise:
    PostgreSQL refuses to be root's.
    """
    program = shutil.which("unshare")
    user = [] if os.geteuid() == 0 else ["--map-current-user", "--keep-caps"]
    return [program, *user, "--mount", "--propagation", "private", *command] if program else []


class SmallDisk:
    """Mounted at `folder` until the namespace ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def mount(cls, folder: Path, size_mib: int = SIZE_MIB) -> SmallDisk | None:
        """Mount it, if we are in a namespace of our own; else None."""
        if not os.environ.get(INSIDE):
            return None
        folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, check=False)
        return None if done.returncode else cls(folder)

    @property
    def free_bytes(self) -> int:
        """What can still be written."""
        free = os.statvfs(self.folder)
        return free.f_bavail * free.f_bsize

    @contextmanager
    def filled(self) -> Iterator[None]:
        """Leave nothing while the block runs."""
        ballast = self.folder / _BALLAST
        try:
            with ballast.open("wb") as file:
                while free := self.free_bytes:
                    _extend(file.fileno(), free)
            yield
        finally:
            ballast.unlink(missing_ok=True)


def _extend(descriptor: int, by_bytes: int) -> None:
    """Add so much, or less where others write too."""
    try:
        os.posix_fallocate(descriptor, os.fstat(descriptor).st_size, by_bytes)
    except OSError as error:
        if error.errno != errno.ENOSPC or by_bytes <= _BLOCK_BYTES:
            raise
        _extend(descriptor, by_bytes // 2 // _BLOCK_BYTES * _BLOCK_BYTES)
