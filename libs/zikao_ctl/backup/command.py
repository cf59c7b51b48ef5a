"""`zikao backup` and `zikao restore`."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import click
from zikao_kit.audit_verifying import CLEAN, Plan
from zikao_kit.clock import OffsetClock
from zikao_kit.server import run

from zikao_ctl.audit import exit_code, print_table, run_audit
from zikao_ctl.audit_log.command import print_verdicts, verify_all
from zikao_ctl.backup.archive import Manifest
from zikao_ctl.backup.passphrase import read_passphrase
from zikao_ctl.backup.restoring import check, refuse_occupied, restore
from zikao_ctl.backup.taking import MEBIBYTE, look, refuse_existing, take
from zikao_ctl.installation import Installation, run_installation
from zikao_ctl.invariants import RUNNING_REFUND_DEADLINE, AuditPlan
from zikao_ctl.layout import DEFAULT_DATA, InstallationError, Layout
from zikao_ctl.options import FILE, FOLDER
from zikao_ctl.ports import DEFAULT_PORT_BASE, MAX_PORT_BASE
from zikao_ctl.up import progress

# What became due while nothing ran is done within seconds of the start.
SETTLING_SECONDS = 60.0
POLL_SECONDS = 1.0
NOT_CLEAN = 1

passphrase_option = click.option(
    "--passphrase-file",
    type=FILE,
    required=True,
    help="File with the passphrase that keys, passwords and certificates are encrypted with. Keep"
    " it apart: a backup without it is worth nothing.",
)
_data_option = click.option(
    "--data",
    type=FOLDER,
    default=DEFAULT_DATA,
    show_default=True,
    help="Directory of the installation.",
)


@click.command("backup", short_help="Write a running installation into FILE.")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@_data_option
@passphrase_option
@click.option("--dry-run", is_flag=True, help="Say what would be done, and write nothing.")
def backup(*, file: Path, data: Path, passphrase_file: Path, dry_run: bool) -> None:
    """Write an installation of `zikao up` into FILE while it runs.

    Database, payment ledger and clock as of one moment, and keys, passwords and certificates,
    encrypted. FILE is there whole or not at all, and never replaces another.
    """
    try:
        passphrase = read_passphrase(passphrase_file)
        layout, say = Layout(data), progress("backup")
        file = file.absolute()
        refuse_existing(file)
        if dry_run:
            size = asyncio.run(look(layout)).bytes
            click.echo(f"{file}: would be made from {size / MEBIBYTE:.0f} MiB; nothing is written")
            return
        taken: list[Manifest] = []

        async def work() -> None:
            taken.append(await take(layout, file, passphrase, say))

        run(work)
    except (InstallationError, OSError) as error:
        raise click.ClickException(str(error)) from error
    if not taken:
        raise click.ClickException("interrupted: nothing was written")
    say(f"{file}: {taken[0].bytes / MEBIBYTE:.1f} MiB, the database as of {taken[0].taken_at}")


@click.command("restore", short_help="Make an installation from a backup, and check it.")
@click.argument("file", type=FILE)
@_data_option
@passphrase_option
@click.option("--reset", is_flag=True, help="Delete what is in --data first, once FILE is checked.")
@click.option("--dry-run", is_flag=True, help="Check FILE and passphrase, and change nothing.")
@click.option(
    "--port-base",
    type=click.IntRange(0, MAX_PORT_BASE),
    default=DEFAULT_PORT_BASE,
    show_default=True,
    help="Where it listens while it is checked, as of `zikao up`. 0: free ports.",
)
def restore_command(
    *, file: Path, data: Path, passphrase_file: Path, reset: bool, dry_run: bool, port_base: int
) -> None:
    """Make an installation from the backup in FILE, start it, and check everything.

    FILE is checked before --data is touched. Then the installation is started, `zikao audit` and
    `zikao audit-log verify` are run, and it is stopped again; `zikao up` starts it. Exit 0 when
    everything holds, 1 when something does not.
    """
    codes: list[int] = []
    try:
        passphrase = read_passphrase(passphrase_file)
        layout, say = Layout(data), progress("restore")
        refuse_occupied(layout, reset=reset)
        if dry_run:
            manifest = check(file, passphrase)
            click.echo(f"{file}: is whole, taken at {manifest.taken_at}; nothing is changed")
            return

        async def work() -> None:
            await restore(file, layout, passphrase, say, reset=reset)
            async with run_installation(layout, port_base=port_base, say=say) as installation:
                codes.append(await examine(installation))

        run(work)
    except (InstallationError, OSError) as error:
        raise click.ClickException(str(error)) from error
    if not codes:
        raise click.ClickException("interrupted: what was restored has not been checked")
    if codes != [CLEAN]:
        click.echo("Error: what was restored does not hold", err=True)
        sys.exit(NOT_CLEAN)
    say(f"{data} is restored, and everything holds; zikao up starts it")


async def examine(installation: Installation) -> int:
    """Check every invariant and every chain of a running installation; print, return exit code."""
    end = time.monotonic() + SETTLING_SECONDS
    while True:
        now = OffsetClock(installation.clock_file).now()
        plan = AuditPlan(now, RUNNING_REFUND_DEADLINE, rest_factor=0)
        results = await run_audit(installation.admin_dsn, plan)
        verdicts = await verify_all(installation.admin_dsn, None, Plan(now, SETTLING_SECONDS))
        code = exit_code(results) or int(any(each.problems for each in verdicts))
        if code == CLEAN or time.monotonic() > end:
            print_table(results)
            print_verdicts(verdicts)
            return code
        await asyncio.sleep(POLL_SECONDS)
