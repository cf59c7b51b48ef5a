"""A small disk for the database, which can be filled to the last byte.

It is a file system in memory, mounted where only this process and its children see it: a mount
namespace of our own, without Docker. `enter` runs this program again inside one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zikao_ctl.faults.memory import free_mib

SIZE_MIB = 256
# What is written there is memory: so much of it stays for everybody else.
LEFT_MIB = 1024
INSIDE = "ZIKAO_FAULTS_INSIDE"
_PAGE_BYTES = 4096
_SHRINKING_ATTEMPTS, _AGAIN_SECONDS = 20, 0.1


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


class StaysFull(Exception):  # noqa: N818 - it is what happened
    """Another fault than the one that was meant, and none that ends."""


class SmallDisk:
    """Mounted at `folder` until the namespace ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def mount(cls, folder: Path, size_mib: int = SIZE_MIB) -> SmallDisk | None:
        """Mount it, if we are in a namespace of our own and there is memory for it; else None."""
        if not os.environ.get(INSIDE) or free_mib() < size_mib + LEFT_MIB:
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
        """Leave nothing while the block runs: the disk shrinks to what is in it.

        Nothing is written, as what is here is memory. Raises OSError where it does not shrink,
        and StaysFull where it does not grow again.
        """
        free = os.statvfs(self.folder)
        whole = free.f_blocks * free.f_frsize
        try:
            self._shrink(whole)
            yield
        finally:
            self._grow(whole)

    def _shrink(self, whole: int) -> None:
        """Others write meanwhile: then it does not become as small as it was just before."""
        for _ in range(_SHRINKING_ATTEMPTS):
            # At least a page: a size of 0 would be none at all.
            if self._resize(max(whole - self.free_bytes, _PAGE_BYTES)):
                return
        raise OSError(f"{self.folder} cannot be made smaller")

    def _grow(self, whole: int) -> None:
        for _ in range(_SHRINKING_ATTEMPTS):
            if self._resize(whole):
                return
            time.sleep(_AGAIN_SECONDS)
        raise StaysFull(f"{self.folder} cannot be made as large as it was")

    def _resize(self, size_bytes: int) -> bool:
        command = ["mount", "-o", f"remount,size={size_bytes}", str(self.folder)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
