"""The `zikao export` command."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from zikao_ctl.export_documents_command import add_document_commands
from zikao_ctl.export_files import (
    GROUPINGS,
    ExportFailed,
    RosterExport,
    export_bar,
    export_statistics,
)
from zikao_ctl.installation import OPERATOR, Targets, certificate_of
from zikao_ctl.options import F, certs_option, target_option


def _options(command: F) -> F:
    for option in (
        click.option("--session", "session_code", required=True, help="Code of it, e.g. 22.1."),
        click.option("--county", default="", help="Code of a county, city or province."),
        click.option(
            "--out",
            type=click.Path(dir_okay=False, path_type=Path),
            required=True,
            help="Where it is written, as CSV (UTF-8 with a byte order mark).",
        ),
        target_option("enrollment", Targets.enrollment),
        certs_option,
    ):
        command = option(command)
    return command


@click.group(short_help="Write rosters, statistics and what offices print as files.")
def export() -> None:
    """Write rosters and statistics as CSV, and what offices print of a county as PDF."""


add_document_commands(export)


@export.command("roster")
@_options
def export_roster_command(
    *, session_code: str, county: str, out: Path, enrollment: str, certs: Path
) -> None:
    """Write who is enrolled, a line for each course; candidates by their id.

    The same command again goes on where the last one ended, however that was.
    """
    try:
        files = certificate_of(certs, OPERATOR)
        with export_bar() as show:
            roster = RosterExport(session_code, county, out, show)
            count = asyncio.run(roster.run(enrollment, files))
    except (ExportFailed, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{out}: {count} candidates")


@export.command("statistics")
@click.option("--by", type=click.Choice(GROUPINGS), default=GROUPINGS[0], show_default=True)
@_options
def export_statistics_command(
    *, by: str, session_code: str, county: str, out: Path, enrollment: str, certs: Path
) -> None:
    """Write candidates, sittings, seats and fees, all of one moment."""
    try:
        files = certificate_of(certs, OPERATOR)
        count = asyncio.run(export_statistics((session_code, county, by), out, enrollment, files))
    except (ExportFailed, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{out}: {count} rows")
