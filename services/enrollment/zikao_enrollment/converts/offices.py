"""What offices did and what waits for a second officer."""

import json
from datetime import datetime
from uuid import UUID

from google.protobuf.json_format import MessageToJson
from zikao.enrollment.v1 import office_audit_service_pb2, office_service_pb2
from zikao_kit.convert import enum_from_pb, enum_to_pb, optional, time_to_pb

from zikao_enrollment.converts.sessions import closing_to_pb
from zikao_enrollment.domain.allocation import SeatKey
from zikao_enrollment.domain.closings import Closed
from zikao_enrollment.domain.office_acts import (
    Act,
    ActionFilter,
    ActionState,
    ChangeCapacities,
    CloseEnrollment,
    OfficeAction,
    OpenEnrollment,
    RequestRefundAgain,
)
from zikao_enrollment.domain.office_audit import OfficeAuditEntry, OfficeAuditFilter

_STATE = "OFFICE_ACTION_STATE_"


def capacities_from_pb(message: office_service_pb2.SeatCapacities) -> ChangeCapacities:
    """Seats as they should be."""
    seats = ((SeatKey(seat.county_code, seat.slot), seat.capacity) for seat in message.seats)
    return ChangeCapacities(tuple(seats))


def act_to_json(act: Act) -> str:
    """An act as it is stored: its message in protobuf's JSON."""
    return MessageToJson(act_to_pb(act, ""), indent=None, ensure_ascii=False)


def act_from_json(body: str) -> Act:
    """An act as it was stored.

    Not by protobuf's own reader, which takes 17 ms for 500 seats: a page has up to 100 acts. Its
    writer leaves out what is 0 or empty.
    """
    ((kind, act),) = json.loads(body).items()
    match kind:
        case "changeCapacities":
            seats = act["seats"]
            keys = (SeatKey(each["countyCode"], each["slot"]) for each in seats)
            counts = (each.get("capacity", 0) for each in seats)
            return ChangeCapacities(tuple(zip(keys, counts, strict=True)))
        case "closeEnrollment":
            return CloseEnrollment(act.get("courseCode", ""), act["reason"])
        case "openEnrollment":
            return OpenEnrollment(act.get("courseCode", ""))
        case "requestRefundAgain":
            return RequestRefundAgain(UUID(act["refundId"]))
        case unknown:
            raise ValueError(f"an act that nobody knows: {unknown}")


def act_to_pb(act: Act, county_prefix: str) -> office_service_pb2.OfficeAct:
    """An act in the counties whose code begins so."""
    match act:
        case ChangeCapacities(seats):
            return office_service_pb2.OfficeAct(
                change_capacities=office_service_pb2.SeatCapacities(
                    seats=[
                        office_service_pb2.SeatCapacity(
                            county_code=key.county_code, slot=key.slot, capacity=capacity
                        )
                        for key, capacity in seats
                    ]
                )
            )
        case CloseEnrollment(course_code, reason):
            closing = closing_to_pb(Closed(county_prefix, course_code), reason)
            return office_service_pb2.OfficeAct(close_enrollment=closing)
        case OpenEnrollment(course_code):
            closing = closing_to_pb(Closed(county_prefix, course_code), "")
            return office_service_pb2.OfficeAct(open_enrollment=closing)
        case RequestRefundAgain(refund_id):
            refund = office_service_pb2.RefundRequest(refund_id=str(refund_id))
            return office_service_pb2.OfficeAct(request_refund_again=refund)


def action_to_pb(action: OfficeAction, now: datetime) -> office_service_pb2.OfficeAction:
    """An act with its way, as it stands now."""
    proposal, state = action.proposal, action.at(now).state
    return office_service_pb2.OfficeAction(
        action_id=str(action.action_id),
        session_code=proposal.session_code,
        county_prefix=proposal.county_prefix,
        act=act_to_pb(proposal.act, proposal.county_prefix),
        state=enum_to_pb(office_service_pb2.OfficeActionState, _STATE, state),
        proposed_by=action.proposed_by,
        proposed_at=time_to_pb(action.proposed_at),
        expires_at=optional(action.expires_at, time_to_pb),
        decided_by=action.decided_by or "",
        decided_at=optional(action.decided_at, time_to_pb),
    )


def action_filter_from_pb(message: office_service_pb2.ListOfficeActionsRequest) -> ActionFilter:
    """Which acts."""
    state = enum_from_pb(office_service_pb2.OfficeActionState, _STATE, message.state)
    return ActionFilter(
        county_prefix=message.county_prefix,
        session_code=message.session_code or None,
        state=ActionState(state) if message.state else None,
    )


def audit_filter_from_pb(
    message: office_audit_service_pb2.ListOfficeAuditEntriesRequest,
) -> OfficeAuditFilter:
    """Which entries."""
    return OfficeAuditFilter(
        county_prefix=message.county_prefix,
        session_code=message.session_code or None,
        actor=message.actor or None,
        action=message.action or None,
    )


def audit_entry_to_pb(entry: OfficeAuditEntry) -> office_audit_service_pb2.OfficeAuditEntry:
    """One entry."""
    return office_audit_service_pb2.OfficeAuditEntry(
        audit_id=entry.audit_id,
        at=time_to_pb(entry.at),
        actor=entry.actor,
        role=entry.role,
        action=entry.action,
        session_code=entry.session_code,
        county_prefix=entry.county_prefix,
        before_json=entry.before,
        after_json=entry.after,
    )
