"""Asks the platform for the statements of days that have ended, compares and settles them."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from datetime import date, timedelta
from uuid import UUID, uuid4

import structlog
from prometheus_client import Gauge
from zikao_kit.clock import Clock
from zikao_kit.db import Database
from zikao_kit.errors import DomainError

from zikao_enrollment.clients import PlatformClient, StatementBroken
from zikao_enrollment.commands.compare_statement import compare_statement
from zikao_enrollment.commands.receive_lines import (
    end_statement,
    receive_lines,
    refuse_statement,
)
from zikao_enrollment.domain.differences import SYSTEM, DueDifference
from zikao_enrollment.domain.money import Payment
from zikao_enrollment.domain.statements import (
    NOTHING,
    Day,
    Statement,
    StatementLine,
    StatementSource,
    StatementState,
    Totals,
    days_to_reconcile,
    problems_of_lines,
    totals_of,
)
from zikao_enrollment.money.statement_days import StatementDays
from zikao_enrollment.money.till import Till
from zikao_enrollment.stores.comparisons import ComparisonStore
from zikao_enrollment.stores.differences import DifferenceStore
from zikao_enrollment.stores.money import MoneyStore
from zikao_enrollment.stores.statements import StatementStore

FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(hours=1)
DIFFERENCES_PER_ROUND = 20
FIRST_SETTLING_PAUSE = timedelta(seconds=1)
LONGEST_SETTLING_PAUSE = timedelta(minutes=30)

UNRECONCILED_DAYS = Gauge(
    "zikao_enrollment_unreconciled_days",
    "Days that have ended, statement hour and all, whose statement has not been compared.",
)
OPEN_DIFFERENCES = Gauge(
    "zikao_enrollment_open_differences",
    "Differences from the platform's statements that nobody has cleared up; 10000: or more.",
)

log = structlog.get_logger()


class ReconciliationWorker:
    """Three kinds of work; several processes may do each at once."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        desk: StatementDays,
        till: Till,
        platform: PlatformClient,
        *,
        statement_hour: int,
    ) -> None:
        """`statement_hour`: from then on, in the province, the day before has its statement."""
        self._db = db
        self._clock = clock
        self._desk = desk
        self._till = till
        self._platform = platform
        self._statement_hour = statement_hour

    async def receive(self) -> bool:
        """Ask for the oldest statement that is due; True while there may be more."""
        now = self._clock.now()
        openings = [window.opens_at for each in self._desk.sessions for window in each.windows]
        days = days_to_reconcile(openings, now, self._desk.zone, self._statement_hour)
        if days is None:
            return False
        async with self._db.read() as tx:
            store = StatementStore(tx)
            due = await store.list_due_days(*days, limit=1)
            unreconciled, differences = await store.count_unreconciled(*days)
        UNRECONCILED_DAYS.set(unreconciled)
        OPEN_DIFFERENCES.set(differences)
        for day in due:
            statement = await self._lease(day)
            if statement is not None and not statement.is_from_platform_still:
                statement = await self._begin_anew(statement)
            if statement is not None:
                await self._desk.clear(day)
                await self._receive(statement)
        return bool(due)

    async def compare(self) -> bool:
        """Do a step of comparing; True while there is more."""
        zone, now = self._desk.zone, self._clock.now()
        return await self._db.run(
            lambda tx: compare_statement(
                StatementStore(tx), ComparisonStore(tx), MoneyStore(tx), zone, now
            )
        )

    async def settle(self) -> bool:
        """Settle payments that are missing here, and resolve what is no difference any more."""
        async with self._db.transaction() as tx:
            due = await DifferenceStore(tx).lease(
                FIRST_SETTLING_PAUSE, LONGEST_SETTLING_PAUSE, DIFFERENCES_PER_ROUND
            )
        if due:
            await asyncio.gather(*(self._settle(each) for each in due))
            async with self._db.transaction() as tx:
                ids = [each.difference_id for each in due]
                await DifferenceStore(tx).settle(ids, self._clock.now())
        return len(due) == DIFFERENCES_PER_ROUND

    async def _lease(self, day: date) -> Statement | None:
        """The day's statement to ask the platform for; None when another process has it."""
        async with self._db.transaction() as tx:
            store = StatementStore(tx)
            await store.insert(self._new(day))
            return await store.lease(day, FIRST_PAUSE, LONGEST_PAUSE)

    async def _begin_anew(self, leased: Statement) -> Statement | None:
        """The platform's in the place of what was refused, or of a file; None for not yet.

        A file that counts does so until the platform has told something that adds up.
        """
        day = leased.statement_date
        if leased.is_in_force and not await self._is_told_whole(self._desk.day(day)):
            return None
        async with self._db.transaction() as tx:
            store = StatementStore(tx)
            if await store.lock(day) != leased:  # another process, or an office, was quicker
                return None
            new = self._new(day)
            await store.renew(new)
        log.info("the platform is asked anew", date=str(day), instead_of=leased.source)
        return new

    def _new(self, day: date) -> Statement:
        source, state = StatementSource.PLATFORM, StatementState.RECEIVING
        return Statement(day, uuid4(), source, "", state, SYSTEM, self._clock.now())

    async def _is_told_whole(self, day: Day) -> bool:
        """Whether the platform has a statement of the day, to its end and without faults."""
        totals = NOTHING
        try:
            async with aclosing(self._platform.statement(day.on, 0)) as pages:
                async for page in pages:
                    if isinstance(page, Totals):
                        return page == totals
                    if problems_of_lines(page, day, {}):
                        break
                    totals = totals.plus(totals_of(page))
        except (StatementBroken, DomainError) as error:
            log.info("a file goes on counting", date=str(day.on), error=repr(error))
        return False

    async def _receive(self, statement: Statement) -> None:
        day, after = self._desk.day(statement.statement_date), statement
        try:
            pages = self._platform.statement(day.on, statement.last_line)
            async with aclosing(pages):
                async for page in pages:
                    after = await self._take(day, statement.import_id, page)
                    if after.state is StatementState.REFUSED:
                        break
        except StatementBroken as broken:
            problem = str(broken)
            after = await self._db.run(
                lambda tx: refuse_statement(StatementStore(tx), day, statement.import_id, problem)
            )
        except DomainError as error:
            log.warning("no statement yet", date=str(day.on), reason=error.reason)
        if after.state is StatementState.REFUSED:
            log.error("statement refused", date=str(day.on), problem=after.problem)
            await self._desk.clear(day.on)

    async def _take(
        self, day: Day, import_id: UUID, page: Sequence[StatementLine] | Totals
    ) -> Statement:
        if isinstance(page, Totals):
            return await self._db.run(
                lambda tx: end_statement(StatementStore(tx), day, import_id, page)
            )
        after, _ = await self._db.run(
            lambda tx: receive_lines(StatementStore(tx), day, import_id, page)
        )
        return after

    async def _word_of(self, due: DueDifference) -> Sequence[Payment]:
        """Payments that the platform says it has; what an office says of it is no money."""
        if due.payment is None:
            return ()
        if due.is_of_file:
            return (await self._platform.query_order(due.order_id)).payments
        return (due.payment,)

    async def _settle(self, due: DueDifference) -> None:
        try:
            for payment in await self._word_of(due):
                await self._till.settle(payment)
        except DomainError as error:
            # A contradiction needs people, anything else is tried again: either way it stays open.
            log.warning("payment not settled", payment_id=due.payment_id, reason=error.reason)
        except Exception:
            # One payment that cannot be settled must not hold up all others.
            log.exception("payment cannot be settled", payment_id=due.payment_id)
