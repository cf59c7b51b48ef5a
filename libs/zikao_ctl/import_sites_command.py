"""`zikao import-sites`: a county's schools and rooms from CSV files."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import grpc
from zikao.tickets.v1 import site_service_pb2, site_service_pb2_grpc
from zikao_client import CallFailed, new_request_id
from zikao_kit.config import CertFiles

from zikao_ctl.installation import OPERATOR, Targets, certificate_of, open_operator_channel
from zikao_ctl.office_calls import in_words
from zikao_ctl.options import FILE, ROWS_REFUSED, certs_option, target_option
from zikao_ctl.session_model import Site
from zikao_ctl.session_parts import site_to_pb
from zikao_ctl.session_reading import Problems, Section, SessionFileError
from zikao_ctl.site_reading import by_place, read_sites

TIMEOUT_SECONDS = 60.0


@click.command("import-sites", short_help="Bring schools and rooms from CSV FILE.")
@click.argument("file", type=FILE)
@click.option("--rooms", type=FILE, help="CSV of single rooms that are not of the usual kind.")
@click.option("--session", "session_code", required=True, help='The session, e.g. "22.1".')
@click.option(
    "--county",
    "county_prefix",
    required=True,
    help="All sites lie there: the code of a county, a city or the province.",
)
@click.option("--remove-others", is_flag=True, help="Take away other sites of --county.")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@target_option("tickets", Targets.tickets)
@certs_option
def import_sites_command(
    *,
    file: Path,
    rooms: Path | None,
    session_code: str,
    county_prefix: str,
    remove_others: bool,
    dry_run: bool,
    tickets: str,
    certs: Path,
) -> None:
    """Bring schools and rooms from a CSV FILE (UTF-8 or GB 18030) with a header.

    Columns, also by their Chinese names: code, county_code, name, address, rooms ("40 of 5x6, 2 of
    4x5": columns x rows, numbered from 001); and county_name for the first site of a county.
    --rooms names rooms one by one: site, room, columns, rows (5 and 6 when empty), layout (snake,
    snake_rows, rows, or every column's seat numbers from front to back: "1 2 3/6 5 4/7 0 8", 0 for
    no desk), accessible (seat numbers), use (normal, reserve or closed). All or nothing, at most
    500 sites; every problem is said with its line, and the exit code is 3.
    """
    try:
        sites = read_site_files(file, rooms)
        wanted = site_service_pb2.ImportSitesRequest(
            request_id=new_request_id(),
            session_code=session_code,
            county_prefix=county_prefix,
            sites=[site_to_pb(site, site.county_name) for site in sites],
            remove_others=remove_others,
            dry_run=dry_run,
        )
        answer = asyncio.run(_send(wanted, tickets, certificate_of(certs, OPERATOR)))
    except (SessionFileError, CallFailed, OSError) as error:
        raise click.ClickException(in_words(error)) from error
    if answer.problems:
        places = by_place(sites)
        for problem in answer.problems:
            if problem.site not in range(len(sites)):
                click.echo(problem.description)  # of a site that is not in the file
                continue
            place = places[problem.site, problem.room_code]
            room = f"考场{problem.room_code}" if problem.room_code else ""
            click.echo(f"{place}: 考点{sites[problem.site].code}{room}{problem.description}")
        sys.exit(ROWS_REFUSED)
    click.echo("nothing changes" if not answer.changes else "changes:")
    for sentence in answer.changes:
        click.echo(f"  - {sentence}")


def read_site_files(sites: Path, rooms: Path | None) -> Sequence[Site]:
    """The sites of a table with the single rooms of another.

    Raises SessionFileError with all problems at once, each with its line.
    """
    problems = Problems()
    tables = {"sites": {"csv": sites.name}}
    if rooms:
        beside = rooms.parent == sites.parent
        tables["rooms"] = {"csv": rooms.name if beside else str(rooms.absolute())}
    found = read_sites(Section(tables, "", problems, sites.parent))
    if problems:
        raise SessionFileError(sites, problems)
    return found


async def _send(
    wanted: site_service_pb2.ImportSitesRequest, target: str, files: CertFiles
) -> site_service_pb2.ImportSitesResponse:
    async with open_operator_channel(target, files) as channel:
        try:
            stub = site_service_pb2_grpc.SiteServiceStub(channel)
            return await stub.ImportSites(wanted, timeout=TIMEOUT_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise CallFailed(error) from error
