"""Arrangements as messages."""

from collections.abc import Iterable
from uuid import UUID

from zikao.tickets.v1 import arrangement_operation_service_pb2 as operation_pb
from zikao.tickets.v1 import arrangement_service_pb2 as pb
from zikao.tickets.v1 import office_service_pb2
from zikao_kit.convert import enum_from_pb, enum_to_pb, optional, time_to_pb

from zikao_tickets.domain.publication import PublicDraw, Publishable, PublishArrangements
from zikao_tickets.domain.states import Arrangement, ArrangementFilter, ArrangementState, Totals

_STATE = "ARRANGEMENT_STATE_"
_STAGE = "ARRANGEMENT_STAGE_"
_REASON = "SITE_GAP_REASON_"


def arrangement_to_pb(arrangement: Arrangement, seed: bytes = b"") -> pb.Arrangement:
    """`seed` is given once the arrangement is published."""
    counts, progress = arrangement.counts, arrangement.progress
    return pb.Arrangement(
        arrangement_id=str(arrangement.arrangement_id),
        session_code=arrangement.session_code,
        county_code=arrangement.county_code,
        state=enum_to_pb(pb.ArrangementState, _STATE, arrangement.state),
        seed_sha256=arrangement.seed_sha256,
        seed=seed,
        candidates=counts.candidates,
        sittings=counts.sittings,
        rooms=counts.rooms,
        failure=arrangement.failure,
        started_at=time_to_pb(arrangement.started_at),
        operation_id=str(arrangement.operation_id or ""),
        stage=enum_to_pb(pb.ArrangementStage, _STAGE, progress.stage),
        stage_done=progress.done,
        stage_total=progress.total,
        anew=arrangement.anew,
        fewest_rooms=pb.Proven(count=counts.rooms, bound=counts.rooms_bound),
        packs=pb.Proven(count=counts.packs, bound=counts.packs_bound),
        site_changes=pb.Proven(count=counts.site_changes, bound=counts.site_changes_bound),
        changers=counts.changers,
        gap_reason=enum_to_pb(pb.SiteGapReason, _REASON, counts.gap_reason),
        changed=counts.changed,
        moved=counts.moved,
        late_shares=counts.late_shares,
        checked_at=optional(arrangement.checked_at, time_to_pb),
        seats_sha256=arrangement.seats_sha256 if arrangement.is_revealed else b"",
        started_by=arrangement.started_by,
        seeded_on=str(arrangement.seeded_on or ""),
    )


def draw_to_pb(draw: PublicDraw) -> pb.Draw:
    """What anybody may know of a draw."""
    return pb.Draw(
        seed_sha256=draw.seed_sha256,
        fixed_at=time_to_pb(draw.fixed_at),
        arrangement_id=str(draw.arrangement_id or ""),
        published_at=optional(draw.published_at, time_to_pb),
        seed=draw.seed,
        seats_sha256=draw.seats_sha256,
    )


def totals_to_pb(totals: Totals) -> operation_pb.ArrangementTotals:
    """Arrangements counted."""
    counts = totals.counts
    return operation_pb.ArrangementTotals(
        arrangements=totals.arrangements,
        ended=totals.ended,
        failed=totals.failed,
        cancelled=totals.cancelled,
        sittings=counts.sittings,
        rooms=counts.rooms,
        rooms_bound=counts.rooms_bound,
        site_changes=counts.site_changes,
        site_changes_bound=counts.site_changes_bound,
    )


def look_to_pb(
    arrangements: Iterable[Arrangement], totals: Totals, *, full: bool
) -> operation_pb.WatchArrangementsResponse:
    """What is new of an operation."""
    return operation_pb.WatchArrangementsResponse(
        full=full,
        arrangements=map(arrangement_to_pb, arrangements),
        totals=totals_to_pb(totals),
    )


def arrangement_filter_from_pb(
    message: operation_pb.ListArrangementsRequest,
) -> ArrangementFilter:
    """Which arrangements."""
    state = enum_from_pb(pb.ArrangementState, _STATE, message.state)
    return ArrangementFilter(
        message.session_code,
        message.county_prefix,
        ArrangementState(state) if message.state else None,
        message.with_gap_only,
    )


def publication_to_pb(act: PublishArrangements) -> office_service_pb2.PublishArrangementsAct:
    """What is put in force."""
    return office_service_pb2.PublishArrangementsAct(
        arrangements=[
            office_service_pb2.ProposedArrangement(
                **{**each._asdict(), "arrangement_id": str(each.arrangement_id)}
            )
            for each in act.arrangements
        ],
        above_bound=act.above_bound,
    )


def publication_from_pb(message: office_service_pb2.PublishArrangementsAct) -> PublishArrangements:
    """What is put in force."""
    return PublishArrangements(
        tuple(
            Publishable(
                UUID(each.arrangement_id),
                each.seats_sha256,
                each.county_code,
                each.anew,
                each.started_by,
                each.discarded,
                each.published_before,
                each.rooms,
                each.rooms_bound,
            )
            for each in message.arrangements
        ),
        message.above_bound,
    )
