"""The `zikao` command."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

import click
from zikao_client import CallFailed
from zikao_kit.audit_verifying import NOT_CHECKED
from zikao_kit.server import run

from zikao_ctl.apply_session import ApplyRefused, apply_session
from zikao_ctl.arrange_command import arrange
from zikao_ctl.audit import admin_dsn_of, exit_code, print_json, print_table, run_audit, time_of
from zikao_ctl.audit_log.command import audit_log
from zikao_ctl.backup.command import backup, restore_command
from zikao_ctl.candidates_file import CandidatesFileError, read_candidates
from zikao_ctl.capacity.command import capacity
from zikao_ctl.demo.command import (
    DEFAULT_OTHERS,
    DEFAULT_OUT,
    DEFAULT_SEED,
    DEFAULT_SESSION,
    FEWEST_OTHERS,
    InvariantsBroken,
    demo,
)
from zikao_ctl.demo.stage import StoryBroken
from zikao_ctl.export_command import export
from zikao_ctl.faults.command import faults
from zikao_ctl.import_candidates import (
    CandidateImport,
    ImportSettings,
    describe_import,
    import_bar,
    write_report,
)
from zikao_ctl.import_sites_command import import_sites_command
from zikao_ctl.import_statement_command import import_statement_command
from zikao_ctl.installation import OPERATOR, Targets, certificate_of
from zikao_ctl.invariants import AuditPlan
from zikao_ctl.layout import DEFAULT_DATA, InstallationError, Layout
from zikao_ctl.login_command import login, logout
from zikao_ctl.long_import import ImportFailed
from zikao_ctl.names_command import names
from zikao_ctl.office_command import office
from zikao_ctl.options import FILE, FOLDER, ROWS_REFUSED, certs_option, report_option, target_option
from zikao_ctl.ports import DEFAULT_PORT_BASE, MAX_PORT_BASE
from zikao_ctl.rehearsal_commands import rush_command
from zikao_ctl.room_command import room
from zikao_ctl.scans_command import scans
from zikao_ctl.session_file import load_session_file
from zikao_ctl.session_reading import SessionFileError
from zikao_ctl.ticket_command import ticket
from zikao_ctl.up import up
from zikao_ctl.verify_ticket_command import fetch_verification_command, verify_ticket_command


@click.group()
def main() -> None:
    """Run, rehearse and check a self-study examination (自考)."""


main.add_command(arrange)
main.add_command(audit_log)
main.add_command(backup)
main.add_command(restore_command)
main.add_command(capacity)
main.add_command(export)
main.add_command(faults)
main.add_command(import_sites_command)
main.add_command(import_statement_command)
main.add_command(fetch_verification_command)
main.add_command(verify_ticket_command)
main.add_command(login)
main.add_command(logout)
main.add_command(office)
main.add_command(names)
main.add_command(ticket)
main.add_command(scans)
main.add_command(room)
main.add_command(rush_command)


@main.command("up", short_help="Run everything on this machine until Ctrl-C.")
@click.option(
    "--data",
    type=FOLDER,
    default=DEFAULT_DATA,
    show_default=True,
    help="Directory of the installation; made if it is not there.",
)
@click.option("--reset", is_flag=True, help="Delete the installation's data first. Asks nothing.")
@click.option(
    "--port-base",
    type=click.IntRange(0, MAX_PORT_BASE),
    default=DEFAULT_PORT_BASE,
    show_default=True,
    help="registration listens on +1, enrollment on +2, tickets on +3, the payment platform on +4, "
    "PostgreSQL on +5, metrics on +11 to +14. 0: free ports, the same ones next time.",
)
@click.option(
    "--database-url",
    metavar="URL",
    envvar="ZIKAO_DATABASE_URL",
    show_envvar=True,
    help="Use this PostgreSQL instead of the embedded one: an administrator's "
    "postgresql://USER:PASSWORD@HOST:PORT/DATABASE. The database is made if it is not there, and "
    "is zikao when the URL names none or postgres.",
)
def up_command(*, data: Path, reset: bool, port_base: int, database_url: str | None) -> None:
    """Run everything on this machine until Ctrl-C, for rehearsals and development.

    Starts PostgreSQL, the three services and a payment platform to rehearse with, and starts again
    what dies. The next time it goes on where it was, even after kill -9. Everything is in --data,
    the keys and certificates included: they are for test data only.
    """
    layout = Layout(data)
    try:
        run(lambda: up(layout, port_base=port_base, database_url=database_url, reset=reset))
    except (InstallationError, OSError) as error:
        raise click.ClickException(str(error)) from error


@main.command("demo", short_help="Play a whole session on this machine.")
@click.option("--out", type=FOLDER, default=DEFAULT_OUT, show_default=True, help="Where it writes.")
@click.option(
    "--session",
    "session_file",
    type=FILE,
    default=DEFAULT_SESSION,
    show_default=True,
    help="Session file to play.",
)
@click.option(
    "--others",
    type=click.IntRange(FEWEST_OTHERS, 5000),
    default=DEFAULT_OTHERS,
    show_default=True,
    help="Candidates beside the first.",
)
@click.option(
    "--seed",
    type=int,
    default=DEFAULT_SEED,
    show_default=True,
    help="The same seed makes up the same people, with the same choices.",
)
def demo_command(*, out: Path, session_file: Path, others: int, seed: int) -> None:
    """Play a whole session on this machine, from the account to the printed ticket.

    Starts an installation of its own in OUT/installation (deleting the last one), moves its
    clock, and ends with the invariants counted in the database. Writes ticket.pdf,
    tickets-county.pdf, verification.zkr and trust.json (for verify-ticket) and summary.json; exit
    0 only when every invariant holds.
    """
    try:
        run(lambda: demo(out, session_file, others, seed))
    except (InstallationError, SessionFileError, ApplyRefused, OSError) as error:
        raise click.ClickException(str(error)) from error
    except (StoryBroken, CallFailed, InvariantsBroken) as error:
        raise click.ClickException(f"{type(error).__name__}: {error}") from error


@main.command(short_help="Make a session what its FILE says, at every service.")
@click.argument("file", type=FILE)
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.option("--check", is_flag=True, help="Only check the file; call no service.")
@target_option("registration", Targets.registration)
@target_option("enrollment", Targets.enrollment)
@target_option("tickets", Targets.tickets)
@certs_option
def apply(
    *,
    file: Path,
    dry_run: bool,
    check: bool,
    registration: str,
    enrollment: str,
    tickets: str,
    certs: Path,
) -> None:
    """Make a session what its FILE says, at every service."""
    try:
        session = load_session_file(file)
        if check:
            click.echo(f"{file}: session {session.code} is in order")
            return
        targets = Targets(registration, enrollment, tickets)
        files = certificate_of(certs, OPERATOR)
        changes = asyncio.run(apply_session(session, targets, files, dry_run=dry_run))
    except (SessionFileError, ApplyRefused, OSError) as error:
        raise click.ClickException(str(error)) from error
    for service, sentences in changes.items():
        click.echo(f"{service}: {'nothing changes' if not sentences else ''}".rstrip())
        for sentence in sentences:
            click.echo(f"  - {sentence}")


@main.command("import-candidates", short_help="Enter older candidates from a CSV FILE.")
@click.argument("file", type=FILE)
@click.option("--photos", type=FOLDER, help="Folder of the photos that FILE names.")
@click.option("--replace", is_flag=True, help="Replace what is there with other content.")
@click.option("--dry-run", is_flag=True, help="Check everything, and enter nothing.")
@click.option("--again", is_flag=True, help="Look at every row anew, also at those that are done.")
@report_option
@target_option("registration", Targets.registration)
@certs_option
def import_candidates_command(
    *,
    file: Path,
    photos: Path | None,
    replace: bool,
    dry_run: bool,
    again: bool,
    report: Path | None,
    registration: str,
    certs: Path,
) -> None:
    """Enter older candidates from a CSV FILE (UTF-8 or GB 18030) with a header.

    Columns, also by their Chinese names: ticket_number, document_type, document_number, name,
    sex, county_code, track, major_code; and, if wanted, mobile, photo (a file's name) and
    has_account. The same command again goes on where the last one ended. Exit 0 when every row is
    there, 3 when some were refused: they are in the report, with all their problems.
    """
    try:
        candidates = read_candidates(file, photos)
        with import_bar(len(candidates.lines)) as (show, say):
            wanted = CandidateImport(candidates, ImportSettings(replace, dry_run, again), show, say)
            imported = asyncio.run(wanted.run(registration, certificate_of(certs, OPERATOR)))
        report = report or file.with_suffix(".problems.csv")
        write_report(imported, report)
    except (CandidatesFileError, ImportFailed, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(describe_import(imported))
    if imported.problems:
        click.echo(f"refused {len(imported.problems)}: {report}")
        sys.exit(ROWS_REFUSED)


@main.command("audit", short_help="Check the invariants of a running system.")
@click.option(
    "--data",
    type=FOLDER,
    default=DEFAULT_DATA,
    show_default=True,
    help="Directory of the installation whose embedded PostgreSQL is audited.",
)
@click.option(
    "--database-url",
    metavar="URL",
    envvar="ZIKAO_DATABASE_URL",
    show_envvar=True,
    help="Audit this database instead: a postgresql:// URL of a role that may read the schemas.",
)
@click.option("--settled", is_flag=True, help="Nothing is on its way: services must agree, too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option(
    "--rest",
    type=click.FloatRange(0, 100),
    default=4.0,
    show_default=True,
    help="Rest so many times as long as each check took.",
)
@click.option(
    "--refund-deadline-hours",
    type=click.FloatRange(0),
    default=24.0,
    show_default=True,
    help="Money that is owed for longer is a violation.",
)
def audit_command(
    *,
    data: Path,
    database_url: str | None,
    settled: bool,
    as_json: bool,
    rest: float,
    refund_deadline_hours: float,
) -> None:
    """Check the invariants of a running system, without locks, one after the other.

    Exit 0 when all hold, 1 when one does not, 2 when one could not be checked.
    """
    try:
        now = time_of(data, database_url)
        plan = AuditPlan(now, timedelta(hours=refund_deadline_hours), rest, settled)
        results = asyncio.run(run_audit(admin_dsn_of(data, database_url), plan))
    except (InstallationError, OSError, ValueError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(NOT_CHECKED)
    if as_json:
        print_json(results, now)
    else:
        print_table(results)
    sys.exit(exit_code(results))


if __name__ == "__main__":
    main()
