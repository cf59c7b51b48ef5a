"""`zikao scans`: what scanners at doors have seen."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
from rich.progress import MofNCompleteColumn, Progress
from zikao.tickets.v1 import door_service_pb2 as pb
from zikao.tickets.v1 import door_service_pb2_grpc as pb_grpc

from zikao_ctl.csv_table import TableError
from zikao_ctl.export_documents_command import MAX_SLOT
from zikao_ctl.installation import Targets, certificate_of
from zikao_ctl.layout import DEFAULT_DATA
from zikao_ctl.listing import china_time, json_option, short, show_json, show_table, told
from zikao_ctl.long_import import ImportFailed, write_problems
from zikao_ctl.office_calls import (
    MOST_OF_A_PAGE,
    OfficeCalls,
    area_options,
    office_options,
    run_calls,
)
from zikao_ctl.options import FILE, FOLDER, ROWS_REFUSED, report_option, target_option
from zikao_ctl.scan_upload import ScanUpload, UploadedScans
from zikao_ctl.scans_file import CheckedScans, ScansFile

SCANNER = "scanner"
_REASON = "DUPLICATE_REASON_"


@click.group(short_help="Bring scans of doors without a network, and see who came twice.")
def scans() -> None:
    """Bring scans that were made without a network, and see whose tickets were seen twice."""


@scans.command("upload", short_help="Bring scans from a CSV FILE.")
@click.argument("file", type=FILE)
@click.option("--dry-run", is_flag=True, help="Check every line, and send nothing.")
@click.option(
    "--time-zone",
    default="Asia/Shanghai",
    show_default=True,
    help="Of times in FILE that have no offset.",
)
@report_option
@target_option("tickets", Targets.tickets)
@click.option(
    "--certs",
    type=FOLDER,
    default=DEFAULT_DATA / "certs",
    show_default=True,
    help="Folder with scanner.pem, scanner.key and ca.pem.",
)
def upload_command(
    *,
    file: Path,
    dry_run: bool,
    time_zone: str,
    report: Path | None,
    tickets: str,
    certs: Path,
) -> None:
    """Bring scans that were made without a network from a CSV FILE (UTF-8 or GB 18030).

    Columns, also by their Chinese names: scan_id (the device's own, a UUID), slot, site_code, room
    (empty at the gate), device, scanned_at, proof (the QR code's text). What is known already is
    passed over: the same file again changes nothing. Exit 0 when every scan is there, 3 when some
    were refused: they are in the report, with the reason.
    """
    try:
        source = ScansFile(file, ZoneInfo(time_zone))
        checked = source.check()
        uploaded = UploadedScans()
        if not dry_run:
            uploaded = _upload(source, checked, tickets, certs)
        problems = dict(sorted({**checked.problems, **uploaded.problems}.items()))
        report = report or file.with_suffix(".problems.csv")
        write_problems(problems, report)
    except ZoneInfoNotFoundError as error:
        raise click.ClickException(f"--time-zone: there is none named {time_zone!r}") from error
    except (TableError, ImportFailed, OSError) as error:
        raise click.ClickException(str(error)) from error
    if dry_run:
        click.echo(f"nothing was sent: {checked.scans} scans could be")
    else:
        click.echo(f"accepted {uploaded.accepted}, known before {uploaded.known}")
    if problems:
        click.echo(f"refused {len(problems)}: {report}")
        sys.exit(ROWS_REFUSED)


def _upload(source: ScansFile, checked: CheckedScans, target: str, certs: Path) -> UploadedScans:
    files = certificate_of(certs, SCANNER)
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn()) as bar:
        task = bar.add_task("上传", total=checked.scans)

        def say(text: str) -> None:
            bar.console.print(text, markup=False, highlight=False, soft_wrap=True)

        upload = ScanUpload(source, lambda count: bar.advance(task, count), say)
        return asyncio.run(upload.run(target, files))


@scans.command("duplicates")
@area_options
@click.option(
    "--slot", type=click.IntRange(0, MAX_SLOT), default=0, help="Only of this slot; 0: of all."
)
@json_option
@office_options
def duplicates_command(
    *, session_code: str, county: str, slot: int, as_json: bool, **where: Any
) -> None:
    """Show tickets somebody should look at: seen at two places, twice, or after they were revoked.

    In the name of an officer, whose access token --token-file has.
    """
    request = pb.ListDuplicateScansRequest(
        session_code=session_code, county_prefix=county, slot=slot, page_size=MOST_OF_A_PAGE
    )

    async def work(calls: OfficeCalls) -> list[pb.ListDuplicateScansResponse]:
        return await calls.pages(pb_grpc.DoorServiceStub(calls.channel).ListDuplicateScans, request)

    found = [each for page in run_calls(OfficeCalls, work, where) for each in page.duplicates]
    if as_json:
        show_json([told(each) for each in found])
    else:
        show_table(found, _COLUMNS)


def _reasons(duplicate: Any) -> str:
    return ", ".join(short(pb.DuplicateReason, each, _REASON) for each in duplicate.reasons)


def _first_scans(duplicate: Any) -> str:
    """Where and when, a line each, and with which version."""
    return "\n".join(
        f"{each.site_code}/{each.room or 'gate'} {china_time(each.scanned_at)} v{each.version} "
        f"{each.device}"
        for each in duplicate.scans
    )


_COLUMNS: Mapping[str, Callable[[Any], str]] = {
    "slot": lambda duplicate: str(duplicate.slot),
    "ticket": lambda duplicate: duplicate.ticket_number,
    "county": lambda duplicate: duplicate.county_code,
    "why": _reasons,
    "scans": lambda duplicate: str(duplicate.scan_count),
    "where": _first_scans,
}
