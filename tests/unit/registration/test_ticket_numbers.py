"""Ticket numbers: the format is a setting, and every number can be read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zikao_kit.errors import DomainError
from zikao_registration.domain.ticket_numbers import (
    FormatInvalid,
    TicketNumber,
    TicketNumberFormat,
)

SICHUAN = TicketNumberFormat("{city:2}{county:2}{session:3}{serial:5}")


def test_sichuan_s_format() -> None:
    """12 digits: city, county, session, serial."""
    assert SICHUAN.make("510104", "221", 7) == "010422100007"
    assert SICHUAN.digits == 12


@given(
    st.permutations(["{city:2}", "{county:2}", "{session:3}", "{serial:4}", "99"]),
    st.integers(510000, 519999).map(str),
    st.integers(0, 999).map(lambda value: f"{value:03}"),
    st.integers(1, 9999),
)
def test_numbers_are_read_back(template: list[str], county: str, session: str, serial: int) -> None:
    """Whatever the order of the fields, a number says what it was made of."""
    numbers = TicketNumberFormat("".join(template))
    made = numbers.make(county, session, serial)
    assert len(made) == numbers.digits
    assert numbers.read(made) == TicketNumber(county[2:4], county[4:6], session, serial)


@pytest.mark.parametrize("serial", [0, 100_000])
def test_serials_end(serial: int) -> None:
    """Beyond the last serial there is a refusal, never a longer number."""
    with pytest.raises(DomainError, match="SERIALS_EXHAUSTED"):
        SICHUAN.make("510104", "221", serial)


@pytest.mark.parametrize(
    "template",
    [
        "",
        "{city:2}{county:2}{session:3}",
        "{city:2}{county:2}{session:3}{serial:5}{serial:5}",
        "{city:1}{county:2}{session:3}{serial:5}",
        "{city:2}{county:2}{session:3}{serial:5}{year:4}",
        "{city:2}-{county:2}{session:3}{serial:5}",
        "{city:2}{county:2}{session:9}{serial:9}",
        "{city:2}{county:2}{session:3}{serial:٥}",
    ],
)
def test_formats_that_cannot_work_are_refused(template: str) -> None:
    """Missing, repeated, unknown or too wide fields are found when the session is applied."""
    with pytest.raises(FormatInvalid):
        TicketNumberFormat(template)


@pytest.mark.parametrize("number", ["", "01042210000", "0104221000070", "01042210000x"])
def test_other_numbers_are_not_read(number: str) -> None:
    """What has another form says nothing."""
    assert SICHUAN.read(number) is None


def test_session_digits_must_fit() -> None:
    """A session of other digits than the format has would make numbers of another length."""
    assert SICHUAN.accepts_session("221")
    assert not SICHUAN.accepts_session("2204")
