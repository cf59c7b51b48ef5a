"""The auditor: whatever is wrong by one seat or one fen is found, and nothing that is right."""

import asyncio
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio
import structlog
from prometheus_client import REGISTRY
from support.clocks import FixedClock
from support.enrollment_audit import REFUND_DEADLINE, findings
from support.enrollment_database import enrollment_database
from support.enrollment_people import (
    JINJIANG,
    NOON,
    QINGYANG,
    hold,
    open_enrollment,
    pay,
    payment_code,
    until_refunded,
    until_state,
)
from support.enrollment_reconciliation import plant_missing_payment
from support.enrollment_rooms import plant_room
from support.enrollment_sessions import small_session
from support.service import until
from support.service_databases import MakeDatabase, ServiceDatabases
from zikao_client import patiently
from zikao_enrollment.domain.invariants import HOLD_GRACE, INVARIANTS
from zikao_enrollment.stores.audit import AuditStore
from zikao_enrollment.workers.auditing import Auditor
from zikao_kit.queries import Queries

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Busy:
    """A database after a busy hour, and the time."""

    dsn: str
    now: datetime


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def busy(
    service_databases: ServiceDatabases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Busy]:
    """Two have enrolled, one of them paid twice, one pays, one holds seats, one let them go."""
    folder = tmp_path_factory.mktemp("audit")
    clone = service_databases.clone
    async with open_enrollment(clone, folder, session=small_session(9), candidates=9) as running:
        for number, county in ((1, JINJIANG), (2, QINGYANG)):
            order = await hold(running, number, counties=(county,))
            code = await payment_code(running, number, order)
            await pay(running, code)
            await until_state(running, number, "CONFIRMED")
        await pay(running, code, after_close=True)
        await until_refunded(running, 2, 7000)
        await hold(running, 5)
        await running.move_clock(NOON + timedelta(minutes=31))
        await until_state(running, 5, "RELEASED")
        await payment_code(running, 3, await hold(running, 3))
        await hold(running, 4)
        # Its auditor would write into the metrics that another test looks at.
        await running.enrollment.stop()
        await plant_missing_payment(running)
        await plant_room(running)
        yield Busy(running.dsn, running.now())
        dsn = running.dsn
    await service_databases.drop(dsn)


