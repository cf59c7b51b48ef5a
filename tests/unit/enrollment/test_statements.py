"""Days, totals and lines of statements, without a database."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from zikao_enrollment.domain.statements import (
    GRACE,
    MAX_DAYS_BACK,
    MOST_FEN,
    Day,
    Money,
    Statement,
    StatementLine,
    StatementSource,
    StatementState,
    Totals,
    days_to_reconcile,
    problems_of_lines,
    read_date,
    totals_of,
)
from zikao_kit.errors import DomainError

CHINA = ZoneInfo("Asia/Shanghai")
DAY = Day.of(date(2022, 2, 28), CHINA)
OPENING = datetime(2022, 2, 28, 1, tzinfo=UTC)


def line(number: int, at: datetime = DAY.begins_at, **changes: Any) -> StatementLine:
    """A payment of 100 fen."""
    name, order_id = f"P{number}", UUID(int=1)
    made = StatementLine(number, Money.PAYMENT, name, name, order_id, 100, at, "")
    return made._replace(**changes)


def local(day: int, hour: int) -> datetime:
    """A time of February 2022 in the province; days go on into March."""
    return datetime(2022, 2, 1, hour, tzinfo=CHINA) + timedelta(days=day - 1)


@pytest.mark.parametrize(
    ("now", "days"),
    [
        (local(28, 12), None),
        (local(29, 1), None),
        (local(29, 2), (28, 28)),
        (local(30, 1), (28, 28)),
        (local(30, 2), (28, 29)),
    ],
)
def test_a_day_has_its_statement_in_the_night_after_it(
    now: datetime, days: tuple[int, int] | None
) -> None:
    """From the hour of the day after, beginning with the first opening."""
    expected = days and tuple(local(day, 0).date() for day in days)
    assert days_to_reconcile([OPENING], now, CHINA, hour=2) == expected


def test_old_days_are_not_asked_for() -> None:
    """A session of years ago does not make the platform search its cellar; without one, nothing."""
    now = datetime(2030, 1, 10, tzinfo=UTC)
    days = days_to_reconcile([OPENING], now, CHINA, hour=2)
    assert days == (date(2030, 1, 9) - timedelta(days=MAX_DAYS_BACK), date(2030, 1, 9))
    assert days_to_reconcile([], now, CHINA, hour=2) is None


def test_a_line_is_of_its_day_or_near_it() -> None:
    """A quarter of an hour beside the day is allowed, and not more."""
    just = timedelta(microseconds=1)
    inside = [DAY.begins_at - GRACE, DAY.ends_at + GRACE - just]
    outside = [DAY.begins_at - GRACE - just, DAY.ends_at + GRACE]
    lines = [line(number, at) for number, at in enumerate([*inside, *outside], 1)]
    assert [problem.line for problem in problems_of_lines(lines, DAY, {})] == [3, 4]


def test_money_is_stated_once_and_is_not_boundless() -> None:
    """Twice in a statement, or in another one already, or more than anybody pays, is a problem."""
    known = {("P3", "payment"): date(2022, 2, 27)}
    lines = [
        line(1),
        line(2, subject_id="P1"),
        line(3),
        line(4, amount_fen=MOST_FEN + 1),
        line(5, money=Money.REFUND, subject_id="P1"),
    ]
    assert [tuple(problem) for problem in problems_of_lines(lines, DAY, known)] == [
        (2, "流水号重复"),
        (3, "流水号已在2022-02-27的对账单中"),
        (4, "金额过大"),
    ]


def test_a_statement_is_complete_with_its_last_line() -> None:
    """Fewer lines than stated wait for more; other sums than stated refuse it."""
    lines = [line(1), line(2, money=Money.REFUND)]
    assert totals_of(lines) == Totals(1, 100, 1, 100)
    begun = Statement(
        *(DAY.on, uuid4(), StatementSource.FILE, "", StatementState.RECEIVING, "", OPENING),
        stated=totals_of(lines),
    )
    assert begun.with_lines(lines[:1]).completed().state is StatementState.RECEIVING
    assert begun.with_lines(lines).completed().state is StatementState.COMPARING
    wrong = begun.with_lines([lines[0], lines[1]._replace(amount_fen=99)]).completed()
    assert (wrong.state, wrong.problem != "") == (StatementState.REFUSED, True)
    short = begun.with_lines(lines[:1]).ended(totals_of(lines))
    assert short.state is StatementState.REFUSED


@pytest.mark.parametrize("text", ["2022-02-30", "0001-01-01", "9999-12-31", "x"])
def test_days_of_other_ages_are_none(text: str) -> None:
    """What has no day before or after it in the calendar is no day of a statement."""
    with pytest.raises(DomainError) as refused:
        read_date(text, "statement_date")
    assert [problem.field for problem in refused.value.fields] == ["statement_date"]
