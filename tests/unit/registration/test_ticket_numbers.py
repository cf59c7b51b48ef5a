"""Ticket numbers: the format is a setting, and every number is another one of 12 digits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zikao_kit.errors import DomainError
from zikao_registration.domain.ticket_numbers import (
    FormatInvalid,
    NumberParts,
    TicketNumberFormat,
    is_earlier,
)

SICHUAN = TicketNumberFormat("{city:2}{county:2}{session:3}{serial:5}")
# Of one province: its first two digits are not in the number.
places = st.tuples(st.integers(510000, 519999).map(str), st.integers(1, 999))


def test_sichuan_s_format() -> None:
    """12 digits: city, county, session, serial."""
    assert SICHUAN.make("510104", "221", 7) == "010422100007"


@given(
    st.permutations(["{city:2}", "{county:2}", "{session:3}", "{serial:3}", "99"]),
    st.integers(0, 999).map(lambda value: f"{value:03}"),
    st.sets(places, min_size=2, max_size=5),
)
def test_no_two_numbers_are_equal(
    template: list[str], session: str, taken: set[tuple[str, int]]
) -> None:
    """Whatever the order of the fields, another county or serial has another number."""
    numbers = TicketNumberFormat("".join(template))
    made = {numbers.make(county, session, serial) for county, serial in taken}
    assert len(made) == len(taken)
    assert {len(number) for number in made} == {12}


@given(
    st.permutations(["{city:2}", "{county:2}", "{session:3}", "{serial:3}", "99"]),
    st.integers(0, 999).map(lambda value: f"{value:03}"),
    places,
)
def test_what_was_made_is_read(template: list[str], session: str, place: tuple[str, int]) -> None:
    """A number says its area and its session, whatever the order; another format reads nothing."""
    numbers, (county, serial) = TicketNumberFormat("".join(template)), place
    number = numbers.make(county, session, serial)
    assert numbers.read(number) == NumberParts(county[2:], session)
    assert TicketNumberFormat("7{city:2}{county:2}{session:3}{serial:4}").read("9" * 12) is None


@pytest.mark.parametrize(
    ("session", "before"), [("221", "212"), ("221", "981"), ("221", "811"), ("002", "992")]
)
def test_sessions_have_an_order(session: str, before: str) -> None:
    """Digits begin with two of the year, also across the century."""
    assert is_earlier(before, than=session)
    assert not is_earlier(session, than=before)
    assert not is_earlier(session, than=session)


@pytest.mark.parametrize("serial", [0, 100_000])
def test_serials_end(serial: int) -> None:
    """Beyond the last serial there is a refusal, never a longer number."""
    with pytest.raises(DomainError, match="SERIALS_EXHAUSTED"):
        SICHUAN.make("510104", "221", serial)


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("", "四段应各出现一次"),
        ("{city:2}{county:2}{session:3}", "四段应各出现一次"),
        ("{city:2}{county:2}{session:3}{serial:5}{serial:5}", "四段应各出现一次"),
        ("{city:2}{county:2}{session:3}{serial:5}{year:4}", "四段应各出现一次"),
        ("{city:1}{county:2}{session:3}{serial:6}", "city和county应为2位"),
        ("{city:2}-{county:2}{session:3}{serial:5}", "无法识别“{city:2}-"),
        ("{city:2}{county:2}{session:3}{serial:٥}", "无法识别"),
        ("{city:2}{county:2}{session:3}{serial:6}", "准考证号应为12位，此格式为13位"),
        ("{city:2}{county:2}{session:3}{serial:4}", "准考证号应为12位，此格式为11位"),
    ],
)
def test_formats_that_cannot_work_are_refused(template: str, problem: str) -> None:
    """Missing, repeated, unknown fields and another length are told when the session is applied."""
    with pytest.raises(FormatInvalid, match=problem):
        TicketNumberFormat(template)


def test_session_digits_must_fit() -> None:
    """A session of other digits than the format has would make numbers of another length."""
    assert SICHUAN.accepts_session("221")
    assert not SICHUAN.accepts_session("2204")
