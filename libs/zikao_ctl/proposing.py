"""What a command says of the act that it has done, proposed, or would do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import click
from zikao.tickets.v1 import office_service_pb2 as pb
from zikao.tickets.v1 import office_service_pb2_grpc as pb_grpc

from zikao_ctl.act_words import in_one_line
from zikao_ctl.office_calls import MOST_OF_A_PAGE, OfficeCalls

Propose = Callable[[bool], Awaitable[pb.OfficeAction]]


async def propose_once(calls: OfficeCalls, propose: Propose, *, dry_run: bool) -> pb.OfficeAction:
    """Do or propose something, or, with `dry_run`, see what would be; `propose` is told which.

    Where just the same waits for a second officer already, it is that: a command that is given
    twice proposes once. Raises CallFailed.
    """
    action = await propose(True)
    if action.state == pb.OFFICE_ACTION_STATE_PENDING:
        waiting = await _pending(calls, action.session_code, action.county_prefix)
        same = next((each for each in waiting if each.act == action.act), None)
        if same is not None:
            return same
    return action if dry_run else await propose(False)


async def _pending(calls: OfficeCalls, session_code: str, county: str) -> list[pb.OfficeAction]:
    request = pb.ListOfficeActionsRequest(
        session_code=session_code,
        county_prefix=county,
        state=pb.OFFICE_ACTION_STATE_PENDING,
        page_size=MOST_OF_A_PAGE,
    )
    stub = pb_grpc.OfficeServiceStub(calls.channel)
    pages = await calls.pages(stub.ListOfficeActions, request)
    return [action for page in pages for action in page.actions]


def tell_act(action: pb.OfficeAction, *, dry_run: bool) -> None:
    """What became of it, or would have."""
    what, waits = in_one_line(action.act), action.state == pb.OFFICE_ACTION_STATE_PENDING
    if waits and action.action_id:
        click.echo(f"{what}: waits for a second officer: act {action.action_id}")
    elif dry_run:
        second = "would wait for a second officer" if waits else "would be done at once"
        click.echo(f"{what}: {second}")
    else:
        click.echo(f"{what}: done")
