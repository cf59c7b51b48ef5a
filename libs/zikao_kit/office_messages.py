"""Acts of offices and their audit in messages: services' contracts have the same fields.

A message is made of these fields by the service whose type it is.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any, TypeVar

from google.protobuf.message import Message

from zikao_kit.context import current_actor
from zikao_kit.convert import optional, time_to_pb
from zikao_kit.db import Database
from zikao_kit.office_acts import A, ActionFilter, ActionState, OfficeAction
from zikao_kit.office_audit import (
    OfficeAuditEntry,
    OfficeAuditFilter,
    OfficeAuditStore,
    list_office_audit,
)

_STATE = "OFFICE_ACTION_STATE_"
R = TypeVar("R", bound=Message)


def action_fields(action: OfficeAction[A], now: datetime) -> dict[str, Any]:
    """An `OfficeAction` as it stands now, without its act."""
    return {
        "action_id": str(action.action_id),
        "session_code": action.proposal.session_code,
        "county_prefix": action.proposal.county_prefix,
        "state": _STATE + action.at(now).state.upper(),
        "proposed_by": action.proposed_by,
        "proposed_at": time_to_pb(action.proposed_at),
        "expires_at": optional(action.expires_at, time_to_pb),
        "decided_by": action.decided_by or "",
        "decided_at": optional(action.decided_at, time_to_pb),
    }


def action_filter_from_pb(request: Any) -> ActionFilter:
    """Which acts a `ListOfficeActionsRequest` asks for."""
    states = request.DESCRIPTOR.fields_by_name["state"].enum_type.values_by_number
    state = states[request.state].name.removeprefix(_STATE).lower()
    return ActionFilter(
        county_prefix=request.county_prefix,
        session_code=request.session_code or None,
        state=ActionState(state) if request.state else None,
    )


async def answer_office_audit(db: Database, schema: str, request: Any, response_type: type[R]) -> R:
    """Answer a `ListOfficeAuditEntriesRequest`: a page of entries, the newest first.

    Raises DomainError OUT_OF_SCOPE.
    """
    wanted = OfficeAuditFilter(
        county_prefix=request.county_prefix,
        session_code=request.session_code or None,
        actor=request.actor or None,
        action=request.action or None,
    )
    async with db.read() as tx:
        entries, next_page_token = await list_office_audit(
            OfficeAuditStore(tx, schema),
            wanted,
            request.page_size,
            request.page_token,
            actor=current_actor(),
        )
    make: Any = response_type
    answer: R = make(entries=map(_entry_fields, entries), next_page_token=next_page_token)
    return answer


def _entry_fields(entry: OfficeAuditEntry) -> dict[str, Any]:
    fields = asdict(entry)
    fields["at"] = time_to_pb(entry.at)
    fields["before_json"], fields["after_json"] = fields.pop("before"), fields.pop("after")
    return fields
