"""Versions of tickets and their seats, as messages and events."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from zikao.tickets.v1 import (
    office_service_pb2,
    office_ticket_service_pb2,
    ticket_feed_service_pb2,
    ticket_service_pb2,
    types_pb2,
)
from zikao_kit.convert import enum_from_pb, enum_to_pb, optional, time_to_pb
from zikao_kit.feed import FeedRow

from zikao_tickets.domain.ticket import TicketSeat
from zikao_tickets.domain.versions import (
    IssueTemporaryTicket,
    ReissueTicket,
    ReplacedTicket,
    ShownTicket,
    TicketReason,
    TicketVersion,
)

_KIND, _REASON = "TICKET_KIND_", "TICKET_REASON_"


def kind_to_pb(kind: str | None) -> Any:
    """The contract's number; unspecified for None."""
    return enum_to_pb(types_pb2.TicketKind, _KIND, kind)


def reason_from_pb(reason: Any) -> TicketReason:
    """The inverse of `reason_to_pb`; the contract's checks leave no unspecified one."""
    return TicketReason(enum_from_pb(types_pb2.TicketReason, _REASON, reason))


def reason_to_pb(reason: str | None) -> Any:
    """The contract's number; unspecified for None."""
    return enum_to_pb(types_pb2.TicketReason, _REASON, reason)


def seat_to_pb(seat: TicketSeat) -> types_pb2.TicketSeat:
    """One seat."""
    return types_pb2.TicketSeat(
        slot=seat.slot,
        course_code=seat.course_code,
        site_code=seat.site_code,
        room=seat.room_code,
        seat=seat.label,
        site_name=seat.site_name,
        site_address=seat.address,
    )


def shown_to_pb(shown: ShownTicket) -> ticket_service_pb2.GetTicketResponse:
    """A ticket as its candidate sees it."""
    about = shown.about
    return ticket_service_pb2.GetTicketResponse(
        version=about.version,
        serial=about.serial,
        kind=kind_to_pb(about.kind),
        reason=reason_to_pb(about.reason),
        issued_at=time_to_pb(about.issued_at),
        print_count=about.print_count,
        seats=map(seat_to_pb, shown.ticket.seats),
        replaced=optional(shown.replaced, _replaced_to_pb),
        changed_slots=shown.changed_slots,
    )


def _replaced_to_pb(replaced: ReplacedTicket) -> ticket_service_pb2.ReplacedTicket:
    return ticket_service_pb2.ReplacedTicket(
        version=replaced.version,
        revoked_at=time_to_pb(replaced.revoked_at),
        seats=map(seat_to_pb, replaced.seats),
    )


def version_to_pb(version: TicketVersion) -> office_ticket_service_pb2.TicketVersion:
    """A version as its office sees it."""
    return office_ticket_service_pb2.TicketVersion(
        version=version.version,
        serial=version.serial,
        kind=kind_to_pb(version.kind),
        reason=reason_to_pb(version.reason),
        issued_at=time_to_pb(version.issued_at),
        issued_by=version.issued_by,
        revoked_at=optional(version.revoked_at, time_to_pb),
        print_count=version.print_count,
        without_photo=version.without_photo,
    )


def reissue_act_to_pb(act: ReissueTicket) -> office_service_pb2.ReissueTicketAct:
    """The act as message."""
    return office_service_pb2.ReissueTicketAct(
        ticket_number=act.ticket_number, reason=reason_to_pb(act.reason), note=act.note
    )


def reissue_from_pb(
    message: office_service_pb2.ReissueTicketAct | office_ticket_service_pb2.ReissueTicketRequest,
) -> ReissueTicket:
    """The act that was proposed, or is asked for."""
    return ReissueTicket(message.ticket_number, reason_from_pb(message.reason), message.note)


def temporary_act_to_pb(act: IssueTemporaryTicket) -> office_service_pb2.IssueTemporaryTicketAct:
    """The act as message."""
    return office_service_pb2.IssueTemporaryTicketAct(
        ticket_number=act.ticket_number, without_photo=act.without_photo, note=act.note
    )


def temporary_from_pb(
    message: office_service_pb2.IssueTemporaryTicketAct
    | office_ticket_service_pb2.IssueTemporaryTicketRequest,
) -> IssueTemporaryTicket:
    """The act that was proposed, or is asked for."""
    return IssueTemporaryTicket(message.ticket_number, message.without_photo, message.note)


def event_key(session_code: str, candidate_id: UUID) -> str:
    """What the states of the feed are about."""
    return f"{session_code}:{candidate_id}"


def state_to_event(
    session_code: str, state: Mapping[str, Any], seats: Sequence[TicketSeat]
) -> bytes:
    """Where a ticket stands, as stored in the feed; `state` is a row of `list_ticket_states`."""
    return ticket_feed_service_pb2.TicketEvent(
        session_code=session_code,
        candidate_id=str(state["candidate_id"]),
        ticket_number=state["ticket_number"],
        county_code=state["county_code"],
        version=state["version"] or 0,
        kind=kind_to_pb(state["kind"]),
        reason=reason_to_pb(state["reason"]),
        serial=state["serial"] or "",
        seats=map(seat_to_pb, seats),
        revoked_versions=state["revoked_versions"] or [],
    ).SerializeToString()


def event_to_pb(row: FeedRow) -> ticket_feed_service_pb2.TicketEvent:
    """A stored event, with its place in the feed."""
    event = ticket_feed_service_pb2.TicketEvent.FromString(row.payload)
    event.cursor = str(row.cursor)
    event.occurred_at.CopyFrom(time_to_pb(row.created_at))
    event.traceparent = row.traceparent
    return event
