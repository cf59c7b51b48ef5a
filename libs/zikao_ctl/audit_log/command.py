"""`zikao audit-log verify` and `export`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import click
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress
from rich.table import Table
from zikao_enrollment.audit_table import AUDIT as ENROLLMENT
from zikao_kit.audit_chain import Break
from zikao_kit.audit_command import MAX_UNSEALED_SECONDS
from zikao_kit.audit_reading import open_readers
from zikao_kit.audit_verifying import (
    CLEAN,
    NOT_CHECKED,
    VIOLATED,
    OnProgress,
    Plan,
    Verdict,
    told,
    verify,
)
from zikao_registration.audit_table import AUDIT as REGISTRATION
from zikao_tickets.audit_table import AUDIT as TICKETS

from zikao_ctl.audit import admin_dsn_of, time_of
from zikao_ctl.audit_log.export import export
from zikao_ctl.audit_log.witness import WitnessFile
from zikao_ctl.layout import DEFAULT_DATA, InstallationError
from zikao_ctl.options import FOLDER

TABLES = (REGISTRATION, ENROLLMENT, TICKETS)
NEW_FILE = click.Path(dir_okay=False, path_type=Path)
_Decorator = Callable[[Callable[..., None]], Callable[..., None]]


@click.group("audit-log", short_help="Check the chains of the services' audits.")
def audit_log() -> None:
    """Check the chains of hashes that the services' audits are in, and take them elsewhere."""


def _where(command: Callable[..., None]) -> Callable[..., None]:
    for option in (_DATABASE_URL, _DATA):
        command = option(command)
    return command


_DATA: _Decorator = click.option(
    "--data",
    type=FOLDER,
    default=DEFAULT_DATA,
    show_default=True,
    help="Directory of the installation whose embedded PostgreSQL is read.",
)
_DATABASE_URL: _Decorator = click.option(
    "--database-url",
    metavar="URL",
    envvar="ZIKAO_DATABASE_URL",
    show_envvar=True,
    help="Read this database instead: a postgresql:// URL of a role that may read the schemas.",
)


@audit_log.command("verify", short_help="Follow every chain from its beginning to its end.")
@_where
@click.option(
    "--checkpoint",
    type=NEW_FILE,
    help="FILE of heads seen before: the chains must still have them. Where all is well, today's"
    " are added. Keep it where nobody of the database can change it.",
)
@click.option(
    "--since-checkpoint", is_flag=True, help="Follow the chains only from the last heads in FILE."
)
@click.option(
    "--max-unsealed",
    type=click.FloatRange(0),
    default=MAX_UNSEALED_SECONDS,
    show_default=True,
    help="Seconds that an entry may wait for the chain.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def verify_command(
    *,
    data: Path,
    database_url: str | None,
    checkpoint: Path | None,
    since_checkpoint: bool,
    max_unsealed: float,
    as_json: bool,
) -> None:
    """Follow every chain from its beginning to its end, without locks.

    Exit 0 when all hold, 1 when one does not, 2 when one could not be checked.
    """
    if since_checkpoint and checkpoint is None:
        raise click.UsageError("--since-checkpoint needs --checkpoint FILE")
    try:
        plan = Plan(time_of(data, database_url), max_unsealed, since_checkpoint)
        witness = None if checkpoint is None else WitnessFile(checkpoint)
        verdicts = asyncio.run(verify_all(admin_dsn_of(data, database_url), witness, plan))
        clean = not any(each.problems for each in verdicts)
        if witness is not None and clean:
            heads = {each.service: each.head for each in verdicts if each.head is not None}
            witness.write(plan.now, heads)
    except (InstallationError, OSError, ValueError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(NOT_CHECKED)
    (_print_json if as_json else print_verdicts)(verdicts)
    sys.exit(CLEAN if clean else VIOLATED)


@audit_log.command("export", short_help="Write all sealed entries to FILE, a line of JSON each.")
@click.argument("file", type=NEW_FILE)
@_where
def export_command(*, file: Path, data: Path, database_url: str | None) -> None:
    """Write all sealed entries to FILE, a line of JSON each.

    Whoever has FILE can check it without this program: docs/audit-log.md says how.
    """
    try:
        count = asyncio.run(_export(admin_dsn_of(data, database_url), file))
    except (InstallationError, OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{file}: {count} entries")


async def verify_all(
    admin_dsn: str, witness: WitnessFile | None = None, plan: Plan | None = None
) -> Sequence[Verdict]:
    """Check the chains of the services whose schemas are in the database.

    Raises InstallationError where that cannot be done.
    """
    plan = plan or Plan(time_of(Path(), admin_dsn), MAX_UNSEALED_SECONDS)
    with _explained():
        async with open_readers(admin_dsn, TABLES) as readers:
            if not readers:
                known = ", ".join(table.service for table in TABLES)
                raise InstallationError(f"no schema of {known} in this database")
            with _bars() as show:
                return [
                    await verify(each, witness.of(each.service) if witness else (), plan, show)
                    for each in readers
                ]


async def _export(admin_dsn: str, file: Path) -> int:
    with _explained():
        async with open_readers(admin_dsn, TABLES) as readers:
            return await export(readers, file)


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except asyncpg.UndefinedTableError as error:
        message = f"{error}: the service's migrations have not made its chain yet"
        raise InstallationError(message) from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        message = f"the database cannot be used: {type(error).__name__}: {error}"
        raise InstallationError(message) from error


@contextmanager
def _bars() -> Iterator[OnProgress]:
    """A bar for each service, on a terminal."""
    console = Console(stderr=True)
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        tasks = {table.service: bar.add_task(table.service, total=None) for table in TABLES}

        def show(service: str, number: int, last: int) -> None:
            total = max(last, bar.tasks[tasks[service]].total or 0)
            bar.update(tasks[service], completed=number, total=total)

        yield show


def _print_json(verdicts: Sequence[Verdict]) -> None:
    services = {each.service: told(each) for each in verdicts}
    sys.stdout.write(json.dumps({"services": services}, ensure_ascii=False, indent=2) + "\n")


def print_verdicts(verdicts: Sequence[Verdict]) -> None:
    """A line for each service, and where its chain does not hold."""
    table = Table("服务 service", "条目 entries", "未入链 unsealed", "秒 s", "问题 problems")
    for each in verdicts:
        colour = "red" if each.problems else "green"
        told = "\n".join(map(_sentence, each.problems)) or f"完好 {_short_head(each)}"
        counts = (str(each.entries), str(each.waiting.entries), f"{each.seconds:.2f}")
        table.add_row(each.service, *counts, f"[{colour}]{told}[/]")
    Console().print(table)


def _short_head(verdict: Verdict) -> str:
    found = verdict.head
    return "" if found is None else f"{found.head.number}: {found.head.hash.hex()}"


def _sentence(problem: Break) -> str:
    where = [f"number {problem.number}"] if problem.number else []
    where += [f"entry {problem.audit_id}"] if problem.audit_id is not None else []
    return f"{', '.join(where)}: {problem.reason}" if where else problem.reason
