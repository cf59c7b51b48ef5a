"""When keys of access tokens come, sign and go."""

from datetime import UTC, datetime, timedelta

import pytest
from zikao_registration.domain.signing_keys import SIGNING_LEAD, SigningRotation

NOW = datetime(2022, 2, 28, 1, tzinfo=UTC)
ROTATION = SigningRotation(timedelta(days=30), longest_token=timedelta(hours=2))
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def ago(*ages: timedelta) -> list[datetime]:
    """When keys of these ages were made."""
    return [NOW - age for age in ages]


@pytest.mark.parametrize(
    ("ages", "due"), [([], True), ([29 * DAY], False), ([30 * DAY], True), ([DAY, 31 * DAY], False)]
)
def test_a_key_comes_when_the_newest_has_had_its_days(ages: list[timedelta], *, due: bool) -> None:
    """The first at once, each further one after as many days; older ones do not count."""
    assert ROTATION.is_due(ago(*ages), NOW) is due
    assert SigningRotation(None, timedelta(0)).is_due(ago(*ages), NOW) is (not ages)


@pytest.mark.parametrize(
    ("ages", "which"),
    [
        ([timedelta(0)], 0),
        ([SIGNING_LEAD - MINUTE, 30 * DAY], 1),
        ([SIGNING_LEAD, 30 * DAY], 0),
        ([MINUTE, 2 * MINUTE, 30 * DAY], 2),
        ([-DAY, -2 * DAY], 1),
    ],
)
def test_a_key_signs_when_everybody_has_heard_of_it(ages: list[timedelta], which: int) -> None:
    """The only one at once, another after its lead; the oldest where a clock has gone back."""
    assert ROTATION.signing(ago(*ages), NOW) == which


@pytest.mark.parametrize(
    ("ages", "count"),
    [
        ([90 * DAY], 1),
        ([3 * timedelta(hours=1), 30 * DAY], 2),
        ([3 * timedelta(hours=1) + 5 * MINUTE, 30 * DAY], 1),
        ([MINUTE, 30 * DAY, 60 * DAY], 2),
    ],
)
def test_a_key_goes_when_its_last_token_has_ended(ages: list[timedelta], count: int) -> None:
    """That is the lead and the longest token after the next one was made; the newest stays."""
    assert ROTATION.needed(ago(*ages), NOW) == count
