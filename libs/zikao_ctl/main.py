"""The `zikao` command."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from zikao_ctl import installation
from zikao_ctl.apply_session import ApplyRefused, apply_session
from zikao_ctl.session_file import load_session_file
from zikao_ctl.session_reading import SessionFileError
from zikao_ctl.verify_ticket import (
    TicketRefused,
    VerificationFileError,
    describe_proof,
    verify_ticket,
)

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group()
def main() -> None:
    """Run, rehearse and check a self-study examination (自考)."""


@main.command()
@click.argument("file", type=FILE)
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.option("--check", is_flag=True, help="Only check the file; call no service.")
@click.option("--registration", default=installation.REGISTRATION_TARGET, show_default=True)
@click.option("--enrollment", default=installation.ENROLLMENT_TARGET, show_default=True)
@click.option("--tickets", default=installation.TICKETS_TARGET, show_default=True)
@click.option(
    "--certs",
    type=FOLDER,
    default=Path("out/certs"),
    show_default=True,
    help="Folder with operator.pem, operator.key and ca.pem.",
)
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
        targets = installation.Targets(registration, enrollment, tickets)
        files = installation.certificate_of(certs, installation.OPERATOR)
        changes = asyncio.run(apply_session(session, targets, files, dry_run=dry_run))
    except (SessionFileError, ApplyRefused, OSError) as error:
        raise click.ClickException(str(error)) from error
    for service, sentences in changes.items():
        click.echo(f"{service}: {'nothing changes' if not sentences else ''}".rstrip())
        for sentence in sentences:
            click.echo(f"  - {sentence}")


@main.command("verify-ticket")
@click.argument("text")
@click.option("--session", "session_code", required=True, help="Code of the session, e.g. 22.1.")
@click.option("--keys", type=FILE, required=True, help="JSON of GetVerificationData: keys.")
@click.option("--revoked", type=FILE, help="JSON of GetVerificationData: revoked tickets.")
def verify_ticket_command(text: str, session_code: str, keys: Path, revoked: Path | None) -> None:
    """Verify the TEXT of a ticket's QR code offline; exit 0 only for a valid ticket."""
    try:
        files = (keys, revoked) if revoked else (keys,)
        click.echo(describe_proof(verify_ticket(text, session_code, files)))
    except TicketRefused as refused:
        click.echo(f"无效：{refused}")
        sys.exit(1)
    except VerificationFileError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
