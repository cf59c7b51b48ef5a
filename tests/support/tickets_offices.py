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
from zikao_tickets.converts.sites import site_to_pb
from zikao_tickets.domain.session import Site

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


def correction(**changes: Any) -> sites.CorrectSiteRequest:
    """Put right what tickets say of site A."""
    fields = {
        "request_id": new_id(),
        "session_code": "22.1",
        "county_code": COUNTY,
        "site_code": "A",
        "name": "第十八中学",
        "address": "新街1号",
        "reason": "校名更正",
    }
    return sites.CorrectSiteRequest(**fields | changes)


def importing(*given: Site, prefix: str = COUNTY, **changes: Any) -> sites.ImportSitesRequest:
    """Make sites what is given."""
    fields = {"request_id": new_id(), "session_code": "22.1", "sites": map(site_to_pb, given)}
    return sites.ImportSitesRequest(county_prefix=prefix, **fields | changes)


def sites_in(prefix: str = COUNTY, **changes: Any) -> sites.ListSitesRequest:
    """Which sites there are."""
    fields = {"session_code": "22.1", "county_prefix": prefix}
    return sites.ListSitesRequest(**fields | changes)


def need(
    number: str, what: Any = sites.ACCOMMODATION_NEED_ACCESSIBLE_SEAT, **changes: Any
) -> sites.SetAccommodationRequest:
    """Note what a candidate needs."""
    fields = {"request_id": new_id(), "session_code": "22.1", "county_code": COUNTY}
    return sites.SetAccommodationRequest(ticket_number=number, need=what, **fields | changes)


def needs_in(county: str = COUNTY, **changes: Any) -> sites.ListAccommodationsRequest:
    """Who needs what."""
    fields = {"session_code": "22.1", "county_code": county}
    return sites.ListAccommodationsRequest(**fields | changes)


def decision(action: pb.OfficeAction, decided: Any = CONFIRM) -> pb.DecideOfficeActionRequest:
    """Confirm or reject a pending act."""
    return pb.DecideOfficeActionRequest(
        request_id=new_id(), action_id=action.action_id, decision=decided
    )


def listing(prefix: str = "51", **changes: Any) -> pb.ListOfficeActionsRequest:
    """Which acts there are."""
    return pb.ListOfficeActionsRequest(session_code="22.1", county_prefix=prefix, **changes)
