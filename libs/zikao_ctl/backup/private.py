"""What of an installation must not be seen: keys, passwords, certificates, configuration."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from zikao_ctl.layout import InstallationError, Layout

# As they are below an installation's folder. Configuration is written anew at each start, and kept
# for whoever wants to know what it was.
FOLDERS = ("secrets", "certs", "config")
DATABASE_PASSWORD = "postgres/password"  # noqa: S105 - a file's name
OWNER_ONLY = 0o600


def read_private(layout: Layout) -> Mapping[str, bytes]:
    """The files, by path below the installation. OSError."""
    paths = [path for name in FOLDERS for path in sorted((layout.data / name).iterdir())]
    found = {
        path.relative_to(layout.data).as_posix(): path.read_bytes()
        for path in paths
        # One that is being written has a name of its own until it is whole.
        if path.is_file() and not path.name.startswith(".")
    }
    return {**found, DATABASE_PASSWORD: (layout.postgres / "password").read_bytes()}


def pack_private(files: Mapping[str, bytes]) -> bytes:
    """All of them as one tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), OWNER_ONLY
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def unpack_private(content: bytes) -> Mapping[str, bytes]:
    """The files again. Raises InstallationError for a path that is none of them."""
    files: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
        for member in tar:
            path = PurePosixPath(member.name)
            known = len(path.parts) == 2 and path.parts[0] in FOLDERS
            if not member.isreg() or not (known or member.name == DATABASE_PASSWORD):
                raise InstallationError(
                    f"the backup holds {member.name!r}, which is no part of one"
                )
            reader = tar.extractfile(member)
            files[member.name] = reader.read() if reader else b""
    return files


def write_private(files: Mapping[str, bytes], folder: Path) -> None:
    """Write them below `folder`, for its owner alone. OSError."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=OWNER_ONLY)
        path.write_bytes(content)
