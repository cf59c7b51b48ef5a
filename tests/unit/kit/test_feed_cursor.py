"""The cursor of a feed on the wire."""

import pytest
from zikao_kit.errors import INVALID_REQUEST, DomainError
from zikao_kit.feed import MAX_POSITION, MAX_XID, Cursor


@pytest.mark.parametrize("cursor", [Cursor(), Cursor(1, 2), Cursor(MAX_XID - 1, MAX_POSITION - 1)])
def test_a_cursor_survives_the_wire(cursor: Cursor) -> None:
    """Text and back again is the same place; the empty text is the beginning."""
    assert Cursor.parse(str(cursor)) == cursor
    assert Cursor.parse("") == Cursor()


MALFORMED = ["1", "-", "1-", "-1", "a-1", "1-b", "1-2-3", " 1-2", "1-+2", "１-2", "²-1"]
TOO_LARGE = [f"{MAX_XID}-1", f"1-{MAX_POSITION}", "0" * 21 + "-1", "9" * 5000 + "-1"]


@pytest.mark.parametrize("text", MALFORMED + TOO_LARGE)
def test_what_is_no_cursor_is_the_callers_fault(text: str) -> None:
    """It is INVALID_REQUEST with the field's name, never an error of the database."""
    with pytest.raises(DomainError) as caught:
        Cursor.parse(text)
    assert caught.value.reason == INVALID_REQUEST
    assert [problem.field for problem in caught.value.fields] == ["cursor"]
