"""Registration's session settings: windows, contradictions, changes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from zikao_kit.errors import DomainError
from zikao_registration.domain.session import Session, Window, session_problems
from zikao_registration.domain.session_changes import changes_between, require_harmless
from zikao_registration.domain.states import State

OPENS = datetime(2022, 2, 21, 1, tzinfo=UTC)
SESSION = Session(
    code="22.1",
    name="2022年4月高等教育自学考试",
    registration_opens_at=OPENS,
    registration_closes_at=OPENS + timedelta(days=2, hours=8),
    material_closes_at=OPENS + timedelta(days=2, hours=9),
    review_closes_at=OPENS + timedelta(days=3, hours=8),
    ticket_number_format="{city:2}{county:2}{session:3}{serial:5}",
    ticket_number_session="221",
    counties={"510104": "锦江区", "510107": "武侯区"},
)
INSTANT = timedelta(microseconds=1)


def test_draft_window_includes_its_start_and_not_its_end() -> None:
    """A draft is written from the first instant to the last before the closing."""
    SESSION.require_editing_open(State.DRAFT, OPENS)
    SESSION.require_editing_open(State.DRAFT, SESSION.registration_closes_at - INSTANT)
    for outside in (OPENS - INSTANT, SESSION.registration_closes_at):
        with pytest.raises(DomainError, match="REGISTRATION_CLOSED"):
            SESSION.require_editing_open(State.DRAFT, outside)


def test_corrections_end_with_the_reviews() -> None:
    """A rejected registration is corrected after the window, until the deadline."""
    SESSION.require_editing_open(State.REJECTED, SESSION.registration_closes_at)
    with pytest.raises(DomainError, match="CORRECTION_CLOSED"):
        SESSION.require_editing_open(State.REJECTED, SESSION.review_closes_at)


def test_material_deadline_is_later_for_the_rejected() -> None:
    """Material is taken until its deadline; who was rejected for it may correct it."""
    with pytest.raises(DomainError, match="CORRECTION_CLOSED"):
        SESSION.require_material_open(State.PENDING_REVIEW, SESSION.material_closes_at)
    SESSION.require_material_open(State.REJECTED, SESSION.material_closes_at)


def test_windows_and_what_follows_them_must_agree() -> None:
    """A window that never opens, and changes that take effect before they end, are refused."""
    turned, window = Window(OPENS, OPENS), Window(OPENS, OPENS + timedelta(days=1))
    wrong = replace(
        SESSION,
        activation=turned,
        enrollment=(window, turned),
        profile_change=window,
        profile_changes_effective_at=window.closes_at - INSTANT,
    )
    assert {problem.field for problem in session_problems(wrong)} == {
        "session.activation",
        "session.enrollment[1]",
        "session.profile_changes_effective_at",
    }
    right = replace(wrong, activation=window, enrollment=(window,))
    right = replace(right, profile_changes_effective_at=window.closes_at)
    assert session_problems(right) == []


def test_changed_windows_are_said_in_chinese_time() -> None:
    """What appears, changes and disappears is one sentence each."""
    window = Window(OPENS, OPENS + timedelta(days=1))
    after = replace(SESSION, activation=window, enrollment=(window, window))
    times = "2022年2月21日09:00至2022年2月22日09:00"
    assert changes_between(SESSION, after) == [
        f"激活准考证号时间由无改为{times}",
        f"课程报考时间由无改为{times}、{times}",
    ]
    assert changes_between(after, replace(after, four_eyes_percent=5)) == ["复核比例（%）由0改为5"]


def test_deadlines_end_states_one_after_the_other() -> None:
    """Drafts end first, then what is pending, last what is rejected; the approved never."""
    ends = [
        SESSION.registration_closes_at,
        SESSION.material_closes_at,
        SESSION.review_closes_at,
    ]
    pending = [State.PENDING_REVIEW, State.PENDING_CONFIRMATION]
    ended: list[State] = []
    for states, end in zip([[State.DRAFT], pending, [State.REJECTED]], ends, strict=True):
        assert SESSION.expired_states(end - INSTANT) == ended
        ended = ended + states
        assert SESSION.expired_states(end) == ended


def test_only_the_session_s_counties_take_registrations() -> None:
    """Another county is refused by its code; none is no county yet."""
    SESSION.require_county("")
    SESSION.require_county("510104")
    with pytest.raises(DomainError, match="510199"):
        SESSION.require_county("510199")


def test_ticket_numbers_are_of_the_session() -> None:
    """County and session are in the number."""
    assert SESSION.make_ticket_number("510104", 12) == "010422100012"


def test_contradictions_are_listed_together() -> None:
    """A session file is refused with everything that is wrong in it."""
    assert session_problems(SESSION) == []
    wrong = replace(
        SESSION,
        registration_closes_at=OPENS,
        material_closes_at=OPENS - INSTANT,
        review_closes_at=OPENS - timedelta(days=1),
        ticket_number_session="2201",
    )
    assert [problem.field for problem in session_problems(wrong)] == [
        "session.registration_closes_at",
        "session.material_closes_at",
        "session.review_closes_at",
        "session.ticket_number_session",
    ]


def test_bad_format_is_told_in_chinese() -> None:
    """Of a format that makes no number of 12 digits the session file's author reads why."""
    longer = replace(SESSION, ticket_number_format="{city:2}{county:2}{session:3}{serial:6}")
    (problem,) = session_problems(longer)
    assert (problem.field, problem.description) == (
        "session.ticket_number_format",
        "准考证号格式有误：准考证号应为12位，此格式为13位",
    )


def test_same_session_is_no_change() -> None:
    """Applying the same file twice says nothing; the first time says it is new."""
    assert changes_between(SESSION, SESSION) == []
    assert changes_between(None, SESSION) == ["新增考次22.1：区县2个"]


def test_changes_are_named() -> None:
    """Each difference is one sentence: times as China's clocks show them, counties by code."""
    after = replace(
        SESSION,
        name="新名称",
        registration_closes_at=SESSION.registration_closes_at + timedelta(hours=1),
        counties={"510104": "锦江", "510108": "成华区"},
    )
    assert changes_between(SESSION, after) == [
        "考次名称由2022年4月高等教育自学考试改为新名称",
        "考生注册结束时间由2022年2月23日17:00改为2022年2月23日18:00",
        "区县510104名称由锦江区改为锦江",
        "取消区县510107武侯区",
        "新增区县510108成华区",
    ]


def test_what_candidates_have_is_kept() -> None:
    """A county with registrations cannot go, nor the format of numbers that are out."""
    smaller = replace(SESSION, counties={"510104": "锦江区"})
    require_harmless(SESSION, smaller, used_counties={"510104"}, numbers_assigned=True)
    with pytest.raises(DomainError, match="510107"):
        require_harmless(SESSION, smaller, used_counties={"510107"}, numbers_assigned=False)
    other = replace(SESSION, ticket_number_session="222")
    require_harmless(SESSION, other, used_counties=(), numbers_assigned=False)
    with pytest.raises(DomainError, match="SESSION_CHANGE_REFUSED"):
        require_harmless(SESSION, other, used_counties=(), numbers_assigned=True)
