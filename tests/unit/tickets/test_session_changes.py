"""What applying a session again says, and what it refuses."""

from dataclasses import replace
from datetime import timedelta

import pytest
from support.tickets_database import MORNING, SESSION, SITE
from zikao_kit.errors import DomainError
from zikao_tickets.converts.sessions import session_from_json, session_to_json
from zikao_tickets.domain.layout import Layout, RoomPlan
from zikao_tickets.domain.session import Notice, RoomKey, Session, Site, Slot
from zikao_tickets.domain.session_changes import changes_between, require_harmless
from zikao_tickets.domain.site_changes import (
    MAX_LINES,
    Loss,
    changed_sites,
    loss_problems,
    lost_seats,
)

HOUR = timedelta(hours=1)


def changes(after: Session, *sites: Site) -> list[str]:
    """What applying `after` to the usual session says."""
    return changes_between(SESSION, after, [SITE], sites or [SITE])


def refusal(
    after: Session,
    *sites: Site,
    courses: set[tuple[int, str]] | None = None,
    seated: set[tuple[int, str]] | None = None,
    seats: dict[RoomKey, int] | None = None,
) -> str:
    """Why applying `after` to the usual session is refused."""
    with pytest.raises(DomainError, match="SESSION_CHANGE_REFUSED") as caught:
        require_harmless(
            SESSION,
            after,
            [SITE],
            sites or [SITE],
            courses_in_use=courses or set(),
            courses_seated=seated or set(),
            seats_in_use=seats or {},
        )
    return caught.value.metadata["detail"]


def test_a_new_session_is_summed_up_and_the_same_one_says_nothing() -> None:
    """The first apply counts sites and rooms; the second has no sentence."""
    assert changes_between(None, SESSION, [], [SITE]) == ["新增考次22.1：考点1个、考场1个"]
    assert changes(SESSION) == []


def test_changed_settings_are_said_with_old_and_new() -> None:
    """Every changed setting names what it was and what it becomes, in the session's time."""
    after = replace(
        SESSION,
        name="新名称",
        time_zone="Asia/Urumqi",
        arrangements_open_at=SESSION.arrangements_open_at + HOUR,
        notice=Notice(2, ("新须知。",)),
    )
    assert changes(after) == [
        "考次名称由2022年4月高等教育自学考试改为新名称",
        "时区由Asia/Shanghai改为Asia/Urumqi",
        "编排开始时间由2022-03-03 15:00:00+06:00改为2022-03-03 16:00:00+06:00",
        "考试须知由第1版改为第2版",
    ]


def test_changed_slots_and_courses_are_said_one_by_one() -> None:
    """A moved slot, a new one, a renamed course and a new one have a sentence each."""
    slots = (
        Slot(1, MORNING + HOUR, MORNING + 3 * HOUR),
        Slot(2, MORNING + 5 * HOUR, MORNING + 7 * HOUR),
    )
    after = replace(SESSION, slots=slots, courses={"00015": "英语", "00018": "计算机应用基础"})
    assert changes(after) == [
        "第1场时间由2022-04-16 09:00:00+08:00至2022-04-16 11:30:00+08:00"
        "改为2022-04-16 10:00:00+08:00至2022-04-16 12:00:00+08:00",
        "新增第2场：2022-04-16 14:00:00+08:00至2022-04-16 16:00:00+08:00",
        "课程00015名称由英语（二）改为英语",
        "新增课程00018计算机应用基础",
    ]
    assert changes_between(after, SESSION, [SITE], [SITE])[1::2] == [
        "取消第2场",
        "取消课程00018计算机应用基础",
    ]


def test_changed_sites_and_rooms_are_said_one_by_one() -> None:
    """A site's new address, a smaller, a new and a gone room, and a new site are told apart."""
    before = replace(SITE, rooms=(RoomPlan("001", 5, 6), RoomPlan("002", 5, 6)))
    after = replace(SITE, address="新街1号", rooms=(RoomPlan("001", 5, 5), RoomPlan("003", 5, 6)))
    other = replace(SITE, code="B", name="盐道街中学")
    assert changes_between(SESSION, SESSION, [before], [after, other]) == [
        "新增考点B盐道街中学",
        "考点A地址由通盈街368号改为新街1号",
        "考点A考场001由5列6行改为5列5行",
        "新增考点A考场003（5列6行）",
        "取消考点A考场002",
    ]


def test_another_order_of_filling_is_a_change() -> None:
    """Sites and rooms that only change places are named at the first place that differs."""
    rooms = (RoomPlan("001", 5, 6), RoomPlan("002", 5, 6))
    sites = [replace(SITE, code=code, rooms=rooms) for code in "ABC"]
    turned = [sites[0], replace(sites[2], rooms=rooms[::-1]), sites[1]]
    assert changes_between(SESSION, SESSION, sites, turned) == [
        "考点C考场使用顺序自第1个起变更，该位由001改为002",
        "考点使用顺序自第2个起变更，该位由B改为C",
    ]


def test_what_somebody_takes_or_sits_in_cannot_go() -> None:
    """Slots and courses with sittings and rooms with seats are named, all in one answer."""
    after = replace(SESSION, slots=(replace(SESSION.slots[0], number=2),), courses={"00018": "计"})
    smaller = replace(SITE, county_code="510105", rooms=(RoomPlan("001", 1, 6),))
    in_use = {("A", "001"): 20, ("A", "009"): 3}
    assert refusal(after, smaller, courses={(1, "00015")}, seats=in_use) == (
        "第1场已有考生报考，不能取消；课程00015已有考生报考，不能取消；"
        "考点A考场001已安排座位至20号，不能减至6个；考点A考场009已安排座位至3号，不能取消；"
        "考点A已安排座位，所属区县不能由510104改为510105"
        "（先停用有关考场，重新编排并发布后方可更改）"
    )


