"""The payment platform's daily statements: lines, totals, days (DOMAIN section 4)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from zikao_kit.errors import INVALID_REQUEST, DomainError, FieldProblem

# Money that moved so near to midnight may stand in the statement of the day beside: the platform
# books it when its bank has told it.
GRACE = timedelta(minutes=15)
# Nobody asks the platform for older statements.
MAX_DAYS_BACK = 92
_YEARS = range(2000, 2200)
# 10,000,000 yuan: nobody owes as much, and no sum of lines overflows.
MOST_FEN = 1_000_000_000
_DOES_NOT_ADD_UP = "对账单各行合计与所报笔数、金额不一致"


class Money(StrEnum):
    """Which way money moved."""

    PAYMENT = "payment"
    REFUND = "refund"


class StatementSource(StrEnum):
    """Where a statement comes from."""

    PLATFORM = "platform"
    FILE = "file"


class StatementState(StrEnum):
    """How far a statement is."""

    RECEIVING = "receiving"
    COMPARING = "comparing"
    COMPARED = "compared"
    REFUSED = "refused"


class StatementLine(NamedTuple):
    """A payment (its subject is the payment) or a refund that a statement has, in fen."""

    line: int
    money: Money
    subject_id: str
    payment_id: str
    order_id: UUID
    amount_fen: int
    moved_at: datetime
    payment_code: str


class LineProblem(NamedTuple):
    """Why a line cannot be of the statement, in Chinese."""

    line: int
    problem: str


class Totals(NamedTuple):
    """What lines add up to, in fen."""

    payments: int = 0
    payments_fen: int = 0
    refunds: int = 0
    refunds_fen: int = 0

    @property
    def lines(self) -> int:
        """How many there are."""
        return self.payments + self.refunds

    def plus(self, other: "Totals") -> "Totals":
        """Both together."""
        return Totals(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


NOTHING = Totals()


@dataclass(frozen=True)
class Day:
    """A day of the province's time zone: start inclusive, end exclusive."""

    on: date
    begins_at: datetime
    ends_at: datetime

    @classmethod
    def of(cls, day: date, zone: ZoneInfo) -> "Day":
        """From midnight to midnight."""
        begins, ends = (
            datetime.combine(each, time(), zone) for each in (day, day + timedelta(days=1))
        )
        return cls(day, begins, ends)

    def may_have(self, moved_at: datetime) -> bool:
        """Whether its statement may have money that moved then."""
        return self.begins_at - GRACE <= moved_at < self.ends_at + GRACE


@dataclass(frozen=True)
class Statement:
    """A day's statement; `stated` is what it says it adds up to, once it has said so."""

    statement_date: date
    import_id: UUID
    source: StatementSource
    source_name: str
    state: StatementState
    started_by: str
    started_at: datetime
    stated: Totals | None = None
    problem: str = ""
    last_line: int = 0
    totals: Totals = NOTHING
    compared_line: int = 0
    compared_until: datetime | None = None
    matched: Totals = NOTHING
    compared_at: datetime | None = None

    @property
    def is_in_force(self) -> bool:
        """Whether it is complete: the day's statement for good, or a file until then."""
        return self.state in (StatementState.COMPARING, StatementState.COMPARED)

    @property
    def is_from_platform_still(self) -> bool:
        """Whether the platform has begun to tell it."""
        return self.source is StatementSource.PLATFORM and self.state is StatementState.RECEIVING

    def with_lines(self, lines: Sequence[StatementLine]) -> "Statement":
        """After more of its lines."""
        return replace(self, last_line=lines[-1].line, totals=self.totals.plus(totals_of(lines)))

    def refused(self, problem: str) -> "Statement":
        """Nothing of it counts."""
        return replace(self, state=StatementState.REFUSED, problem=problem)

    def ended(self, stated: Totals) -> "Statement":
        """After the platform's last word: complete, or refused."""
        after = replace(self, stated=stated).completed()
        if after.state is StatementState.RECEIVING:
            return after.refused(_DOES_NOT_ADD_UP)
        return after

    def completed(self) -> "Statement":
        """Ready to be compared when all lines are there, refused when they do not add up."""
        if self.stated is None or self.totals.lines < self.stated.lines:
            return self
        if self.totals != self.stated:
            return self.refused(_DOES_NOT_ADD_UP)
        return replace(self, state=StatementState.COMPARING)


class StatementSummary(NamedTuple):
    """A statement, and how many differences its day has."""

    statement: Statement
    differences: int
    open_differences: int


def totals_of(lines: Iterable[StatementLine]) -> Totals:
    """What lines add up to."""
    counts = dict.fromkeys(Money, 0)
    sums = dict.fromkeys(Money, 0)
    for line in lines:
        counts[line.money] += 1
        sums[line.money] += line.amount_fen
    return Totals(
        counts[Money.PAYMENT], sums[Money.PAYMENT], counts[Money.REFUND], sums[Money.REFUND]
    )


def problems_of_lines(
    lines: Iterable[StatementLine], day: Day, known: Mapping[tuple[str, str], date]
) -> list[LineProblem]:
    """Lines that cannot be of the day's statement.

    `known` has the day of the statement that has money already, by its subject and kind.
    """
    problems = []
    seen: set[tuple[str, str]] = set()
    for line in lines:
        subject = (line.subject_id, line.money)
        if not day.may_have(line.moved_at):
            problems.append(LineProblem(line.line, "时间不在对账单当日"))
        if line.amount_fen > MOST_FEN:
            problems.append(LineProblem(line.line, "金额过大"))
        if subject in seen:
            problems.append(LineProblem(line.line, "流水号重复"))
        elif subject in known:
            where = known[subject].isoformat()
            problems.append(LineProblem(line.line, f"流水号已在{where}的对账单中"))
        seen.add(subject)
    return problems


def require_ascending(lines: Sequence[StatementLine]) -> None:
    """Raise DomainError INVALID_REQUEST unless each line comes after the one before."""
    if any(one.line >= next_one.line for one, next_one in pairwise(lines)):
        raise DomainError(INVALID_REQUEST, fields=[FieldProblem("lines", "行号应依次增大")])


def read_date(text: str, field: str) -> date:
    """A date as contracts have it; raises DomainError INVALID_REQUEST for one that is none.

    Or of another age: days at the end of the calendar have no day after them.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if day.year not in _YEARS:
        raise DomainError(INVALID_REQUEST, fields=[FieldProblem(field, "日期不正确")])
    return day


def days_to_reconcile(
    openings: Iterable[datetime], now: datetime, zone: ZoneInfo, hour: int
) -> tuple[date, date] | None:
    """The first and the last day whose statement should be here, None before there is any.

    From the first opening of enrollment on, a day's from `hour` of the day after on.
    """
    local = now.astimezone(zone)
    last = local.date() - timedelta(days=1 if local.hour >= hour else 2)
    first = min((opening.astimezone(zone).date() for opening in openings), default=None)
    if first is None or first > last:
        return None
    return max(first, last - timedelta(days=MAX_DAYS_BACK)), last
