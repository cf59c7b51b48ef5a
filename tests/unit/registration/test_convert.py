"""Sessions as they are stored."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from zikao_registration.converts.registrations import session_from_json, session_to_json
from zikao_registration.domain.session import Session

OPENS = datetime(2022, 2, 21, 1, tzinfo=UTC)
SESSION = Session(
    code="22.1",
    name="2022年4月高等教育自学考试",
    registration_opens_at=OPENS,
    registration_closes_at=OPENS + timedelta(days=2),
    material_closes_at=OPENS + timedelta(days=3),
    review_closes_at=OPENS + timedelta(days=4),
    ticket_number_format="{city:2}{county:2}{session:3}{serial:5}",
    ticket_number_session="221",
    counties={"510107": "武侯区", "510104": "锦江区"},
)


def test_session_comes_back_as_it_was_stored() -> None:
    """Names, times to the microsecond and the order of counties survive."""
    session = replace(SESSION, review_closes_at=OPENS + timedelta(days=5, microseconds=1))
    stored = session_from_json(session_to_json(session))
    assert stored == session
    assert list(stored.counties) == ["510107", "510104"]


def test_what_a_newer_version_added_is_passed_over() -> None:
    """During a roll-out the older process reads what the newer one has stored."""
    body = session_to_json(SESSION)
    assert session_from_json(body.removesuffix("}") + ', "later": 1}') == SESSION


def test_sessions_are_read_once() -> None:
    """The same text gives the same session, another text another."""
    body = session_to_json(SESSION)
    again = body.encode().decode()
    assert session_from_json(body) is session_from_json(again)
    assert session_from_json(body.replace("锦江区", "武侯区")) != SESSION
