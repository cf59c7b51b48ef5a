"""Rosters and statistics as messages."""

from zikao.enrollment.v1 import roster_service_pb2, statistics_service_pb2
from zikao_kit.convert import enum_from_pb, time_to_pb

from zikao_enrollment.converts.orders import courses_to_pb
from zikao_enrollment.domain.rosters import RosterEntry, RosterPage
from zikao_enrollment.domain.statistics import Grouping, Row

_GROUPING = "STATISTICS_GROUPING_"


def roster_page_to_pb(page: RosterPage) -> roster_service_pb2.StreamRosterResponse:
    """A part of a roster."""
    return roster_service_pb2.StreamRosterResponse(
        entries=map(_entry_to_pb, page.entries),
        cursor=str(page.place),
        as_of=time_to_pb(page.place.as_of),
        feed_cursor=page.place.feed_cursor,
    )


def grouping_from_pb(number: int) -> Grouping:
    """What rows are about."""
    return Grouping(enum_from_pb(statistics_service_pb2.StatisticsGrouping, _GROUPING, number))


def row_to_pb(row: Row) -> statistics_service_pb2.StatisticsRow:
    """The numbers of a group."""
    return statistics_service_pb2.StatisticsRow(
        county_code=row.group.county_code,
        slot=row.group.slot,
        course_code=row.group.course_code,
        capacity=row.capacity,
        candidates=row.candidates,
        confirmed_candidates=row.confirmed_candidates,
        held=row.held,
        confirmed=row.confirmed,
        held_fen=row.held_fen,
        confirmed_fen=row.confirmed_fen,
    )


def _entry_to_pb(entry: RosterEntry) -> roster_service_pb2.RosterEntry:
    return roster_service_pb2.RosterEntry(
        county_code=entry.county_code,
        candidate_id=str(entry.candidate_id),
        courses=courses_to_pb(entry.courses),
    )
