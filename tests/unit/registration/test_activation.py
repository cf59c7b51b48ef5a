"""When a number may be activated, and whose it is; what becomes of rows that are there."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zikao_kit.errors import DomainError
from zikao_registration.domain.activation import Person, require_activation_open
from zikao_registration.domain.documents import DocumentType, parse_document
from zikao_registration.domain.older_imports import (
    Entered,
    NumberStatus,
    Outcome,
    outcome_of,
)
from zikao_registration.domain.session import Session, Window

START = datetime(2022, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
TODAY = date(2022, 1, 1)


def session(*days: int) -> Session:
    """A session with an activation window from one day to another, or none."""
    opens_at, closes_at = (START + day * DAY for day in days) if days else (START, START)
    return Session(
        code="22.1",
        name="",
        registration_opens_at=START,
        registration_closes_at=START,
        material_closes_at=START,
        review_closes_at=START,
        ticket_number_format="",
        ticket_number_session="",
        counties={},
        activation=Window(opens_at, closes_at) if days else None,
    )


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)).map(sorted), max_size=4),
    st.integers(-1, 11),
)
def test_open_is_inside_of_a_window(windows: list[list[int]], day: int) -> None:
    """Activation is open exactly in the windows; elsewhere the next one is told, or the last."""
    sessions, now = [session(*window) for window in windows], START + day * DAY
    if any(opens <= day < closes for opens, closes in windows):
        require_activation_open(sessions, now)
        return
    with pytest.raises(DomainError) as closed:
        require_activation_open(sessions, now)
    told = closed.value.metadata["opens_at"]
    coming = [opens for opens, _ in windows if opens > day]
    known = min(coming) if coming else max((opens for opens, _ in windows), default=None)
    assert told == ("" if known is None else (START + known * DAY).isoformat())


def test_a_person_is_a_document_and_a_name() -> None:
    """Either form of the document, any dot in the name; without a document nobody is certain."""
    new = parse_document(DocumentType.RESIDENT_ID, "440524188001010014", today=TODAY)
    old = parse_document(DocumentType.RESIDENT_ID, "34052419800101001X", today=TODAY)
    fifteen = parse_document(DocumentType.RESIDENT_ID, "340524800101001", today=TODAY)
    person = Person(old, "阿依古丽·买买提")
    assert person.is_same(Person(fifteen, "阿依古丽•买买提"))
    assert not person.is_same(Person(new, "阿依古丽·买买提"))
    assert not person.is_same(Person(old, "阿依古丽"))
    assert not Person(None, "王一").is_same(Person(None, "王一"))


def there(**changes: object) -> Entered:
    """A number that an office has entered."""
    fields: dict[str, Any] = {
        "status": NumberStatus.OLDER,
        "content_index": b"other",
        "county_code": "510104",
        "is_activated": False,
    }
    return Entered(**(fields | changes))


@pytest.mark.parametrize(
    ("known", "replaces", "outcome"),
    [
        (None, False, Outcome.ENTERED),
        (there(content_index=b"same"), False, Outcome.UNCHANGED),
        (there(content_index=b"same", is_activated=True), True, Outcome.UNCHANGED),
        (there(), True, Outcome.REPLACED),
        (there(), False, "准考证号已录入，内容不同"),
        (there(content_index=b""), True, "准考证号由本系统编发，不能导入"),
        (there(county_code="510107"), True, "准考证号已由其他单位录入"),
        (there(status=NumberStatus.CANCELLED), True, "准考证号已注销"),
        (there(is_activated=True), True, "准考证号已激活，不能覆盖"),
    ],
)
def test_what_becomes_of_a_row(
    known: Entered | None, replaces: bool, outcome: Outcome | str
) -> None:
    """Nothing that somebody uses, or another office has entered, is written over."""
    found = outcome_of(known, b"same", replaces=replaces, covers=lambda code: code == "510104")
    assert found == outcome
