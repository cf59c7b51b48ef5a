"""`zikao office`: what waits for a second officer, and what one says to it."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid5

import click
from zikao.enrollment.v1 import office_service_pb2 as enrollment
from zikao.enrollment.v1 import office_service_pb2_grpc as enrollment_grpc
from zikao.tickets.v1 import office_service_pb2 as tickets
from zikao.tickets.v1 import office_service_pb2_grpc as tickets_grpc
from zikao_client import CallFailed
from zikao_kit.errors import NOT_FOUND, NOT_NOW

from zikao_ctl.act_words import in_one_line
from zikao_ctl.installation import Targets
from zikao_ctl.listing import china_time, json_option, short, show_json, show_table, told
from zikao_ctl.office_calls import MOST_OF_A_PAGE, OfficeCalls, office_options, run_calls
from zikao_ctl.options import FOLDER, F, target_option

# The same decision of the same act is the same request.
_NAMESPACE = UUID("3d6a52b1-6a0e-5b9c-a1f4-c1b60f3a4d7e")
AWAY_SECONDS = 4.0
SERVICE_AWAY = 3
"""Exit code of a list from which a service's part is missing."""
Work = Callable[[OfficeCalls], Awaitable[Any]]
_STATE = "OFFICE_ACTION_STATE_"
_STATES = ("pending", "done", "rejected", "expired", "all")


class _Service(NamedTuple):
    """A service that has acts of offices; the messages of both are alike."""

    pb: Any
    stub: Any


SERVICES = {
    "tickets": _Service(tickets, tickets_grpc.OfficeServiceStub),
    "enrollment": _Service(enrollment, enrollment_grpc.OfficeServiceStub),
}


class Deciding(OfficeCalls):
    """There is another service to ask: none that is away is waited for long."""

    patience_seconds = AWAY_SECONDS


class _Looking(Deciding):
    """Nor is one that is there and does not answer."""

    call_seconds = AWAY_SECONDS


class _Found(NamedTuple):
    """An act, and whose it is."""

    service: str
    action: Any


def _options(command: F) -> F:
    of = click.option("--of", type=click.Choice(tuple(SERVICES)), help="Only this service's.")
    return office_options(target_option("enrollment", Targets.enrollment)(of(command)))


@click.group(short_help="See, confirm and reject what waits for a second officer.")
def office() -> None:
    """See, confirm and reject what offices do and what waits for a second officer.

    Everything is in the name of an officer, whose access token --token-file has.
    """


@office.command("list")
@click.option("--county", required=True, help="Code of a county, city or province.")
@click.option("--session", "session_code", default="", help="Only of this session, e.g. 22.1.")
@click.option("--state", type=click.Choice(_STATES), default=_STATES[0], show_default=True)
@click.option("--pictures", type=FOLDER, help="Write pictures of characters there, as ACT.png.")
@json_option
@_options
def list_command(
    *,
    county: str,
    session_code: str,
    state: str,
    pictures: Path | None,
    as_json: bool,
    of: str | None,
    **where: Any,
) -> None:
    """Show acts of offices in an area, the newest first; by default those that wait.

    Exit 3 when a service is away, whose acts are missing then.
    """
    wanted = {
        "county_prefix": county,
        "session_code": session_code,
        "page_size": MOST_OF_A_PAGE,
        "state": None if state == "all" else _STATE + state.upper(),
    }
    asked = {
        service: _unless_away(_Looking, _list(service, wanted), where, service)
        for service in _those(of)
    }
    found = [
        _Found(service, action)
        for service, actions in asked.items()
        if not isinstance(actions, CallFailed)
        for action in actions
    ]
    if pictures is not None:
        _write_pictures([each.action for each in found], pictures)
    if as_json:
        show_json([{"service": each.service, **told(each.action)} for each in found])
    else:
        show_table([each.action for each in found], _COLUMNS)
    if away := _away(asked):
        click.echo(away, err=True)
        sys.exit(SERVICE_AWAY)


@office.command("confirm")
@click.argument("act", type=click.UUID)
@_options
def confirm_command(*, act: UUID, of: str | None, **where: Any) -> None:
    """Confirm an ACT that another officer has proposed: it takes effect.

    The same command again says the same, and changes nothing.
    """
    _decide(act, "confirm", of, where)


@office.command("reject")
@click.argument("act", type=click.UUID)
@_options
def reject_command(*, act: UUID, of: str | None, **where: Any) -> None:
    """Reject an ACT, or take back one's own.

    The same command again says the same, and changes nothing.
    """
    _decide(act, "reject", of, where)


def _decide(act: UUID, decision: str, of: str | None, where: Mapping[str, Any]) -> None:
    asked = {}
    for service in _those(of):
        asked[service] = _unless_away(Deciding, _deciding(service, act, decision), where, service)
        if asked[service] is not None and not isinstance(asked[service], CallFailed):
            action = asked[service]
            click.echo(f"{in_one_line(action.act)}: {_state(action)}")
            return
    if away := _away(asked):
        raise click.ClickException(away)
    raise click.ClickException(f"there is no act {act}, or not any more what it is about")


def _deciding(service: str, act: UUID, decision: str) -> Work:
    async def work(calls: OfficeCalls) -> Any | None:
        of = SERVICES[service]
        request = of.pb.DecideOfficeActionRequest(
            request_id=str(uuid5(_NAMESPACE, f"{act}:{decision}")),
            action_id=str(act),
            decision=f"OFFICE_DECISION_{decision.upper()}",
        )
        try:
            return (await calls.ask(of.stub(calls.channel).DecideOfficeAction, request)).action
        except CallFailed as failed:
            if failed.reason != NOT_FOUND:
                raise
            return None

    return work


def _those(of: str | None) -> Iterable[str]:
    return (of,) if of else SERVICES


def _state(action: Any) -> str:
    return short(tickets.OfficeActionState, action.state, _STATE)


def _until(action: Any) -> str:
    return china_time(action.expires_at) if action.HasField("expires_at") else ""


_COLUMNS: Mapping[str, Callable[[Any], str]] = {
    "act": lambda action: action.action_id,
    "what": lambda action: in_one_line(action.act),
    "of": lambda action: action.county_prefix,
    "state": _state,
    "until": _until,
    "by": lambda action: action.proposed_by,
}


def _list(service: str, wanted: Mapping[str, Any]) -> Work:
    async def work(calls: OfficeCalls) -> list[Any]:
        of = SERVICES[service]
        request = of.pb.ListOfficeActionsRequest(**wanted)
        pages = await calls.pages(of.stub(calls.channel).ListOfficeActions, request)
        return [action for page in pages for action in page.actions]

    return work


def _unless_away(
    kind: type[OfficeCalls], work: Work, where: Mapping[str, Any], service: str
) -> Any:
    """What `work` has come to, or how it failed because the service is away."""

    async def attempt(calls: OfficeCalls) -> Any:
        try:
            return await work(calls)
        except CallFailed as failed:
            if failed.reason not in NOT_NOW:
                raise
            return failed

    return run_calls(kind, attempt, where, service)


def _away(asked: Mapping[str, Any]) -> str:
    """Which services could not be asked, a line each."""
    away = {name: said for name, said in asked.items() if isinstance(said, CallFailed)}
    return "\n".join(f"{name} is away: {said}" for name, said in away.items())


def _write_pictures(actions: Sequence[Any], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for action in actions:
        if action.act.WhichOneof("act") == "supply_glyph":
            (folder / f"{action.action_id}.png").write_bytes(action.act.supply_glyph.png)