HOLDING = """
SELECT count(*) FROM enrollment.enrollment_order WHERE state IN ('held', 'paying', 'closing')
"""
ASIDE = Queries(
    "test",
    {
        "plant": "UPDATE enrollment.seat_ledger SET held = 1 WHERE county_code = '510104'",
        "checks": "SELECT checked_at FROM enrollment.invariant_check ORDER BY invariant",
        "xid": "SELECT pg_current_xact_id_if_assigned()::text",
    },
)
_OF = "order_id IN (SELECT order_id FROM enrollment.enrollment_order WHERE state = '{}')"
CONFIRMED, PAYING, RELEASED = (_OF.format(state) for state in ("confirmed", "paying", "released"))
_WHO = "candidate_id IN (SELECT candidate_id FROM enrollment.enrollment_order WHERE {})"
OF_PAYING = _WHO.format(PAYING)
# Slots are 1 and 2, courses so many more.
_TWICE = (
    "INSERT INTO enrollment.enrollment_order SELECT gen_random_uuid(), session_code, candidate_id,"
    " {}, {}, course_codes, 'held', fee_fen, held_until, created_at, NULL"
    f" FROM enrollment.enrollment_order WHERE {PAYING}"
)
PLANTED = {
    "enrollment_no_seat_is_sold_twice": (
        "ALTER TABLE enrollment.seat_ledger DROP CONSTRAINT seat_ledger_never_oversold",
        "UPDATE enrollment.seat_ledger SET capacity = held + confirmed - 1"
        " WHERE county_code = '510105' AND slot = 1",
    ),
    "enrollment_no_seat_is_lost": (
        "UPDATE enrollment.seat_ledger SET held = held + 1"
        " WHERE county_code = '510104' AND slot = 2",
    ),
    "enrollment_orders_have_their_seats": (
        f"UPDATE enrollment.enrollment SET slot_set = slot_set << 1 WHERE {OF_PAYING}",
    ),
    "enrollment_nobody_is_in_two_places": (_TWICE.format("county_code", "slots"),),
    "enrollment_counties_are_of_those_who_sit_there": (
        "INSERT INTO enrollment.enrollment SELECT session_code, candidate_id, county_code, 1, 1"
        f" FROM enrollment.enrollment_order WHERE {RELEASED}",
    ),
    "enrollment_orders_cost_what_their_courses_do": (
        f"UPDATE enrollment.enrollment_order SET fee_fen = fee_fen + 1 WHERE {PAYING}",
    ),
    "enrollment_every_state_has_its_history": (
        f"UPDATE enrollment.enrollment_order SET state = 'held' WHERE {PAYING}",
    ),
    "enrollment_no_hold_outlives_its_deadline": (
        f"UPDATE enrollment.enrollment_order SET held_until = held_until - interval '1 hour'"
        f" WHERE {PAYING}",
    ),
    "waiting_every_candidate_has_one_place": (
        "ALTER TABLE enrollment.waiting_place DROP CONSTRAINT waiting_place_pkey",
        "INSERT INTO enrollment.waiting_place SELECT * FROM enrollment.waiting_place WHERE drawn",
        "UPDATE enrollment.waiting_room SET drawn_count = 2 * drawn_count",
    ),
    "waiting_numbers_are_dense": (
        "UPDATE enrollment.waiting_place SET late_number = 2 WHERE late_number IS NOT NULL",
    ),
    "waiting_nobody_is_admitted_twice": (
        "INSERT INTO enrollment.waiting_admission"
        " SELECT session_code, track, 1, 3, admitted_at FROM enrollment.waiting_admission",
        "UPDATE enrollment.waiting_room SET admitted_until = 3",
    ),
    "enrollment_the_feed_says_what_is_confirmed": (
        "DELETE FROM enrollment.outbox WHERE position = 1",
    ),
    "money_every_payment_is_an_enrollment_or_a_refund": (
        "UPDATE enrollment.refund SET amount_fen = amount_fen - 1",
    ),
    "money_every_enrollment_is_paid": (
        f"DELETE FROM enrollment.payment WHERE disposition = 'applied' AND {CONFIRMED}",
    ),
    "money_is_asked_and_taken_for_the_order": (
        "UPDATE enrollment.payment_order SET amount_fen = amount_fen + 1 WHERE state = 'open'",
    ),
    "money_adds_up_to_the_fen": (
        "UPDATE enrollment.payment SET amount_fen = amount_fen + 1 WHERE payment_id ="
        " (SELECT min(payment_id) FROM enrollment.payment WHERE disposition = 'applied')",
    ),
    "money_every_refund_has_its_history": (
        "UPDATE enrollment.refund SET refunded_at = NULL, refusal = 'NOT_FOUND'",
    ),
    "money_no_refund_outlives_its_deadline": (
        "UPDATE enrollment.refund SET refunded_at = NULL,"
        " requested_at = requested_at - interval '25 hours'",
    ),
    "money_statements_add_up": (
        "UPDATE enrollment.statement_line SET amount_fen = amount_fen - 1",
    ),
    "money_no_missing_payment_outlives_its_deadline": (
        "UPDATE enrollment.difference SET found_at = found_at - interval '25 hours'",
    ),
}
# Other ways to be wrong, of which the rule named must not lose sight.
ALSO_PLANTED = [
    ("waiting_numbers_are_dense", "DELETE FROM enrollment.waiting_place WHERE drawn"),
    ("waiting_numbers_are_dense", "UPDATE enrollment.waiting_room SET late_count = 2"),
    ("waiting_nobody_is_admitted_twice", "UPDATE enrollment.waiting_room SET admitted_until = 3"),
    ("waiting_nobody_is_admitted_twice", "DELETE FROM enrollment.waiting_admission"),
    (
        "enrollment_orders_have_their_seats",
        "ALTER TABLE enrollment.enrollment DROP CONSTRAINT enrollment_once_a_slot,"
        " DROP CONSTRAINT enrollment_of_something;"
        f" UPDATE enrollment.enrollment SET sittings = sittings - 1 WHERE {OF_PAYING}",
    ),
    (
        "enrollment_orders_have_their_seats",
        f"DELETE FROM enrollment.enrollment WHERE {OF_PAYING}",
    ),
    (
        "enrollment_nobody_is_in_two_places",
        _TWICE.format("'510105'", "ARRAY[slots[1] + 2, slots[2] + 2]"),
    ),
    (
        "enrollment_counties_are_of_those_who_sit_there",
        f"UPDATE enrollment.enrollment SET county_code = '510105' WHERE {OF_PAYING}",
    ),
    (
        "enrollment_orders_have_their_seats",
        f"UPDATE enrollment.enrollment_order SET state = 'released' WHERE {PAYING}",
    ),
    (
        "enrollment_orders_cost_what_their_courses_do",
        f"UPDATE enrollment.enrollment_order SET fee_fen = 2 * (fee_fen + 2),"
        f" created_at = created_at + interval '2 minutes' WHERE {PAYING}",
    ),
    (
        "enrollment_the_feed_says_what_is_confirmed",
        f"UPDATE enrollment.enrollment_order SET course_codes[1] = '00002' WHERE {CONFIRMED}",
    ),
    (
        "enrollment_the_feed_says_what_is_confirmed",
        f"UPDATE enrollment.enrollment_order SET state = 'released' WHERE {CONFIRMED}",
    ),
    (
        "money_every_payment_is_an_enrollment_or_a_refund",
        f"UPDATE enrollment.payment SET order_id = gen_random_uuid() WHERE {CONFIRMED}"
        " AND disposition = 'applied'",
    ),
    (
        "money_is_asked_and_taken_for_the_order",
        "UPDATE enrollment.payment SET payment_order_id = gen_random_uuid() WHERE disposition ="
        " 'refund'",
    ),
    (
        "enrollment_orders_cost_what_their_courses_do",
        f"UPDATE enrollment.enrollment_order SET session_code = '99.1' WHERE {PAYING}",
    ),
    ("money_adds_up_to_the_fen", "DELETE FROM enrollment.refund"),
    ("money_every_refund_has_its_history", "DELETE FROM enrollment.refund"),
    (
        "money_every_refund_has_its_history",
        "INSERT INTO enrollment.refund_event (refund_id, from_state, to_state, action, actor, at)"
        " SELECT refund_id, 'requested', 'refunded', 'refund', 'x', now() FROM enrollment.refund"
        " WHERE state = 'refunded'",
    ),
    ("money_statements_add_up", "DELETE FROM enrollment.statement_line"),
    ("money_statements_add_up", "UPDATE enrollment.statement_line SET line = 2"),
    (
        "money_no_missing_payment_outlives_its_deadline",
        "UPDATE enrollment.difference SET found_at = found_at - interval '25 hours',"
        " state = 'resolved', resolution = 'explained', decided_by = 'x', decided_at = found_at",
    ),
]


