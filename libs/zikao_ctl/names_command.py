"""`zikao names`: tickets that cannot be printed, and pictures of characters that no font has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
from zikao.tickets.v1 import office_service_pb2 as offices
from zikao.tickets.v1 import unprintable_service_pb2 as pb
from zikao.tickets.v1 import unprintable_service_pb2_grpc as pb_grpc
from zikao_client import new_request_id

from zikao_ctl.act_words import character_name
from zikao_ctl.listing import china_time, json_option, short, show_json, show_table, told
from zikao_ctl.office_calls import (
    MOST_OF_A_PAGE,
    OfficeCalls,
    area_options,
    office_options,
    run_calls,
)
from zikao_ctl.options import FILE
from zikao_ctl.proposing import propose_once, tell_act

_REASON = "UNPRINTABLE_REASON_"
_REASONS = {
    short(pb.UnprintableReason, number, _REASON): number
    for number in pb.UnprintableReason.values()
    if number
}
_CODE_PREFIX = "U+"


@click.group(short_help="Tickets that cannot be printed, and pictures of rare characters.")
def names() -> None:
    """See which tickets cannot be printed, and supply pictures of characters that no font has.

    Everything is in the name of an officer, whose access token --token-file has.
    """


@names.command("list")
@area_options
@click.option("--reason", type=click.Choice(tuple(_REASONS)), help="Only for this reason.")
@json_option
@office_options
def list_command(
    *, session_code: str, county: str, reason: str | None, as_json: bool, **where: Any
) -> None:
    """Show tickets in force that cannot be printed, by ticket number."""
    request = pb.ListUnprintableRequest(
        session_code=session_code,
        county_prefix=county,
        reason=_REASONS[reason] if reason else pb.UNPRINTABLE_REASON_UNSPECIFIED,
        page_size=MOST_OF_A_PAGE,
    )

    async def work(calls: OfficeCalls) -> list[pb.ListUnprintableResponse]:
        stub = pb_grpc.UnprintableServiceStub(calls.channel)
        return await calls.pages(stub.ListUnprintable, request)

    found = [entry for page in run_calls(OfficeCalls, work, where) for entry in page.entries]
    if as_json:
        show_json([told(entry) for entry in found])
    else:
        show_table(found, _COLUMNS)


@names.command("recheck")
@area_options
@office_options
def recheck_command(*, session_code: str, county: str, **where: Any) -> None:
    """Look again at what is on the list: after a font was added, or photos have come."""
    request = pb.RecheckUnprintableRequest(
        request_id=new_request_id(), session_code=session_code, county_prefix=county
    )

    async def work(calls: OfficeCalls) -> pb.RecheckUnprintableResponse:
        return await calls.ask(
            pb_grpc.UnprintableServiceStub(calls.channel).RecheckUnprintable, request
        )

    done = run_calls(OfficeCalls, work, where)
    click.echo(f"{done.names} names are looked at again, {done.photos} photos have come")


@names.command("supply")
@click.argument("character")
@click.argument("picture", type=FILE)
@area_options
@click.option("--dry-run", is_flag=True, help="Only check whether it could be supplied.")
@office_options
def supply_command(
    *,
    character: str,
    picture: Path,
    session_code: str,
    county: str,
    dry_run: bool,
    **where: Any,
) -> None:
    """Have a CHARACTER (or U+20C43) drawn as a PICTURE: a square PNG, black on white.

    It must be on the list of --county, or have its picture from there already. Where a second
    officer is needed and the same picture waits already, nothing changes.
    """
    fields: dict[str, Any] = {"character": _character(character), "png": picture.read_bytes()}

    async def work(calls: OfficeCalls) -> offices.OfficeAction:
        stub = pb_grpc.UnprintableServiceStub(calls.channel)

        async def propose(dry: bool) -> offices.OfficeAction:
            request = pb.SupplyGlyphRequest(
                request_id=new_request_id(),
                session_code=session_code,
                county_prefix=county,
                dry_run=dry,
                **fields,
            )
            return (await calls.ask(stub.SupplyGlyph, request)).action

        return await propose_once(calls, propose, dry_run=dry_run)

    tell_act(run_calls(OfficeCalls, work, where), dry_run=dry_run)


def _character(text: str) -> str:
    """The character itself, which may be given by its number."""
    try:
        number = int(text.upper().removeprefix(_CODE_PREFIX), 16) if len(text) > 1 else ord(text)
        chr(number).encode()  # half a pair is none
        return chr(number)
    except (ValueError, OverflowError, TypeError):
        message = f"{text!r} is neither one character nor a number like U+20C43"
        raise click.BadParameter(message, param_hint="CHARACTER") from None


_COLUMNS: Mapping[str, Callable[[Any], str]] = {
    "ticket": lambda entry: entry.ticket_number,
    "county": lambda entry: entry.county_code,
    "why": lambda entry: short(pb.UnprintableReason, entry.reason, _REASON),
    "characters": lambda entry: ", ".join(map(character_name, entry.characters)),
    "since": lambda entry: china_time(entry.noted_at),
}
