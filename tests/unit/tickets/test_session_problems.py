"""What a session file may not say."""

from dataclasses import replace

import pytest
from support.tickets_database import SESSION, SITE
from zikao_tickets.domain.layout import RoomPlan
from zikao_tickets.domain.session import Session, Site
from zikao_tickets.domain.session_problems import session_problems


def problems(session: Session, *sites: Site) -> list[str]:
    """The sentences about a session."""
    found = session_problems(session, sites, list(session.courses))
    return [problem.description for problem in found]


def test_a_right_session_passes() -> None:
    """The session of the other tests says nothing wrong."""
    assert problems(SESSION, SITE) == []


def test_every_problem_is_named_at_once() -> None:
    """Zone, window, slot times and repetitions are told apart, all in one answer."""
    slot = SESSION.slots[0]
    session = replace(
        SESSION,
        time_zone="Asia/Chengdu",
        printing_closes_at=SESSION.printing_opens_at,
        slots=(replace(slot, ends_at=slot.starts_at), slot),
    )
    site = replace(SITE, rooms=SITE.rooms * 2)
    assert problems(session, site, replace(site, code="B"), site) == [
        "时区Asia/Chengdu不存在",
        "准考证打印结束时间须晚于开始时间",
        "第1场结束时间须晚于开始时间",
        "第1场重复",
        "考点A考场001重复",
        "考点B考场001重复",
        "考点A重复",
        "考点A考场001重复",
    ]


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../Asia/Shanghai", "Asia"])
def test_what_is_no_time_zone_is_refused(name: str) -> None:
    """Neither paths nor directories of the zone data are zones."""
    assert problems(replace(SESSION, time_zone=name), SITE) == [f"时区{name}不存在"]


def test_a_repeated_course_is_named() -> None:
    """A code that comes twice is named once, also where the names agree."""
    (problem,) = session_problems(SESSION, [SITE], ["00015", "00018", "00015"])
    assert (problem.field, problem.description) == ("session.courses", "课程00015重复")


def test_a_county_has_an_end() -> None:
    """More than 200 sites or 5,000 rooms of a county are said once; others are counted apart."""
    rooms = tuple(RoomPlan(f"{number:03}", 5, 6) for number in range(1000))
    other = replace(SITE, county_code="510105")
    sites = [replace(SITE, code=f"B{number}", rooms=rooms) for number in range(5)]
    small = [replace(other, code=f"C{number}") for number in range(200)]
    assert problems(SESSION, *sites, *small) == []
    assert problems(SESSION, *sites, *small, SITE, replace(other, code="D")) == [
        "考点B0所属区县510104共有考场5001个，最多5000个",
        "考点C0所属区县510105共有考点201个，最多200个",
    ]
