"""What offices did and what waits for a second officer."""

import json
from datetime import datetime
from uuid import UUID

from google.protobuf.json_format import MessageToJson
from zikao.enrollment.v1 import office_service_pb2, types_pb2
from zikao_kit.office_messages import action_fields

from zikao_enrollment.converts.sessions import closing_to_pb, track_from_pb, track_to_pb
from zikao_enrollment.domain.allocation import SeatKey
from zikao_enrollment.domain.closings import Closed
from zikao_enrollment.domain.office_acts import (
    Act,
    ChangeCapacities,
    CloseEnrollment,
    OfficeAction,
    OpenEnrollment,
    RequestRefundAgain,
    SetAdmissionRate,
)


def capacities_from_pb(message: office_service_pb2.SeatCapacities) -> ChangeCapacities:
    """Seats as they should be."""
    seats = ((SeatKey(seat.county_code, seat.slot), seat.capacity) for seat in message.seats)
    return ChangeCapacities(tuple(seats))


def limit_from_pb(message: office_service_pb2.AdmissionLimit) -> SetAdmissionRate:
    """What a waiting room may let in."""
    return SetAdmissionRate(track_from_pb(message.track), message.per_second, message.hold)


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
        case "setAdmissionRate":
            track = track_from_pb(types_pb2.Track.Value(act["track"]))
            return SetAdmissionRate(track, act.get("perSecond", 0), act.get("hold", False))
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
        case SetAdmissionRate(track, per_second, hold):
            limit = office_service_pb2.AdmissionLimit(
                track=track_to_pb(track), per_second=per_second, hold=hold
            )
            return office_service_pb2.OfficeAct(set_admission_rate=limit)


def action_to_pb(action: OfficeAction, now: datetime) -> office_service_pb2.OfficeAction:
    """An act with its way, as it stands now."""
    act = act_to_pb(action.proposal.act, action.proposal.county_prefix)
    return office_service_pb2.OfficeAction(act=act, **action_fields(action, now))
