"""The file of a backup: a tar that begins with a manifest, the SHA-256 of all that follows."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from zikao_ctl.layout import InstallationError

FORMAT = 1
MANIFEST = "manifest.json"
PRIVATE = "private.sealed"
BASE, WAL, PG_MANIFEST = "base.tar.gz", "pg_wal.tar.gz", "backup_manifest"
LEDGER, CLOCK = "payment.sqlite", "clock.json"
# An installation whose clock nobody has moved has no file of it.
NEEDED = frozenset({BASE, WAL, PG_MANIFEST, LEDGER, PRIVATE})
KNOWN = NEEDED | {CLOCK}
CHUNK_BYTES = 1 << 20
MANIFEST_LIMIT_BYTES = 1 << 20
# Some hundred keys and certificates; it is held in memory.
PRIVATE_LIMIT_BYTES = 64 << 20
_PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE)


@dataclass(frozen=True)
class Manifest:
    """What a backup holds: `files` are sizes in bytes and SHA-256 by name."""

    zikao: str
    postgres: int
    began_at: str
    taken_at: str
    migrations: Mapping[str, int]
    files: Mapping[str, tuple[int, str]]

    @property
    def bound(self) -> bytes:
        """All that what is encrypted is bound to: everything but itself."""
        others = {name: told for name, told in self.files.items() if name != PRIVATE}
        return json.dumps({**self._told(), "files": others}, sort_keys=True).encode()

    def to_json(self) -> bytes:
        """As it stands in the file."""
        return json.dumps({**self._told(), "files": self.files}, indent=2).encode()

    @property
    def bytes(self) -> int:
        """The size of everything."""
        return sum(size for size, _ in self.files.values())

    def _told(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "zikao": self.zikao,
            "postgres": self.postgres,
            "began_at": self.began_at,
            "taken_at": self.taken_at,
            "migrations": dict(self.migrations),
        }


# Told the manifest and what is encrypted before anything else is unpacked; InstallationError.
Vouch = Callable[[Manifest, bytes], None]


def manifest_from(text: bytes) -> Manifest:
    """Read a manifest. Raises InstallationError for one that is none, or of a newer format."""
    try:
        told = json.loads(text)
        if told["format"] > FORMAT:
            raise InstallationError(f"the backup has format {told['format']}: of a newer zikao")
        files = {name: (int(size), str(digest)) for name, (size, digest) in told["files"].items()}
        migrations = {name: int(number) for name, number in told["migrations"].items()}
        return Manifest(
            told["zikao"], int(told["postgres"]), told["began_at"], told["taken_at"],
            migrations, files,
        )  # fmt: skip
    except (ValueError, KeyError, TypeError) as error:
        raise InstallationError("this is no backup: its manifest cannot be read") from error


def described(folder: Path) -> dict[str, tuple[int, str]]:
    """Sizes and SHA-256 of the files of a folder."""
    return {path.name: _digest_of(path) for path in sorted(folder.iterdir())}


def pack(folder: Path, manifest: Manifest, target: Path) -> None:
    """Write the files of a folder into `target`, whole or not at all. OSError."""
    part = target.with_name(f"{target.name}.part")
    # Outside of the try: a file that another backup is writing is not ours to take away.
    file = part.open("xb")
    try:
        with file:
            os.fchmod(file.fileno(), 0o600)
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
                _write(tar, folder, manifest)
            file.flush()
            os.fsync(file.fileno())
        # A link never takes the place of a file that somebody has made meanwhile.
        os.link(part, target)
    finally:
        part.unlink(missing_ok=True)
    _sync_folder(target.parent)


def unpack(file: Path, folder: Path | None, vouch: Vouch | None = None) -> Manifest:
    """Check everything in a backup, and write it into `folder` if there is one.

    What is encrypted comes first, and opens only for the manifest it was made with: when `vouch`
    has opened it, sizes and digests of all that follows are known to be those of who took it.
    Raises InstallationError where something is missing, cut off, changed or too much.
    """
    try:
        with tarfile.open(file, mode="r:") as tar:
            manifest = _manifest_of(tar)
            _require_known(manifest)
            found = {PRIVATE: _take_private(tar, manifest, folder, vouch)}
            for member in _members(tar, manifest):
                found[member.name] = _take(tar, member, folder)
    except (tarfile.TarError, EOFError) as error:
        raise InstallationError(f"{file}: not a whole backup ({error})") from error
    for name, told in manifest.files.items():
        if found.get(name) != told:
            raise InstallationError(f"{file}: {name} is not what the manifest says")
    return manifest


def _write(tar: tarfile.TarFile, folder: Path, manifest: Manifest) -> None:
    _add(tar, MANIFEST, io.BytesIO(manifest.to_json()), len(manifest.to_json()))
    for name in sorted(manifest.files, key=lambda name: name != PRIVATE):
        with (folder / name).open("rb") as content:
            _add(tar, name, content, manifest.files[name][0])


def _manifest_of(tar: tarfile.TarFile) -> Manifest:
    first = tar.next()
    if first is None or first.name != MANIFEST or first.size > MANIFEST_LIMIT_BYTES:
        raise InstallationError("this is no backup: it does not begin with its manifest")
    _require_plain(first)
    content = tar.extractfile(first)
    return manifest_from(content.read() if content else b"")


def _require_known(manifest: Manifest) -> None:
    names = manifest.files.keys()
    if wrong := (NEEDED - names) | (names - KNOWN):
        raise InstallationError(
            f"this is no backup: its files are odd ({', '.join(sorted(wrong))})"
        )


def _require_plain(member: tarfile.TarInfo) -> None:
    """A sparse member of some bytes may stand for as many terabytes of zeros."""
    if member.type not in _PLAIN or member.sparse is not None:
        raise InstallationError(f"the backup holds {member.name!r}, which is no part of one")


def _require_told(member: tarfile.TarInfo, manifest: Manifest) -> None:
    """Raise InstallationError for what the manifest does not know, or knows of another size."""
    _require_plain(member)
    if member.name not in manifest.files:
        raise InstallationError(f"the backup holds {member.name!r}, which is no part of one")
    if member.size != manifest.files[member.name][0]:
        raise InstallationError(f"{member.name} is not what the manifest says: {member.size} bytes")


def _take_private(
    tar: tarfile.TarFile, manifest: Manifest, folder: Path | None, vouch: Vouch | None
) -> tuple[int, str]:
    member = tar.next()
    if member is None or member.name != PRIVATE or member.size > PRIVATE_LIMIT_BYTES:
        raise InstallationError("this is no backup: its keys do not come first")
    _require_told(member, manifest)
    content = io.BytesIO()
    reader = tar.extractfile(member)
    assert reader is not None
    told = _copy(reader, content)
    if vouch is not None:
        vouch(manifest, content.getvalue())
    with _into(folder, PRIVATE) as file:
        _copy(io.BytesIO(content.getvalue()), file)
    return told


def _members(tar: tarfile.TarFile, manifest: Manifest) -> Iterator[tarfile.TarInfo]:
    seen = {PRIVATE}
    while (member := tar.next()) is not None:
        _require_told(member, manifest)
        if member.name in seen:
            raise InstallationError(f"the backup holds {member.name!r} twice")
        seen.add(member.name)
        yield member


def _take(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path | None) -> tuple[int, str]:
    content = tar.extractfile(member)
    assert content is not None
    with _into(folder, member.name) as write:
        return _copy(content, write)


@contextmanager
def _into(folder: Path | None, name: str) -> Iterator[IO[bytes] | None]:
    if folder is None:
        yield None
        return
    with (folder / name).open("xb") as file:
        yield file


def _copy(content: IO[bytes], to: IO[bytes] | None) -> tuple[int, str]:
    size, digest = 0, hashlib.sha256()
    while chunk := content.read(CHUNK_BYTES):
        size += len(chunk)
        digest.update(chunk)
        if to is not None:
            to.write(chunk)
    return size, digest.hexdigest()


def _digest_of(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        return _copy(file, None)


def _add(tar: tarfile.TarFile, name: str, content: IO[bytes], size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    tar.addfile(member, content)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
