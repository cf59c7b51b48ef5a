"""Makes an installation from a backup: everything is checked before anything is touched."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from backports import tarfile  # the filters of 3.12, also before Python 3.11.4
from zikao_kit.migration_files import load_migrations

from zikao_ctl.backup.archive import (
    BASE,
    CLOCK,
    LEDGER,
    PG_MANIFEST,
    WAL,
    Manifest,
    unpack,
)
from zikao_ctl.backup.passphrase import unseal
from zikao_ctl.backup.private import unpack_private, write_private
from zikao_ctl.backup.programs import run_program
from zikao_ctl.embedded_postgres_binaries import account_for
from zikao_ctl.layout import InstallationError, Layout, Mark

EMBEDDED = "embedded"
_RELEASE = re.compile(r"\d+(?:\.\d+)*")
Say = Callable[[str], None]


def check(file: Path, passphrase: bytes) -> Manifest:
    """Check a backup, also whether the passphrase opens it; write nothing. InstallationError."""
    return _read(file, passphrase, None)[0]


async def restore(
    file: Path, layout: Layout, passphrase: bytes, say: Say, *, reset: bool
) -> Manifest:
    """Put what a backup holds into an installation's folder, which must be empty or `reset`.

    Until all of it is there beside the folder, and PostgreSQL's own check has passed, the folder
    stays as it is. Raises InstallationError, OSError.
    """
    refuse_occupied(layout, reset=reset)
    layout.data.parent.mkdir(parents=True, exist_ok=True)
    with _beside(layout) as building:
        manifest = await asyncio.to_thread(_build, file, building, passphrase, say)
        await run_program(
            building.postgres,
            "pg_verifybackup",
            f"--manifest-path={building.data / PG_MANIFEST}",
            "--quiet",
            str(building.postgres / "pgdata"),
        )
        (building.data / PG_MANIFEST).unlink()
        _give_away(building.postgres)
        with layout.claimed(reset=reset):
            _move(building, layout)
            layout.write_mark(Mark(database=EMBEDDED))
    return manifest


def refuse_occupied(layout: Layout, *, reset: bool) -> None:
    """Raise InstallationError for a folder with something in it, unless it may be deleted."""
    if not reset and layout.data.exists() and any(layout.data.iterdir()):
        raise InstallationError(
            f"{layout.data} is not empty: give another --data, or --reset to delete what is there"
        )


@contextmanager
def _beside(layout: Layout) -> Iterator[Layout]:
    """A folder on the same disk, gone at the end with what was not moved."""
    folder = Path(tempfile.mkdtemp(prefix=f".{layout.data.name}.", dir=layout.data.parent))
    try:
        yield Layout(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _build(file: Path, building: Layout, passphrase: bytes, say: Say) -> Manifest:
    parts = building.data / "parts"
    parts.mkdir()
    manifest, private = _read(file, passphrase, parts)
    say(f"{file.name} is whole: taken at {manifest.taken_at} by zikao {manifest.zikao}")
    building.postgres.mkdir(mode=0o700)
    # Without it the folder would be taken for somebody else's.
    (building.postgres / "lock").touch(mode=0o600)
    write_private(private, building.data)
    pgdata = building.postgres / "pgdata"
    pgdata.mkdir(mode=0o700)
    _extract(parts / BASE, pgdata)
    _extract(parts / WAL, pgdata / "pg_wal")
    building.payment_ledger.parent.mkdir()
    (parts / LEDGER).replace(building.payment_ledger)
    (parts / PG_MANIFEST).replace(building.data / PG_MANIFEST)
    if CLOCK in manifest.files:
        building.clock_file.parent.mkdir()
        (parts / CLOCK).replace(building.clock_file)
    shutil.rmtree(parts)
    say("the database is unpacked")
    return manifest


def _read(
    file: Path, passphrase: bytes, folder: Path | None
) -> tuple[Manifest, Mapping[str, bytes]]:
    """Check a backup, and write its parts; none before the passphrase has opened what it seals."""
    private: dict[str, bytes] = {}

    def vouch(manifest: Manifest, sealed: bytes) -> None:
        _require_readable(manifest)
        private.update(unpack_private(unseal(sealed, passphrase, manifest.bound)))

    return unpack(file, folder, vouch), private


def _extract(archive: Path, folder: Path) -> None:
    try:
        with tarfile.open(archive, mode="r:gz") as tar:
            tar.extractall(folder, filter="data")
    except (tarfile.TarError, EOFError) as error:
        raise InstallationError(f"{archive.name} cannot be unpacked ({error})") from error
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)


def _require_readable(manifest: Manifest) -> None:
    """What a newer zikao has written may mean what this one does not know."""
    if _release(manifest.zikao) > _release(version("zikao")):
        raise InstallationError(
            f"the backup was taken by zikao {manifest.zikao}, and this is {version('zikao')}"
        )
    for service, number in manifest.migrations.items():
        known = max(each.number for each in load_migrations(f"zikao_{service}"))
        if number > known:
            raise InstallationError(
                f"the backup has migration {number:04} of {service}, this zikao only {known:04}"
            )
    (major, *_) = _release(version("embedded-postgres"))
    if manifest.postgres != major:
        raise InstallationError(
            f"the backup is of PostgreSQL {manifest.postgres}, and this is {major}"
        )


def _release(text: str) -> tuple[int, ...]:
    found = _RELEASE.match(text)
    return tuple(map(int, found[0].split("."))) if found else ()


def _give_away(postgres: Path) -> None:
    """As root the cluster belongs to whom PostgreSQL runs as."""
    account = account_for(postgres)
    if account is not None:
        for path in (postgres, *postgres.rglob("*")):
            os.chown(path, account.uid, account.gid)


def _move(building: Layout, layout: Layout) -> None:
    for path in building.data.iterdir():
        path.replace(layout.data / path.name)
