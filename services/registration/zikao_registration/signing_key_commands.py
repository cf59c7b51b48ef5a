"""The command with which an operator changes the key of access tokens, while services run.

zikao-registration rotate-signing-key            # one more, which signs in an hour
zikao-registration rotate-signing-key --stolen   # in the place of all there are, now
"""

import asyncio
import os
from pathlib import Path

import asyncpg
import click
from zikao_kit.cli import config_option, refusing_bad_config
from zikao_kit.clock import clock_of
from zikao_kit.config import load_config
from zikao_kit.crypto import KeyFileInvalid, KeyRing
from zikao_kit.migrate import open_database

from zikao_registration.commands.load_signing_keys import add_signing_key, replace_signing_keys
from zikao_registration.config import RegistrationConfig
from zikao_registration.domain.signing_keys import SIGNING_LEAD
from zikao_registration.names import PACKAGE
from zikao_registration.stores.accounts import AccountStore

_EXPECTED = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, KeyFileInvalid)


@click.command("rotate-signing-key")
@config_option
@click.option(
    "--stolen", is_flag=True, help="Trust none of those before: everybody refreshes their token."
)
def rotate_signing_key_command(path: Path | None, *, stolen: bool) -> None:
    """Add a key that signs access tokens in an hour, when all services know it."""
    with refusing_bad_config():
        config = load_config(RegistrationConfig, path, os.environ, PACKAGE.upper())
    try:
        click.echo(asyncio.run(_rotate(config, stolen=stolen)))
    except _EXPECTED as error:
        raise click.ClickException(str(error)) from error


async def _rotate(config: RegistrationConfig, *, stolen: bool) -> str:
    keys, now = KeyRing.from_file(config.key_ring_file), clock_of(config.clock).now()
    async with open_database(config.database, PACKAGE) as db, db.transaction() as tx:
        accounts = AccountStore(tx, keys)
        if stolen:
            key = await replace_signing_keys(accounts, now)
            return f"{key.key_id} signs; tokens of the keys before are refused within seconds"
        key = await add_signing_key(accounts, now)
    return f"{key.key_id} signs from {now + SIGNING_LEAD:%Y-%m-%d %H:%M:%S} UTC on"
