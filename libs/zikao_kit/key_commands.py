"""Commands with which an operator rotates the key of personal data, while services run.

    zikao-registration rotate-key --prepare    # one key more; give the file to all machines
    zikao-registration rotate-key              # encrypt with it from now on
    zikao-registration reencrypt               # what older keys have encrypted
    zikao-registration retire-key k1           # refused while anything needs it

A service reads its key file again within seconds, and at once for a key it does not know.
Where all processes read one file, `--prepare` may be left out. The file keeps its owner and mode;
who may not give it to its owner is refused, and nothing has changed.
"""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

import asyncpg
import click
import structlog

from zikao_kit.cli import ServiceConfig, config_option, refusing_bad_config
from zikao_kit.config import load_config
from zikao_kit.crypto import DecryptionFailed, KeyFileInvalid, KeyRing
from zikao_kit.reencryption import SealedColumn, count_by_key, reencrypt

KEY_RING_PAUSE_SECONDS = 5.0
# By then every process has read the key file again, and encrypts with no older key.
RETIRE_AFTER_SECONDS = 120.0
_EXPECTED = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    OSError,
    DecryptionFailed,
    KeyFileInvalid,
)
log = structlog.get_logger()


class SealingConfig(ServiceConfig, Protocol):
    """What the commands need of a service's configuration."""

    @property
    def key_ring_file(self) -> Path:
        """The keys of personal data."""
        ...


C = TypeVar("C", bound=SealingConfig)


class KeyRingWatch:
    """Background work: takes over what the key file says by now."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    async def work(self) -> bool:
        """Read the file; always False: there is never more at once."""
        try:
            await asyncio.to_thread(self._keys.refresh)
        except KeyFileInvalid as error:
            # No traceback: it would say no more than the message, which names no key.
            log.error("key file not used, old keys stay", cause=str(error))  # noqa: TRY400
        return False


def add_key_commands(
    main: click.Group, package: str, config_type: type[C], columns: Sequence[SealedColumn]
) -> None:
    """Give the command of a service `rotate-key`, `reencrypt` and `retire-key`."""

    def configured(path: Path | None) -> C:
        with refusing_bad_config():
            return load_config(config_type, path, os.environ, package.upper())

    @main.command("rotate-key")
    @config_option
    @click.option("--prepare", is_flag=True, help="Only add the key; the next call uses it.")
    def rotate_command(path: Path | None, *, prepare: bool) -> None:
        """Encrypt with a new key from now on; the old ones still decrypt."""
        config = configured(path)
        with _refusing():
            click.echo(_rotate(config.key_ring_file, prepare=prepare))

    @main.command("reencrypt")
    @config_option
    @click.option("--dry-run", is_flag=True, help="Only count by key.")
    def reencrypt_command(path: Path | None, *, dry_run: bool) -> None:
        """Bring everything in the database under the current key; may be begun again."""
        config = configured(path)
        keys, dsn = _ring(config.key_ring_file), config.database.resolved_dsn()
        with _refusing():
            if not dry_run:
                asyncio.run(reencrypt(dsn, keys, columns, _to_stderr))
            _tell_counts(dsn, keys, columns)

    @main.command("retire-key")
    @config_option
    @click.argument("key_id")
    def retire_command(path: Path | None, key_id: str) -> None:
        """Take a key that nothing needs any more out of the key file."""
        config = configured(path)
        keys = _ring(config.key_ring_file)
        _require_retirable(keys, key_id)
        with _refusing():
            _require_settled(config.key_ring_file)
            counts = asyncio.run(count_by_key(config.database.resolved_dsn(), columns))
            if held := counts.get(key_id):
                raise click.ClickException(f"{held.total()} values need {key_id}: run reencrypt")
            _replace(config.key_ring_file, keys.without(key_id))
        click.echo(f"{key_id} is gone; the keys are {', '.join(keys.without(key_id).key_ids)}")


def _rotate(path: Path, *, prepare: bool) -> str:
    keys = _ring(path)
    newest = keys.key_ids[-1]
    if prepare and newest != keys.current:
        raise click.ClickException(f"{newest} is prepared already")
    if newest == keys.current:
        keys = keys.with_new_key()
        newest = keys.key_ids[-1]
    _replace(path, keys if prepare else keys.using(newest))
    if prepare:
        return f"{newest} is added. Give the file to every machine, then run rotate-key again."
    return (
        f"{newest} encrypts from now on; services see it within seconds. "
        "Then run reencrypt, and retire-key for each older key."
    )


def _ring(path: Path) -> KeyRing:
    try:
        return KeyRing.from_file(path)
    except KeyFileInvalid as error:
        raise click.ClickException(str(error)) from error


def _require_retirable(keys: KeyRing, key_id: str) -> None:
    """Refuse what no waiting and no reencrypt would help."""
    if key_id not in keys.key_ids:
        problem = f"there is no key {key_id}; the keys are {', '.join(keys.key_ids)}"
        raise click.ClickException(problem)
    if key_id == keys.current:
        raise click.ClickException(f"{key_id} encrypts: run rotate-key and reencrypt first")
    if keys.key_ids.index(key_id) > keys.key_ids.index(keys.current):
        raise click.ClickException(f"{key_id} is prepared: rotate-key uses it next")


def _require_settled(path: Path) -> None:
    left = path.stat().st_mtime + RETIRE_AFTER_SECONDS - time.time()
    if left > 0:
        problem = f"services may still use the keys of before: come again in {left:.0f} seconds"
        raise click.ClickException(problem)


def _replace(path: Path, keys: KeyRing) -> None:
    """All or nothing: whoever reads the file meanwhile sees the old keys or the new ones."""
    # A link stays a link: to one file of all services, or to where secrets are mounted.
    file = path.resolve(strict=True)
    unfinished = file.with_name(f"{file.name}.new")
    unfinished.unlink(missing_ok=True)
    keys.write(unfinished)
    _give_to_readers_of(file, unfinished)
    unfinished.replace(file)
    _sync_folder(file.parent)


def _give_to_readers_of(file: Path, unfinished: Path) -> None:
    """Owner and mode of the one are the other's: the service can read no other file."""
    before = file.stat()
    try:
        os.chown(unfinished, before.st_uid, before.st_gid)
        unfinished.chmod(stat.S_IMODE(before.st_mode))
    except OSError:
        unfinished.unlink()
        raise


def _sync_folder(folder: Path) -> None:
    """Else a power cut may bring the old file back, without the key that has encrypted since."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _tell_counts(dsn: str, keys: KeyRing, columns: Sequence[SealedColumn]) -> None:
    counts = asyncio.run(count_by_key(dsn, columns))
    for key_id in sorted({*keys.key_ids, *counts}):
        held = counts.get(key_id)
        click.echo(f"{key_id}: {held.total() if held else 0}")
        for column, count in sorted(held.items(), key=lambda item: str(item[0])) if held else ():
            click.echo(f"  {column}: {count}")


def _to_stderr(line: str) -> None:
    click.echo(line, err=True)


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except _EXPECTED as error:
        raise click.ClickException(f"{type(error).__name__}: {error}") from error
