"""`zikao ticket`: single tickets in the hands of the office of their county."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
from zikao.tickets.v1 import office_service_pb2 as offices
from zikao.tickets.v1 import office_ticket_service_pb2 as pb
from zikao.tickets.v1 import office_ticket_service_pb2_grpc as pb_grpc
from zikao.tickets.v1 import types_pb2 as types
from zikao_client import new_request_id
from zikao_kit.files import OWNER_ONLY, write_whole

from zikao_ctl.listing import china_time, json_option, short, show_json, show_table, told, visible
from zikao_ctl.office_calls import OfficeCalls, office_options, run_calls, session_option
from zikao_ctl.options import F
from zikao_ctl.proposing import propose_once, tell_act

_REASON, _KIND = "TICKET_REASON_", "TICKET_KIND_"
_REASONS = ("lost", "damaged", "name-fixed", "photo-fixed")

number_argument = click.argument("ticket_number", metavar="TICKET_NUMBER")


def _issue_options(command: F) -> F:
    for option in (
        click.option("--note", required=True, help="For the audit, in Chinese."),
        click.option("--dry-run", is_flag=True, help="Say only what would be done."),
        session_option,
        number_argument,
        office_options,
    ):
        command = option(command)
    return command


@click.group(short_help="Show, print, re-issue and replace single tickets.")
def ticket() -> None:
    """Show, print, re-issue and replace single tickets.

    Everything is in the name of an officer, whose access token --token-file has.
    """


@ticket.command("show")
@number_argument
@session_option
@json_option
@office_options
def show_command(*, ticket_number: str, session_code: str, as_json: bool, **where: Any) -> None:
    """Show every version of a ticket, the newest first."""

    async def work(calls: OfficeCalls) -> pb.GetTicketVersionsResponse:
        return await _versions(calls, session_code, ticket_number)

    found = run_calls(OfficeCalls, work, where)
    if as_json:
        show_json([told(found)])
        return
    show_table(found.versions, _COLUMNS)
    for seat in found.seats:
        click.echo(
            f"slot {seat.slot}: course {seat.course_code}, site {seat.site_code} "
            f"{visible(seat.site_name)}, room {seat.room}, seat {seat.seat}"
        )


@ticket.command("reissue")
@click.option("--reason", type=click.Choice(_REASONS), required=True)
@_issue_options
def reissue_command(
    *, ticket_number: str, session_code: str, reason: str, note: str, dry_run: bool, **where: Any
) -> None:
    """Replace a ticket by its next version, with the same seats; the old one opens no door.

    Nothing changes where an office has done the same already and nobody has printed it yet, or
    where it waits for a second officer.
    """
    act = offices.ReissueTicketAct(ticket_number=ticket_number, reason=_reason(reason), note=note)
    _issue(session_code, offices.OfficeAct(reissue_ticket=act), dry_run=dry_run, where=where)


@ticket.command("temporary")
@click.option("--without-photo", is_flag=True, help="Leave the photo's place empty.")
@_issue_options
def temporary_command(
    *,
    ticket_number: str,
    session_code: str,
    without_photo: bool,
    note: str,
    dry_run: bool,
    **where: Any,
) -> None:
    """Replace a ticket by a temporary one (临时准考证), for all of its slots.

    Nothing changes where an office has done the same already and nobody has printed it yet, or
    where it waits for a second officer.
    """
    act = offices.IssueTemporaryTicketAct(
        ticket_number=ticket_number, without_photo=without_photo, note=note
    )
    wanted = offices.OfficeAct(issue_temporary_ticket=act)
    _issue(session_code, wanted, dry_run=dry_run, where=where)


@ticket.command("print")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="Where the page is written, as PDF.",
)
@number_argument
@session_option
@office_options
def print_command(*, ticket_number: str, session_code: str, out: Path, **where: Any) -> None:
    """Write the version in force as an A4 page, for a candidate who cannot print."""
    request = pb.PrintForCandidateRequest(
        request_id=new_request_id(), session_code=session_code, ticket_number=ticket_number
    )

    async def work(calls: OfficeCalls) -> pb.PrintForCandidateResponse:
        return await calls.ask(_stub(calls).PrintForCandidate, request)

    printed = run_calls(OfficeCalls, work, where)
    write_whole(out, printed.pdf, OWNER_ONLY)
    times = printed.print_count
    click.echo(f"{out}: version {printed.version}, {printed.serial}, handed out {times} times")


def _issue(
    session_code: str, act: offices.OfficeAct, *, dry_run: bool, where: Mapping[str, Any]
) -> None:
    async def work(calls: OfficeCalls) -> offices.OfficeAction | pb.TicketVersion:
        return await _issue_once(calls, session_code, act, dry_run=dry_run)

    done = run_calls(OfficeCalls, work, where)
    if isinstance(done, offices.OfficeAction):
        tell_act(done, dry_run=dry_run)
    else:
        said = f"version {done.version} is in force, and nobody has printed it yet"
        click.echo(f"nothing changes: {said}")


async def _issue_once(
    calls: OfficeCalls, session_code: str, act: offices.OfficeAct, *, dry_run: bool
) -> offices.OfficeAction | pb.TicketVersion:
    """The act; or the version that is like it already."""
    name = act.WhichOneof("act")
    assert name is not None, "an act that is one"
    wanted: Any = getattr(act, name)
    before = await _versions(calls, session_code, wanted.ticket_number)
    if _is_like(before.versions[0], wanted):
        return before.versions[0]
    request_type, method = _METHODS[name]
    fields = {field.name: value for field, value in wanted.ListFields()}

    async def propose(dry: bool) -> offices.OfficeAction:
        request = request_type(
            request_id=new_request_id(), session_code=session_code, dry_run=dry, **fields
        )
        action: offices.OfficeAction = (await calls.ask(method(_stub(calls)), request)).action
        return action

    return await propose_once(calls, propose, dry_run=dry_run)


def _is_like(version: pb.TicketVersion, wanted: Any) -> bool:
    """Whether an office has issued it, it is in force, and nobody has it in hand."""
    by_office = version.issued_by and not version.HasField("revoked_at")
    reason = getattr(wanted, "reason", types.TICKET_REASON_TEMPORARY)
    without_photo = getattr(wanted, "without_photo", False)
    is_same = (version.reason, version.without_photo) == (reason, without_photo)
    return bool(by_office and is_same and not version.print_count)


async def _versions(
    calls: OfficeCalls, session_code: str, ticket_number: str
) -> pb.GetTicketVersionsResponse:
    request = pb.GetTicketVersionsRequest(session_code=session_code, ticket_number=ticket_number)
    return await calls.ask(_stub(calls).GetTicketVersions, request)


def _stub(calls: OfficeCalls) -> Any:
    return pb_grpc.OfficeTicketServiceStub(calls.channel)


def _reason(word: str) -> Any:
    return types.TicketReason.Value(_REASON + word.upper().replace("-", "_"))


_METHODS: Mapping[str, tuple[Any, Callable[[Any], Any]]] = {
    "reissue_ticket": (pb.ReissueTicketRequest, lambda stub: stub.ReissueTicket),
    "issue_temporary_ticket": (
        pb.IssueTemporaryTicketRequest,
        lambda stub: stub.IssueTemporaryTicket,
    ),
}
"""By the name of the act: the request, whose fields are the act's and some, and the method."""

_COLUMNS: Mapping[str, Callable[[Any], str]] = {
    "version": lambda version: str(version.version),
    "serial": lambda version: version.serial,
    "kind": lambda version: short(types.TicketKind, version.kind, _KIND),
    "why": lambda version: short(types.TicketReason, version.reason, _REASON),
    "issued": lambda version: china_time(version.issued_at),
    "by": lambda version: version.issued_by,
    "revoked": lambda version: (
        china_time(version.revoked_at) if version.HasField("revoked_at") else ""
    ),
    "printed": lambda version: str(version.print_count),
    "photo": lambda version: "no" if version.without_photo else "yes",
}
