"""A small session for the tests of enrollment."""

from datetime import UTC, datetime, timedelta

from zikao_enrollment.domain.timetable import County, Course, Session, Slot, Track, Window

OPENS_AT = datetime(2022, 2, 28, 1, tzinfo=UTC)
CLOSES_AT = datetime(2022, 3, 2, 9, tzinfo=UTC)
FEE_FEN = 3500


def small_session(seats: int = 2) -> Session:
    """Two slots with two courses each, two counties with `seats` a slot, one window."""
    day = datetime(2022, 4, 16, 1, tzinfo=UTC)
    both = frozenset(Track)
    courses = (
        Course("00001", "大学语文", 1, both),
        Course("00002", "高等数学", 1, both),
        Course("00003", "英语（二）", 2, both),
        Course("00004", "市场营销", 2, frozenset({Track.APPLIED})),
    )
    counties = (
        County("510104", "锦江区", (seats, seats)),
        County("510105", "青羊区", (seats, seats)),
    )
    return Session(
        code="22.1",
        name="2022年4月",
        slots=tuple(
            Slot(number, day + timedelta(hours=6 * number), day + timedelta(hours=6 * number + 2))
            for number in (1, 2)
        ),
        courses=courses,
        windows=(Window(Track.SOCIAL, OPENS_AT, CLOSES_AT),),
        counties=counties,
        fee_fen=FEE_FEN,
        max_courses=2,
        hold=timedelta(minutes=30),
    )