async def test_each_rule_is_broken_once() -> None:
    """A new invariant without a planted violation fails here."""
    assert PLANTED.keys() == INVARIANTS.keys()


@pytest.mark.parametrize(
    ("invariant", "statements"),
    [*PLANTED.items(), *((name, (statement,)) for name, statement in ALSO_PLANTED)],
)
async def test_what_is_wrong_is_found(
    busy: Busy, invariant: str, statements: tuple[str, ...]
) -> None:
    """One seat, one fen, one word too few: the rule says how often and where, and stays silent
    before and after."""
    connection = await asyncpg.connect(busy.dsn)
    try:
        assert await findings(connection, busy.now) == {}
        planting = connection.transaction()
        await planting.start()
        for statement in statements:
            changed = await connection.execute(statement)
        assert changed.rpartition(" ")[2] != "0"
        found = (await findings(connection, busy.now))[invariant]
        assert 1 <= found.violations <= 2
        assert len(found.offenders) == found.violations
        assert all(found.offenders)
        await planting.rollback()
        assert await findings(connection, busy.now) == {}
    finally:
        await connection.close()


async def test_deadlines_leave_time(busy: Busy) -> None:
    """A hold may end, and the platform be away, for a while before that is a violation."""
    connection = await asyncpg.connect(busy.dsn)
    try:
        held_until = await connection.fetchval(
            "SELECT min(held_until) FROM enrollment.enrollment_order WHERE state = 'paying'"
        )
        just = held_until + HOLD_GRACE - timedelta(seconds=1)
        assert await findings(connection, just) == {}
        late = await findings(connection, just + timedelta(seconds=1))
        assert [(name, found.violations) for name, found in late.items()] == [
            ("enrollment_no_hold_outlives_its_deadline", 1)
        ]
    finally:
        await connection.close()


