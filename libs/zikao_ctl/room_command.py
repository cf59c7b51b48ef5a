"""`zikao room`: how waiting rooms stand, and how many they let in at most."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import click
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao.enrollment.v1 import enrollment_service_pb2_grpc as enrollment_grpc
from zikao.enrollment.v1 import office_service_pb2 as pb
from zikao.enrollment.v1 import office_service_pb2_grpc as pb_grpc
from zikao.enrollment.v1 import types_pb2 as types
from zikao_client import new_request_id

from zikao_ctl.act_words import in_one_line
from zikao_ctl.audit import admin_dsn_of
from zikao_ctl.installation import Targets
from zikao_ctl.layout import DEFAULT_DATA, InstallationError
from zikao_ctl.listing import json_option, show_json, show_table
from zikao_ctl.office_calls import OfficeCalls, officer_options, run_calls, session_option
from zikao_ctl.options import FOLDER, target_option

_TRACK = "TRACK_"
TRACKS = ("social", "applied")
# Leases go by the database's own clock.
_ROOMS = """SELECT track, state, held, rate, ceiling, admitted_until AS admitted,
    greatest(0, coalesce(drawn_count, (
        SELECT count(*) FROM enrollment.waiting_place AS place
        WHERE (place.session_code, place.track) = (room.session_code, room.track)
    )) + late_count - admitted_until) AS waiting,
    coalesce(leader_until > clock_timestamp(), false) AS is_led
FROM enrollment.waiting_room AS room WHERE session_code = $1 ORDER BY track DESC"""


class _Limited(NamedTuple):
    """What is asked for, and what has become of it, or nothing for a dry run."""

    act: pb.OfficeAct
    action: pb.OfficeAction | None


@click.group("room", short_help="See waiting rooms, and bound what they let in.")
def room() -> None:
    """See how a session's waiting rooms stand, and bound what they let in."""


@room.command("show")
@session_option
@click.option(
    "--data",
    type=FOLDER,
    default=DEFAULT_DATA,
    show_default=True,
    help="Directory of the installation whose embedded PostgreSQL is read.",
)
@click.option(
    "--database-url",
    metavar="URL",
    envvar="ZIKAO_DATABASE_URL",
    show_envvar=True,
    help="Read this database instead: a postgresql:// URL of a role that may read enrollment's.",
)
@json_option
def show_command(*, session_code: str, data: Path, database_url: str | None, as_json: bool) -> None:
    """Show how many wait and were admitted, how fast, and whether a process leads the room.

    Nobody is admitted where none does. A room is there from the time when people may come in.
    """
    try:
        rooms = asyncio.run(_rooms(admin_dsn_of(data, database_url), session_code))
    except (InstallationError, asyncpg.PostgresError, OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        show_json(rooms)
    else:
        show_table(rooms, _COLUMNS)


@room.command("limit")
@session_option
@click.option("--track", type=click.Choice(TRACKS), required=True, help="Whose room.")
@click.option("--per-second", type=click.IntRange(1, 100_000), help="Let in at most so many.")
@click.option("--hold", is_flag=True, help="Let nobody in; passes that were given out stay good.")
@click.option("--as-finished", is_flag=True, help="Take a limit back: as many as are finished.")
@click.option("--dry-run", is_flag=True, help="Say what would be done.")
@target_option("enrollment", Targets.enrollment)
@officer_options
def limit_command(
    *,
    session_code: str,
    track: str,
    per_second: int | None,
    hold: bool,
    as_finished: bool,
    dry_run: bool,
    **where: Any,
) -> None:
    """Say how many a room lets in at most, in the name of an officer of the province.

    Where the session has dual control it waits for a second one (`zikao office confirm`).
    """
    if [per_second is not None, hold, as_finished].count(True) != 1:
        raise click.UsageError("one of --per-second, --hold and --as-finished is needed")
    limit = pb.AdmissionLimit(
        track=types.Track.Value(_TRACK + track.upper()), per_second=per_second or 0, hold=hold
    )
    request = pb.SetAdmissionRateRequest(
        request_id=new_request_id(), session_code=session_code, limit=limit
    )

    async def work(calls: OfficeCalls) -> _Limited:
        await _require_room(calls, request)
        act = pb.OfficeAct(set_admission_rate=limit)
        if dry_run:
            return _Limited(act, None)
        stub = pb_grpc.OfficeServiceStub(calls.channel)
        return _Limited(act, (await calls.ask(stub.SetAdmissionRate, request)).action)

    click.echo(_said(run_calls(OfficeCalls, work, where, "enrollment")))


async def _require_room(calls: OfficeCalls, request: pb.SetAdmissionRateRequest) -> None:
    """Say so where there is none, before anything is asked for."""
    asked = enrollment.GetTimetableRequest(session_code=request.session_code)
    stub = enrollment_grpc.EnrollmentServiceStub(calls.channel)
    windows = (await calls.ask(stub.GetTimetable, asked)).windows
    if not any(
        window.track == request.limit.track and window.HasField("waiting_room")
        for window in windows
    ):
        raise click.ClickException(f"session {request.session_code} has no such waiting room")


def _said(limited: _Limited) -> str:
    what, action = in_one_line(limited.act), limited.action
    if action is None:
        return f"{what}: would be asked for"
    if action.state == pb.OFFICE_ACTION_STATE_PENDING:
        return f"{what}: waits for a second officer: act {action.action_id}"
    return f"{what}: done"


async def _rooms(dsn: str, session_code: str) -> list[dict[str, Any]]:
    connection = await asyncpg.connect(dsn)
    try:
        return [dict(row) for row in await connection.fetch(_ROOMS, session_code)]
    finally:
        await connection.close()


def _at_most(room: Mapping[str, Any]) -> str:
    if room["held"]:
        return "held"
    return "as finished" if room["ceiling"] is None else f"{room['ceiling']:.0f}/s"


_COLUMNS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "track": lambda room: room["track"],
    "state": lambda room: room["state"],
    "waiting": lambda room: f"{room['waiting']:,}",
    "admitted": lambda room: f"{room['admitted']:,}",
    "rate": lambda room: "" if room["rate"] is None else f"{room['rate']:.0f}/s",
    "at most": _at_most,
    "led": lambda room: "yes" if room["is_led"] else "no",
}
