"""`zikao-registration verify-audit-log`: the service's own chain, by its own configuration.

The configuration's DSN may be of a role that only reads (docs/audit-log.md). For all services at
once, and against heads that were seen before, there is `zikao audit-log verify`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import asyncpg
import click

from zikao_kit.audit_reading import Table, open_readers
from zikao_kit.audit_verifying import CLEAN, NOT_CHECKED, VIOLATED, Plan, Verdict, told, verify
from zikao_kit.cli import ServiceConfig, config_option, refusing_bad_config
from zikao_kit.config import load_config

MAX_UNSEALED_SECONDS = 60.0

C = TypeVar("C", bound=ServiceConfig)


def add_audit_command(group: click.Group, package: str, config_type: type[C], table: Table) -> None:
    """Add the command to a service's own; `table` is where the service has its audit."""

    @group.command("verify-audit-log")
    @config_option
    @click.option(
        "--max-unsealed",
        type=click.FloatRange(0),
        default=MAX_UNSEALED_SECONDS,
        show_default=True,
        help="Seconds that an entry may wait for the chain.",
    )
    def command(path: Path | None, max_unsealed: float) -> None:
        """Follow the chain of the service's audit to its end, without locks; print JSON.

        Exit 0 when it holds, 1 when it does not, 2 when it could not be checked.
        """
        with refusing_bad_config():
            config = load_config(config_type, path, os.environ, package.upper())
            dsn = config.database.resolved_dsn()
        try:
            verdict = asyncio.run(_verify(dsn, table, max_unsealed))
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            click.echo(f"Error: not checked: {type(error).__name__}: {error}", err=True)
            sys.exit(NOT_CHECKED)
        if verdict is None:
            click.echo(f"Error: not checked: no schema {table.service} in this database", err=True)
            sys.exit(NOT_CHECKED)
        content = {"service": verdict.service, **told(verdict)}
        # A line, as logs are.
        click.echo(json.dumps(content, ensure_ascii=False))
        sys.exit(VIOLATED if verdict.problems else CLEAN)


async def _verify(dsn: str, table: Table, max_unsealed_seconds: float) -> Verdict | None:
    plan = Plan(datetime.now(UTC), max_unsealed_seconds)
    async with open_readers(dsn, [table]) as readers:
        for reader in readers:
            return await verify(reader, (), plan)
    return None
