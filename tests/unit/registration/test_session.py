"""Registration's session settings: windows, contradictions, changes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from zikao_kit.errors import DomainError
from zikao_registration.domain.session import (
    Session,
    check_change,
    check_session,
    describe_changes,
)
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
    wrong = replace(
        SESSION,
        registration_closes_at=OPENS,
        material_closes_at=OPENS - INSTANT,
        review_closes_at=OPENS - timedelta(days=1),
        ticket_number_session="2201",
    )
    with pytest.raises(DomainError) as refused:
        check_session(wrong)
    assert [problem.field for problem in refused.value.fields] == [
        "session.registration_closes_at",
        "session.material_closes_at",
        "session.review_closes_at",
        "session.ticket_number_session",
    ]
    with pytest.raises(DomainError, match="ticket_number_format"):
        check_session(replace(SESSION, ticket_number_format="{serial:5}"))


def test_same_session_is_no_change() -> None:
    """Applying the same file twice says nothing; the first time says it is new."""
    check_session(SESSION)
    assert describe_changes(SESSION, SESSION) == []
    assert describe_changes(None, SESSION) == ["新增考次22.1，区县2个"]


def test_changes_are_named() -> None:
    """Each difference is one sentence, counties by code and name."""
    counties = {"510104": "锦江", "510108": "成华区"}
    assert describe_changes(SESSION, replace(SESSION, name="新名称", counties=counties)) == [
        "考次名称由2022年4月高等教育自学考试改为新名称",
        "新增区县510108成华区",
        "删除区县510107武侯区",
        "区县510104由锦江区改名为锦江",
    ]


def test_what_candidates_have_is_kept() -> None:
    """A county with registrations cannot go, nor the format of numbers that are out."""
    smaller = replace(SESSION, counties={"510104": "锦江区"})
    check_change(SESSION, smaller, used_counties={"510104"}, numbers_assigned=True)
    with pytest.raises(DomainError, match="510107"):
        check_change(SESSION, smaller, used_counties={"510107"}, numbers_assigned=False)
    other = replace(SESSION, ticket_number_session="222")
    check_change(SESSION, other, used_counties=(), numbers_assigned=False)
    with pytest.raises(DomainError, match="SESSION_CHANGE_REFUSED"):
        check_change(SESSION, other, used_counties=(), numbers_assigned=True)