@pytest.mark.parametrize(
    "becomes",
    [
        RoomPlan("001", 6, 5),
        RoomPlan("001", 5, 6, Layout.ROWS),
        RoomPlan("001", 5, 20),
        RoomPlan("001", 5, 6, Layout.CUSTOM, tuple(range(30, 0, -1))),
    ],
)
def test_desks_with_people_stand_where_they_stood(becomes: RoomPlan) -> None:
    """Not even more seats: a seat's number would stand elsewhere, or be written otherwise."""
    said = refusal(SESSION, replace(SITE, rooms=(becomes,)), seats={("A", "001"): 1})
    assert said.startswith("考点A考场001已安排座位，座位不能由5列6行改为")


def test_the_same_desks_by_another_name_are_no_change() -> None:
    """In one column a snake is numbered as rows are, and accessible seats stand on no ticket."""
    before = replace(SITE, rooms=(RoomPlan("001", 1, 6),))
    after = replace(SITE, rooms=(RoomPlan("001", 1, 6, Layout.ROWS, accessible=frozenset({1})),))
    assert [*lost_seats([before], [after], {("A", "001"): 6})] == []


def test_times_that_stand_on_tickets_do_not_move() -> None:
    """Neither by the clock nor by the zone; a slot where nobody sits may move."""
    zone, slot = replace(SESSION, time_zone="Asia/Urumqi"), SESSION.slots[0]
    moved = replace(SESSION, slots=(replace(slot, starts_at=slot.starts_at + HOUR),))
    for after in (zone, moved):
        said = refusal(after, seated={(1, "00015")})
        assert said.startswith("第1场已安排座位，时间不能由2022-04-16 09:00:00+08:00至")
        require_harmless(
            SESSION,
            after,
            [SITE],
            [SITE],
            courses_in_use={(1, "00015")},
            courses_seated=set(),
            seats_in_use={},
        )


def test_names_that_stand_on_tickets_stay() -> None:
    """A version of a ticket says the same for ever; names that no ticket shows may change."""
    session = replace(SESSION, name="新名称")
    course = replace(SESSION, courses={"00015": "英语"})
    assert refusal(session, seated={(1, "00015")}) == (
        f"准考证已发布，考次名称不能由{SESSION.name}改为新名称"
    )
    assert refusal(course, seated={(1, "00015")}) == (
        f"课程00015已安排座位，名称不能由{SESSION.courses['00015']}改为英语（需要说明的，可写入新版考试须知）"
    )
    for after in (session, course):
        require_harmless(
            SESSION,
            after,
            [SITE],
            [SITE],
            courses_in_use={(1, "00015")},
            courses_seated=set(),
            seats_in_use={},
        )


def test_where_nothing_changes_no_seat_is_asked_for() -> None:
    """Sites that are given as they are, or are new, need no look at who sits there."""
    moved, gone = replace(SITE, code="B"), replace(SITE, code="C")
    after = [replace(SITE, code="D"), SITE, replace(moved, rooms=(RoomPlan("001", 1, 6),))]
    assert changed_sites([SITE, moved, gone], after) == {"B", "C"}
    assert changed_sites([SITE, moved], [moved, SITE]) == set()


def test_what_a_ticket_shows_stays_when_nobody_sits_it_any_more() -> None:
    """Who has withdrawn has a ticket until the next publication: its course and slot stay."""
    after = replace(SESSION, courses={"00018": "计"})
    assert refusal(after, seated={(1, "00015")}) == "课程00015已有考生报考，不能取消"


def test_very_many_losses_are_counted_by_line() -> None:
    """An answer has an end."""
    losses = [Loss("A", f"{number}", "不能取消") for number in range(MAX_LINES + 7)]
    found = loss_problems([SITE], losses)
    assert len(found) == MAX_LINES + 1
    assert found[-1] == (-1, "", "另有7项同样的问题")


def test_many_losses_are_counted() -> None:
    """Of many losses five are named, and their number."""
    courses = {(1, f"{number:05}") for number in range(100, 107)}
    assert refusal(SESSION, courses=courses).endswith("课程00104已有考生报考，不能取消等共7项")


@pytest.mark.parametrize(
    ("version", "said"),
    [(1, "考试须知第1版的内容不能更改，须用新的版本号"), (0, "考试须知版本不能由1降为0")],
)
def test_a_notice_that_was_read_does_not_change(version: int, said: str) -> None:
    """Another text needs a higher version."""
    assert refusal(replace(SESSION, notice=Notice(version, ("另一内容。",)))) == said


def test_a_harmless_change_passes() -> None:
    """More rooms, more courses and a new notice take nothing from anybody."""
    after = replace(
        SESSION, courses={**SESSION.courses, "00018": "计"}, notice=Notice(2, ("新。",))
    )
    sites = [replace(SITE, rooms=(*SITE.rooms, RoomPlan("002", 5, 6)))]
    require_harmless(
        SESSION,
        after,
        [SITE],
        sites,
        courses_in_use={(1, "00015")},
        courses_seated={(1, "00015")},
        seats_in_use={("A", "001"): 30},
    )


def test_a_stored_session_is_parsed_once() -> None:
    """The same text read again, as every call does, gives the very same session."""
    body = session_to_json(SESSION)
    again = "".join(body)
    assert session_from_json(body) is session_from_json(again)
    assert session_from_json(body) == SESSION
