"""What officers do at tickets, one request an act."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import asyncpg
from support.service import Caller, new_id
from support.tickets_peers import COUNTY
from support.tickets_service import Installation
from zikao.tickets.v1 import office_audit_service_pb2 as audit
from zikao.tickets.v1 import office_service_pb2 as pb
from zikao.tickets.v1 import session_service_pb2 as sessions
from zikao.tickets.v1 import site_service_pb2 as sites

CONFIRM, REJECT = pb.OFFICE_DECISION_CONFIRM, pb.OFFICE_DECISION_REJECT
DONE, PENDING = pb.OFFICE_ACTION_STATE_DONE, pb.OFFICE_ACTION_STATE_PENDING
NORMAL, RESERVE, CLOSED = (
    sessions.ROOM_USE_NORMAL,
    sessions.ROOM_USE_RESERVE,
    sessions.ROOM_USE_CLOSED,
)
ROLES = {2: "province_officer", 4: "city_officer", 6: "county_officer"}


def officer(service: Installation, scope: str = COUNTY, subject: str = "") -> Caller:
    """An officer of the office with this code, through a portal."""
    token = service.token(UUID(subject or new_id()), ROLES[len(scope)], scope)
    return Caller(service.channel("portal"), token)


def auditor(service: Installation, scope: str = "51") -> Caller:
    """An auditor, through a portal."""
    return Caller(service.channel("portal"), service.token(UUID(new_id()), "auditor", scope))


async def audited(service: Installation, **filters: Any) -> list[audit.OfficeAuditEntry]:
    """What auditors are told, the oldest first."""
    request = audit.ListOfficeAuditEntriesRequest(**filters)
    return list((await auditor(service).call(request)).entries)[::-1]


async def rows(service: Installation, statement: str, *args: Any) -> list[asyncpg.Record]:
    """Run a statement behind the service's back."""
    connection = await asyncpg.connect(service.config.database.dsn)
    try:
        return await connection.fetch(statement, *args)
    finally:
        await connection.close()


def room_use(room: str, use: Any = CLOSED, **changes: Any) -> sites.SetRoomUseRequest:
    """Use a room of site A otherwise."""
    fields = {
        "request_id": new_id(),
        "session_code": "22.1",
        "county_code": COUNTY,
        "site_code": "A",
        "reason": "漏水",
    }
    return sites.SetRoomUseRequest(room_code=room, use=use, **fields | changes)


def decision(action: pb.OfficeAction, decided: Any = CONFIRM) -> pb.DecideOfficeActionRequest:
    """Confirm or reject a pending act."""
    return pb.DecideOfficeActionRequest(
        request_id=new_id(), action_id=action.action_id, decision=decided
    )


def listing(prefix: str = "51", **changes: Any) -> pb.ListOfficeActionsRequest:
    """Which acts there are."""
    return pb.ListOfficeActionsRequest(session_code="22.1", county_prefix=prefix, **changes)
