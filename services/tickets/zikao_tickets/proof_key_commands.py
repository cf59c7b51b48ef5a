"""Commands with which an operator changes the key that signs tickets, while services run.

    zikao-tickets rotate-proof-key            # one more, which signs in a day
    zikao-tickets retire-proof-key 202203-1   # refused while a ticket in force needs it

Scanners hear of a new key by the lists they fetch, hence the day: a scanner that has fetched no
list in between does not know it. A stolen key is rotated with `--now` and retired.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import asyncpg
import click
from zikao_kit.cli import config_option, refusing_bad_config
from zikao_kit.clock import clock_of
from zikao_kit.config import load_config
from zikao_kit.crypto import KeyFileInvalid, KeyRing
from zikao_kit.db import Transaction
from zikao_kit.migrate import open_database

from zikao_tickets.commands.rotate_proof_key import retire_proof_key, rotate_proof_key
from zikao_tickets.config import PROOF_KEYS_PAUSE_SECONDS, TicketsConfig
from zikao_tickets.domain.proof_key import KeysRefused
from zikao_tickets.names import PACKAGE
from zikao_tickets.stores.proof_keys import ProofKeyStore
from zikao_tickets.stores.versions import VersionStore

# By then every process has read the keys: nobody signs with one that another does not know.
AT_ONCE = timedelta(seconds=4 * PROOF_KEYS_PAUSE_SECONDS)
_EXPECTED = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, KeyFileInvalid, KeysRefused)
T = TypeVar("T")


@click.command("rotate-proof-key")
@config_option
@click.option(
    "--now", "at_once", is_flag=True, help="Sign with it in two minutes: a key is stolen."
)
def rotate_proof_key_command(path: Path | None, *, at_once: bool) -> None:
    """Add a key that signs tickets after `proof_key_lead_hours`; the old ones still verify."""
    config = _configured(path)
    lead = AT_ONCE if at_once else timedelta(hours=config.proof_key_lead_hours)

    async def work(_: Transaction, store: ProofKeyStore, now: datetime) -> str:
        key = await rotate_proof_key(store, max(lead, AT_ONCE), now)
        return (
            f"{key.key_id} signs from {key.signs_from:%Y-%m-%d %H:%M:%S} UTC on; "
            "scanners must fetch a list before"
        )

    click.echo(_run(config, work))


@click.command("retire-proof-key")
@config_option
@click.argument("key_id")
@click.option("--reissue", is_flag=True, help="Replace the tickets that need it by new versions.")
def retire_proof_key_command(path: Path | None, key_id: str, *, reissue: bool) -> None:
    """Let nothing that KEY_ID has signed count any more."""

    async def work(tx: Transaction, store: ProofKeyStore, now: datetime) -> str:
        versions = VersionStore(tx)
        count = await retire_proof_key(store, versions, key_id, now, reissue=reissue)
        return f"{key_id} is retired; {count} tickets must be printed again"

    click.echo(_run(_configured(path), work))


def _configured(path: Path | None) -> TicketsConfig:
    with refusing_bad_config():
        return load_config(TicketsConfig, path, os.environ, PACKAGE.upper())


Work = Callable[[Transaction, ProofKeyStore, datetime], Awaitable[T]]


def _run(config: TicketsConfig, work: Work[T]) -> T:
    async def in_transaction() -> T:
        keys, now = KeyRing.from_file(config.key_ring_file), clock_of(config.clock).now()
        async with open_database(config.database, PACKAGE) as db, db.transaction() as tx:
            return await work(tx, ProofKeyStore(tx, keys), now)

    with _refusing():
        return asyncio.run(in_transaction())


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except _EXPECTED as error:
        raise click.ClickException(str(error)) from error
