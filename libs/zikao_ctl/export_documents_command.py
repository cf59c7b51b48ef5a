"""The commands of `zikao export` for what offices print of a county."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from zikao_ctl.export_documents import DocumentExport, Wanted, export_paper_counts
from zikao_ctl.export_files import ExportFailed, export_bar
from zikao_ctl.installation import OPERATOR, Targets, certificate_of
from zikao_ctl.options import F, certs_option, target_option

_KINDS = {
    "tickets": ("DOCUMENT_KIND_TICKETS", "every ticket of a county, a page each"),
    "sign-in": ("DOCUMENT_KIND_SIGN_IN_SHEETS", "sign-in sheets with photos"),
    "posters": ("DOCUMENT_KIND_DOOR_POSTERS", "posters for the doors of rooms"),
    "labels": ("DOCUMENT_KIND_DESK_LABELS", "labels for desks"),
    "papers": ("DOCUMENT_KIND_PAPER_COUNTS", "how many papers go into which room"),
}
MAX_SLOT = 255
_CSV_SUFFIX = ".csv"


def add_document_commands(group: click.Group) -> None:
    """One command a kind of document."""
    for name, (kind, what) in _KINDS.items():
        group.add_command(_command(name, kind, what))


def _command(name: str, kind: str, what: str) -> click.Command:
    def run(**options: Any) -> None:
        _export(kind, **options)

    run.__doc__ = f"""Write {what}, as PDF{" or CSV" if name == "papers" else ""}.

    The same command again goes on where the last one ended, however that was.
    """
    with_options = _options(run, of_parts=name != "tickets")
    return click.command(name, short_help=f"Write {what}.")(with_options)


def _options(command: F, *, of_parts: bool) -> F:
    options = [
        click.option("--session", "session_code", required=True, help="Code of it, e.g. 22.1."),
        click.option("--county", "county_code", required=True, help="Code of a county."),
        click.option(
            "--out",
            type=click.Path(dir_okay=False, path_type=Path),
            required=True,
            help="Where it is written.",
        ),
        target_option("tickets", Targets.tickets),
        certs_option,
    ]
    if of_parts:
        options += [
            click.option("--site", "site_code", default="", help="Only this site."),
            click.option(
                "--slot", type=click.IntRange(0, MAX_SLOT), default=0, help="Only this slot."
            ),
        ]
    for option in options:
        command = option(command)
    return command


def _export(
    kind: str,
    *,
    out: Path,
    tickets: str,
    certs: Path,
    **of_what: Any,
) -> None:
    wanted = Wanted(kind, **of_what)
    try:
        files = certificate_of(certs, OPERATOR)
        if kind == "DOCUMENT_KIND_PAPER_COUNTS" and out.suffix == _CSV_SUFFIX:
            rows = asyncio.run(export_paper_counts(wanted, out, tickets, files))
            click.echo(f"{out}: {rows} rows")
            return
        with export_bar() as show:
            export = DocumentExport(wanted, out, show)
            document = asyncio.run(export.run(tickets, files))
    except (ExportFailed, OSError) as error:
        raise click.ClickException(str(error)) from error
    for number, reason in export.left_out.items():
        click.echo(f"{number}: {reason}", err=True)
    click.echo(f"{out}: {document.pages} pages, {document.left_out} tickets left out")
