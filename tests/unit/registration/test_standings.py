"""Standings of study records, walked exhaustively, and when records are closed."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from zikao_kit.errors import DomainError
from zikao_registration.domain.registration import Standing
from zikao_registration.domain.session import Window
from zikao_registration.domain.standings import (
    ENDING,
    STANDING_NAMES_ZH,
    TRANSITIONS,
    require_change,
    require_withdrawal,
)
from zikao_registration.domain.study_records import reopening, require_open

START = datetime(2022, 2, 28, 1, tzinfo=UTC)
DAY = timedelta(days=1)
# DOMAIN section 3, Standing, and what an office needs beside it.
ALLOWED = {
    (Standing.ACTIVE, Standing.BLOCKED),
    (Standing.BLOCKED, Standing.ACTIVE),
    (Standing.ACTIVE, Standing.TRANSFER_REQUESTED),
    (Standing.TRANSFER_REQUESTED, Standing.ACTIVE),
    (Standing.TRANSFER_REQUESTED, Standing.TRANSFERRED_OUT),
    (Standing.ACTIVE, Standing.GRADUATED),
}


@pytest.mark.parametrize(("before", "after"), list(itertools.product(Standing, Standing)))
def test_every_change_is_allowed_or_refused_by_name(before: Standing, after: Standing) -> None:
    """Of all pairs exactly the known changes pass; the others name both standings."""
    if (before, after) in ALLOWED:
        require_change(before, after)
        return
    with pytest.raises(DomainError) as refused:
        require_change(before, after)
    names = {"before": STANDING_NAMES_ZH[before], "after": STANDING_NAMES_ZH[after]}
    assert (refused.value.reason, refused.value.metadata) == ("STANDING_NOT_ALLOWED", names)


def test_what_ends_a_number_is_final() -> None:
    """Nothing follows exactly the standings that end a ticket number."""
    assert {standing for standing, after in TRANSITIONS.items() if not after} == ENDING


@pytest.mark.parametrize("standing", list(Standing))
def test_only_an_open_request_is_withdrawn(standing: Standing) -> None:
    """A blocked candidate does not become active by withdrawing what there is not."""
    if standing is Standing.TRANSFER_REQUESTED:
        require_withdrawal(standing)
        return
    with pytest.raises(DomainError, match="STANDING_NOT_ALLOWED"):
        require_withdrawal(standing)


def window(opens_day: float, closes_day: float) -> Window:
    """A window in days after START."""
    return Window(START + opens_day * DAY, START + closes_day * DAY)


@pytest.mark.parametrize(
    ("windows", "at_day", "reopens_day"),
    [
        ([], 0, None),
        ([window(0, 2)], -0.1, None),
        ([window(0, 2)], 0, 2),
        ([window(0, 2)], 2, None),
        ([window(1, 3), window(0, 2)], 0.5, 3),
        ([window(0, 2), window(2, 3), window(4, 5)], 1, 3),
        ([window(0, 5), window(1, 2)], 1.5, 5),
        ([window(0, 1), window(3, 4)], 3.5, 4),
    ],
)
def test_the_real_reopening(
    windows: list[Window], at_day: float, reopens_day: float | None
) -> None:
    """The first moment in no window, over those that overlap or follow each other at once."""
    expected = None if reopens_day is None else START + reopens_day * DAY
    assert reopening(windows, START + at_day * DAY) == expected


def test_closed_records_say_when_they_reopen() -> None:
    """The refusal carries the time; outside of all windows there is none."""
    require_open([window(0, 2)], START + 2 * DAY)
    with pytest.raises(DomainError) as refused:
        require_open([window(0, 2)], START + DAY)
    assert refused.value.metadata == {"reopens_at": (START + 2 * DAY).isoformat()}
