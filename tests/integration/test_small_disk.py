"""The small disk of a database that is broken on purpose."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from zikao_ctl.faults.disk import can_enter

# In a mount namespace of its own, which only a program can enter that starts again.
PROGRAM = """
import errno, os, sys
from pathlib import Path
from zikao_ctl.faults.disk import SmallDisk, enter

def used():
    now = os.statvfs(disk.folder)
    return (now.f_blocks - now.f_bfree) * now.f_frsize

enter()
disk = SmallDisk.mount(Path(sys.argv[1]), size_mib=64)
if disk is None:
    sys.exit("none")
(disk.folder / "data").write_bytes(bytes(100_000))
before = used()
with disk.filled():
    assert used() == before, "memory was taken"
    try:
        (disk.folder / "more").write_bytes(bytes(8192))
    except OSError as error:
        assert error.errno == errno.ENOSPC
    else:
        sys.exit("there was room")
(disk.folder / "more").write_bytes(bytes(8192))
sys.exit("full for a while")
"""


def test_it_is_full_without_being_filled(tmp_path: Path) -> None:
    """Not a byte can be written, no memory is used for that, and afterwards there is room again."""
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ("full for a while" if can_enter() else "none")
