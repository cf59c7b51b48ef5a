"""What a command says of the act that it has done, proposed, or would do."""

from __future__ import annotations

import click
from zikao.tickets.v1 import office_service_pb2 as pb
from zikao.tickets.v1 import office_service_pb2_grpc as pb_grpc

from zikao_ctl.act_words import in_one_line
from zikao_ctl.office_calls import MOST_OF_A_PAGE, OfficeCalls


async def find_pending(
    calls: OfficeCalls, session_code: str, county: str, act: pb.OfficeAct
) -> pb.OfficeAction | None:
    """An act just like this one that waits for a second officer already.

    So the same command again proposes nothing twice. Raises CallFailed.
    """
    request = pb.ListOfficeActionsRequest(
        session_code=session_code,
        county_prefix=county,
        state=pb.OFFICE_ACTION_STATE_PENDING,
        page_size=MOST_OF_A_PAGE,
    )
    stub = pb_grpc.OfficeServiceStub(calls.channel)
    pages = await calls.pages(stub.ListOfficeActions, request)
    waiting = (action for page in pages for action in page.actions)
    return next((action for action in waiting if action.act == act), None)


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
