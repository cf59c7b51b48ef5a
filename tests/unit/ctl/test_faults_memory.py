"""How much memory a file system in memory may have."""

from __future__ import annotations

from pathlib import Path

import pytest
from zikao_ctl.faults.disk import INSIDE, LEFT_MIB, SmallDisk
from zikao_ctl.faults.memory import free_mib

MIB = 2**20


def machine(folder: Path, available_mib: int, group: str, **limits: str) -> tuple[Path, Path]:
    """/proc and /sys/fs/cgroup of a machine: its memory, our group, the limits by their paths."""
    proc, cgroups = folder / "proc", folder / "cgroup"
    (proc / "self").mkdir(parents=True)
    (proc / "meminfo").write_text(f"MemTotal: 9 kB\nMemAvailable:   {available_mib * 1024} kB\n")
    (proc / "self" / "cgroup").write_text(f"3:cpu:/x\n{group}\n")
    for path, limit in limits.items():
        file = cgroups / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(limit + "\n")
    return proc, cgroups


@pytest.mark.parametrize(
    ("group", "limits", "expected"),
    [
        ("0::/", {}, 4000),
        ("0::/a/b", {"a/b/memory.max": "max", "memory.max": "max"}, 4000),
        ("0::/a/b", {"a/b/memory.max": "max", "a/memory.max": str(900 * MIB)}, 900),
        ("0::/elsewhere", {"memory.max": str(800 * MIB)}, 800),
        ("4:memory:/a", {"memory/a/memory.limit_in_bytes": str(700 * MIB)}, 700),
        ("4:memory:/a", {"memory/memory.limit_in_bytes": str(2**63 - 4096)}, 4000),
        ("0::/", {"memory.max": str(9000 * MIB)}, 4000),
    ],
)
def test_the_least_bound_counts(
    tmp_path: Path, group: str, limits: dict[str, str], expected: int
) -> None:
    """The machine's or a group's around us, in either version; what is not shown bounds nothing."""
    assert free_mib(*machine(tmp_path, 4000, group, **limits)) == expected


def test_no_small_disk_where_others_would_have_too_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not mounted at all: else the system ends whom it likes."""
    monkeypatch.setenv(INSIDE, "1")
    monkeypatch.setenv("PATH", "")  # whoever tries all the same finds no `mount`
    monkeypatch.setattr("zikao_ctl.faults.disk.free_mib", lambda: 64 + LEFT_MIB - 1)
    assert SmallDisk.mount(tmp_path / "disk", 64) is None
    assert not (tmp_path / "disk").exists()
