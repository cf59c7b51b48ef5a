"""Compares a statement with our own money, step by step (DOMAIN section 4, Reconciliation).

Every step is one transaction of bounded size with the place reached in it: whatever kills the
process, another one goes on there.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from zikao_enrollment.commands.move_refunds import make_refunds
from zikao_enrollment.domain.statements import GRACE, Day, Statement, StatementState
from zikao_enrollment.stores.comparisons import ComparisonStore
from zikao_enrollment.stores.money import MoneyStore
from zikao_enrollment.stores.statements import StatementStore

LINES_PER_STEP = 20_000
TIME_PER_STEP = timedelta(hours=6)
# The platform may tell us of a refund days after it says that it was made.
REFUNDS_LOOKED_BACK = timedelta(days=7)


async def compare_statement(
    statements: StatementStore,
    comparisons: ComparisonStore,
    money: MoneyStore,
    zone: ZoneInfo,
    now: datetime,
) -> bool:
    """Do the next step of a statement that is complete; False when there is nothing to do."""
    statement = await statements.lock_comparing()
    if statement is None:
        return False
    if statement.compared_line < statement.last_line:
        after = await _compare_lines(comparisons, money, statement, now)
    else:
        following = await statements.find(statement.statement_date + timedelta(days=1))
        has_looked = following is not None and following.compared_until is not None
        after = await _compare_ours(
            comparisons, statement, zone, now, grace=GRACE if has_looked else -GRACE
        )
    await statements.save_compared(after)
    return True


async def _compare_lines(
    comparisons: ComparisonStore, money: MoneyStore, statement: Statement, now: datetime
) -> Statement:
    """Compare some lines; first the refunds that the platform states to have made are made."""
    last_line = min(statement.compared_line + LINES_PER_STEP, statement.last_line)
    await make_refunds(money, await comparisons.list_stated_refunds(statement, last_line), now)
    matched = await comparisons.compare_lines(statement, last_line, now)
    return replace(statement, compared_line=last_line, matched=statement.matched.plus(matched))


async def _compare_ours(
    comparisons: ComparisonStore,
    statement: Statement,
    zone: ZoneInfo,
    now: datetime,
    *,
    grace: timedelta,
) -> Statement:
    """Look for some hours of our money in all statements, until `grace` after the day.

    The last GRACE of a day is looked at with the day after, the only other one that may have it.
    If that has looked by now, it did so in the statement that this one has replaced.
    """
    day = Day.of(statement.statement_date, zone)
    first, last = day.begins_at - GRACE, day.ends_at + grace
    begins_at = statement.compared_until or first
    ends_at = min(begins_at + TIME_PER_STEP, last)
    await comparisons.find_missing_payments(begins_at, ends_at, zone.key, now)
    if ends_at < last:
        return replace(statement, compared_until=ends_at)
    await comparisons.find_missing_refunds(first - REFUNDS_LOOKED_BACK, last, zone.key, now)
    return replace(statement, compared_until=last, state=StatementState.COMPARED, compared_at=now)
