"""Places in a roster, and what callers may make of their texts."""

import json
from base64 import urlsafe_b64encode
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.enrollment_sessions import OPENS_AT
from zikao_enrollment.domain.rosters import RosterEntry, RosterFilter, RosterPlace
from zikao_kit.errors import DomainError

WANTED = RosterFilter("22.1", "5101")
BEGINNING = RosterPlace.before_all(WANTED, OPENS_AT, "700-0")


def refused(text: str, wanted: RosterFilter = WANTED) -> bool:
    """Whether a text is refused as a cursor."""
    try:
        RosterPlace.parse(text, wanted)
    except DomainError as error:
        return error.reason == "INVALID_REQUEST"
    return False


def test_a_place_survives_its_text() -> None:
    """The beginning, a place after entries, and one after none are read back as they were."""
    later = BEGINNING.after([RosterEntry("510104", UUID(int=7), ())])
    assert (later.county_code, later.candidate_id) == ("510104", UUID(int=7))
    for place in (BEGINNING, later, later.after([])):
        assert RosterPlace.parse(str(place), WANTED) == place


@pytest.mark.parametrize("wanted", [RosterFilter("22.2", "5101"), RosterFilter("22.1", "")])
def test_a_cursor_is_of_one_roster(wanted: RosterFilter) -> None:
    """Another session or area has other places."""
    assert refused(str(BEGINNING), wanted)


@given(st.text(max_size=400) | st.recursive(st.none() | st.integers() | st.text(), st.lists))
def test_whatever_is_no_cursor_is_refused(value: object) -> None:
    """Text that is none, and JSON of any other shape."""
    text = value if isinstance(value, str) else ""
    assert refused(text)
    assert refused(urlsafe_b64encode(json.dumps(value).encode()).decode())


@pytest.mark.parametrize(
    ("index", "value"),
    [
        *(
            (2, "2022-02-28"),
            (2, 5),
            (2, "9999-12-31T23:59:59-23:59"),
            (2, "0001-01-01T00:00+01:00"),
        ),
        *((3, "\ud800"), (3, 5), (3, "")),
        *((4, "\0"), (4, 5), (4, "51"), (5, "x"), (0, 1)),
    ],
)
def test_a_cursor_that_was_changed_is_refused(index: int, value: object) -> None:
    """No part may become what the database could not compare."""
    values: list[object] = [
        "22.1",
        "5101",
        OPENS_AT.isoformat(),
        "700-0",
        "510104",
        UUID(int=1).hex,
    ]
    values[index] = value
    assert refused(urlsafe_b64encode(json.dumps(values).encode()).decode())
