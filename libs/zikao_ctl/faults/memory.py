"""How much memory may still be had here: of the machine, and of what a container is given."""

from __future__ import annotations

from pathlib import Path

PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")
# Of control groups, versions 2 and 1; where there is no bound, version 2 says "max".
_LIMITS = ("memory.max", "memory.limit_in_bytes")


def free_mib(proc: Path = PROC, cgroups: Path = CGROUPS) -> int:
    """What is available, but no more than the least limit of the groups that we are in."""
    lines = (proc / "meminfo").read_text(encoding="ascii").splitlines()
    sizes = {name: value for name, _, value in (line.partition(":") for line in lines)}
    available = int(sizes["MemAvailable"].split()[0]) * 1024
    return min([available, *_limits(proc, cgroups)]) // 2**20


def _limits(proc: Path, cgroups: Path) -> list[int]:
    """Of our groups and those around them, in bytes; what the system does not show is left out."""
    found = []
    for line in (proc / "self" / "cgroup").read_text(encoding="utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):
            top = cgroups / controllers
            own = top / path.lstrip("/")
            for group in (own, *own.parents):
                found += [_limit(group / name) for name in _LIMITS if (group / name).is_file()]
                if group == top:
                    break
    return [limit for limit in found if limit is not None]


def _limit(file: Path) -> int | None:
    said = file.read_text(encoding="ascii").strip()
    return int(said) if said.isdigit() else None