async def test_a_busy_system_breaks_no_rule(make_database: MakeDatabase, tmp_path: Path) -> None:
    """Every snapshot beside submits, payments and releases under way is whole."""
    people = range(1, 31)
    async with open_enrollment(
        make_database, tmp_path, session=small_session(20), candidates=len(people)
    ) as running:

        async def act(number: int) -> None:
            order = await patiently(lambda: hold(running, number, counties=(JINJIANG, QINGYANG)))
            if number % 3:
                code = await patiently(lambda: payment_code(running, number, order))
                await pay(running, code)
                await pay(running, code, after_close=True)

        busy = asyncio.gather(*(act(number) for number in people))
        connection = await asyncpg.connect(running.dsn)
        try:
            audits = 0
            while not busy.done() or audits < 3:
                assert await findings(connection, running.now()) == {}
                audits += 1
            await busy
            await running.move_clock(NOON + timedelta(minutes=31))
            while await connection.fetchval(HOLDING):
                assert await findings(connection, running.now()) == {}
        finally:
            await connection.close()


def metric(name: str, **labels: str) -> float | None:
    """The value of a metric of this process."""
    return REGISTRY.get_sample_value(name, labels)


async def test_the_auditors_of_all_processes_share_the_work(make_database: MakeDatabase) -> None:
    """Each invariant is checked once in a pause; what is found is logged, and in all metrics."""
    async with enrollment_database(make_database, small_session(9), 0) as database:
        pause = timedelta(hours=1)
        auditors = [Auditor(database, FixedClock(NOON), pause, REFUND_DEADLINE) for _ in range(2)]

        async def all_checked() -> bool:
            await asyncio.gather(*(auditor.work() for auditor in auditors))
            return metric("zikao_enrollment_audit_age_seconds") != math.inf

        async def checks() -> list[datetime]:
            async with database.read() as tx:
                rows = await tx.using(ASIDE).fetch("checks")
                return [row["checked_at"] for row in rows]

        async with database.transaction() as tx:
            await tx.using(ASIDE).execute("plant")
        with structlog.testing.capture_logs() as logs:
            assert not await all_checked()
            await until(all_checked)
        (said,) = [each for each in logs if each["log_level"] == "error"]
        assert (said["invariant"], said["violations"]) == ("enrollment_no_seat_is_lost", 2)
        assert said["offenders"] == ("22.1 510104 1", "22.1 510104 2")
        violations = "zikao_enrollment_invariant_violations"
        assert metric(violations, invariant="enrollment_no_seat_is_lost") == 2
        assert metric(violations, invariant="money_adds_up_to_the_fen") == 0
        before = await checks()
        assert len(before) == len(INVARIANTS)
        for _ in range(5):
            await all_checked()
        assert await checks() == before


async def test_a_check_holds_no_feed_back(make_database: MakeDatabase) -> None:
    """While it reads it has no transaction id: consumers wait for the oldest of those."""
    async with (
        enrollment_database(make_database, small_session(9), 0) as database,
        database.transaction() as tx,
    ):
        store = AuditStore(tx)
        assert await store.begin()
        assert await store.next_due(INVARIANTS, timedelta(hours=1), 4) in INVARIANTS
        finding = await store.check("money_adds_up_to_the_fen", None)
        assert await tx.using(ASIDE).fetchval("xid") is None
        async with database.transaction() as other:
            assert not await AuditStore(other).begin()
        await store.save("money_adds_up_to_the_fen", finding, timedelta(seconds=1))
        assert await tx.using(ASIDE).fetchval("xid") is not None
