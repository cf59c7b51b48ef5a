"""What officers do at enrollment, one request an act."""

from typing import Any

from support.service import new_id
from zikao.enrollment.v1 import office_service_pb2 as pb
from zikao.enrollment.v1 import types_pb2

CONFIRM, REJECT = pb.OFFICE_DECISION_CONFIRM, pb.OFFICE_DECISION_REJECT
DONE, PENDING = pb.OFFICE_ACTION_STATE_DONE, pb.OFFICE_ACTION_STATE_PENDING


def capacities(
    *seats: tuple[str, int, int], prefix: str = "51", request_id: str = ""
) -> pb.ChangeCapacitiesRequest:
    """(county, slot, capacity) as they should be."""
    return pb.ChangeCapacitiesRequest(
        request_id=request_id or new_id(),
        session_code="22.1",
        county_prefix=prefix,
        capacities=pb.SeatCapacities(
            seats=[
                pb.SeatCapacity(county_code=county, slot=slot, capacity=capacity)
                for county, slot, capacity in seats
            ]
        ),
    )


def closing(
    prefix: str, course: str = "", reason: str = "考点维修", **changes: Any
) -> pb.CloseEnrollmentRequest:
    """Take no new submissions there."""
    fields: dict[str, Any] = {"request_id": new_id(), "session_code": "22.1"}
    return pb.CloseEnrollmentRequest(
        county_prefix=prefix, course_code=course, reason=reason, **fields | changes
    )


def opening(prefix: str, course: str = "") -> pb.OpenEnrollmentRequest:
    """Take them again."""
    return pb.OpenEnrollmentRequest(
        request_id=new_id(), session_code="22.1", county_prefix=prefix, course_code=course
    )


def decision(action: pb.OfficeAction, decided: Any = CONFIRM) -> pb.DecideOfficeActionRequest:
    """Confirm or reject a pending act."""
    return pb.DecideOfficeActionRequest(
        request_id=new_id(), action_id=action.action_id, decision=decided
    )


def again(refund_id: str) -> pb.RequestRefundAgainRequest:
    """Ask the platform for a refund again."""
    return pb.RequestRefundAgainRequest(request_id=new_id(), refund_id=refund_id)


def limiting(
    per_second: int = 0, *, hold: bool = False, track: Any = types_pb2.TRACK_SOCIAL
) -> pb.SetAdmissionRateRequest:
    """Bound what a waiting room lets in, or hold it."""
    return pb.SetAdmissionRateRequest(
        request_id=new_id(),
        session_code="22.1",
        limit=pb.AdmissionLimit(track=track, per_second=per_second, hold=hold),
    )


def listing(prefix: str = "51", **changes: Any) -> pb.ListOfficeActionsRequest:
    """Which acts there are."""
    return pb.ListOfficeActionsRequest(session_code="22.1", county_prefix=prefix, **changes)
