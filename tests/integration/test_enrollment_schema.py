"""Enrollment's schema is the last line: it refuses even if the allocator were wrong."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest
from support.service_databases import MakeDatabase
from zikao_enrollment.names import PACKAGE
from zikao_kit.queries import Queries, kit_queries

NOW = datetime(2022, 2, 28, 1, tzinfo=UTC)
CANDIDATE = uuid4()
ORDER = uuid4()
LEASE = timedelta(minutes=1)
QUERIES = Queries.load(PACKAGE)
INSERT_ORDER = (
    "INSERT INTO enrollment.enrollment_order VALUES"
    " ($1, '22.1', $2, '510104', '{1}', '{00001}', 'held', 3500, $3, $3, NULL)"
)
BIND = "INSERT INTO enrollment.enrollment VALUES ('22.1', $1, $2, $3, $4)"
INSERT_PAYMENT = (
    "INSERT INTO enrollment.payment (payment_id, order_id, payment_order_id, amount_fen, paid_at,"
    " received_at, disposition) VALUES ($1, $2, $2, 3500, $3, $3, 'applied')"
)


@pytest.fixture
async def connection(make_database: MakeDatabase) -> AsyncIterator[asyncpg.Connection]:
    """A database with one county of one seat in a slot, and one order."""
    connection = await asyncpg.connect(await make_database("enrollment"))
    try:
        await connection.execute("INSERT INTO enrollment.session VALUES ('22.1', 1, '{}', $1)", NOW)
        await connection.execute(
            "INSERT INTO enrollment.seat_ledger VALUES ('22.1', '510104', 1, 1, 1, 0)"
        )
        await connection.execute(INSERT_ORDER, ORDER, CANDIDATE, NOW)
        await connection.execute(BIND, CANDIDATE, "510104", 1, 1)
        yield connection
    finally:
        await connection.close()


async def test_one_seat_too_many_is_refused(connection: asyncpg.Connection) -> None:
    """The ledger refuses a seat that does not exist, whoever asks."""
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await connection.execute(QUERIES["change_seats"], "22.1", ["510104"], [1], [1], [0])
    assert refused.value.constraint_name == "seat_ledger_never_oversold"


async def hold(
    connection: asyncpg.Connection,
    county_code: str,
    slot: int,
    seated: Sequence[UUID] = (CANDIDATE,),
) -> None:
    """Store one more order of the candidate, as a submission of one of `seated` does."""
    await connection.execute(
        *(QUERIES["insert_held_orders"], "22.1", [uuid4()], [CANDIDATE], [1]),
        *([county_code], [f"{{{slot}}}"], ["{00003}"], [3500], [1 << slot - 1]),
        *("held", "submit", NOW, NOW, seated),
    )


async def test_who_has_seats_is_not_bound_as_one_who_has_none(
    connection: asyncpg.Connection,
) -> None:
    """Whoever takes a candidate with seats for one without is refused."""
    with pytest.raises(asyncpg.UniqueViolationError) as refused:
        await hold(connection, "510104", 2, seated=())
    assert refused.value.constraint_name == "enrollment_pkey"
    await hold(connection, "510104", 2)


@pytest.mark.parametrize(
    ("slot", "county_code", "broken"),
    [(1, "510104", "enrollment_once_a_slot"), (2, "510105", "county_code")],
)
async def test_nobody_twice_in_a_slot_or_in_two_counties(
    connection: asyncpg.Connection, slot: int, county_code: str, broken: str
) -> None:
    """A second sitting in a slot, or in another county, is refused, whoever asks."""
    with pytest.raises(asyncpg.IntegrityConstraintViolationError) as refused:
        await hold(connection, county_code, slot)
    assert broken in (refused.value.constraint_name, refused.value.column_name)


async def test_what_somebody_has_follows_from_the_orders(connection: asyncpg.Connection) -> None:
    """It grows with each order, and goes with the last; who sits in two counties is refused."""
    who, bound = ("22.1", [CANDIDATE]), "SELECT slot_set, sittings FROM enrollment.enrollment"
    await hold(connection, "510104", 2)
    assert [tuple(row) for row in await connection.fetch(bound)] == [(0b11, 2)]
    await connection.execute(QUERIES["bind_candidates"], *who)
    assert [tuple(row) for row in await connection.fetch(bound)] == [(0b11, 2)]
    moved = "UPDATE enrollment.enrollment_order SET county_code = '510105' WHERE slots = '{2}'"
    await connection.execute(moved)
    with pytest.raises(asyncpg.CardinalityViolationError):
        await connection.execute(QUERIES["bind_candidates"], *who)
    released = "UPDATE enrollment.enrollment_order SET state = 'released' WHERE slots = $1"
    await connection.execute(released, [1])
    await connection.execute(QUERIES["bind_candidates"], *who)
    assert [tuple(row) for row in await connection.fetch(bound)] == [(0b10, 1)]
    await connection.execute(released, [2])
    await connection.execute(QUERIES["bind_candidates"], *who)
    assert await connection.fetch(bound) == []


@pytest.mark.parametrize(("slot_set", "sittings"), [(0, 0), (1, 2), (3, 1), (-1, 63)])
async def test_a_set_of_slots_is_as_large_as_it_is_said_to_be(
    connection: asyncpg.Connection, slot_set: int, sittings: int
) -> None:
    """And never empty."""
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute(BIND, uuid4(), "510104", slot_set, sittings)


@pytest.mark.parametrize("table", ["order_event", "refund_event", "office_audit"])
@pytest.mark.parametrize("change", ["DELETE FROM {}", "UPDATE {} SET at = at", "TRUNCATE {}"])
async def test_histories_are_only_added_to(
    connection: asyncpg.Connection, table: str, change: str
) -> None:
    """No line of what orders, refunds and offices did can be changed or taken away."""
    with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
        await connection.execute(change.format(f"enrollment.{table}"))


async def test_an_order_is_paid_once(connection: asyncpg.Connection) -> None:
    """Two payments cannot both be applied to one order."""
    await connection.execute(INSERT_PAYMENT, "p1", ORDER, NOW)
    with pytest.raises(asyncpg.UniqueViolationError) as refused:
        await connection.execute(INSERT_PAYMENT, "p2", ORDER, NOW)
    assert refused.value.constraint_name == "payment_applied_once"


async def test_an_order_has_one_open_payment(connection: asyncpg.Connection) -> None:
    """A second attempt to pay is opened once the first is closed; an open one is asked about."""
    opening = QUERIES["open_payment_order"]
    await connection.execute(opening, ORDER, ORDER, 3500, NOW, LEASE)
    with pytest.raises(asyncpg.UniqueViolationError) as refused:
        await connection.execute(opening, uuid4(), ORDER, 3500, NOW, LEASE)
    assert refused.value.constraint_name == "payment_order_open_once"
    with pytest.raises(asyncpg.CheckViolationError) as unasked:
        await connection.execute("UPDATE enrollment.payment_order SET next_query_at = NULL")
    assert unasked.value.constraint_name == "payment_order_asked_while_open"
    await connection.execute(QUERIES["close_payment_orders_of"], [ORDER])
    await connection.execute(opening, uuid4(), ORDER, 3500, NOW, LEASE)


async def test_the_platform_is_asked_after_growing_pauses(connection: asyncpg.Connection) -> None:
    """By one worker at a time; about a closed one a few times, about an open one always."""
    await connection.execute(QUERIES["open_payment_order"], ORDER, ORDER, 3500, NOW, timedelta(0))
    lease = QUERIES["lease_payment_queries"], timedelta(hours=1), 3, 10, 1
    sooner = (
        "UPDATE enrollment.payment_order SET next_query_at = next_query_at - $1::interval"
        " RETURNING clock_timestamp() - next_query_at"
    )
    await connection.fetchval(sooner, -timedelta(hours=1))
    await connection.execute(QUERIES["hasten_payment_query"], ORDER, timedelta(0))
    for hours in (2, 4, 8, 8):
        assert [tuple(row) for row in await connection.fetch(*lease)] == [(ORDER, ORDER, False)]
        assert await connection.fetch(*lease) == []
        left = await connection.fetchval(sooner, timedelta(hours=hours))
        assert timedelta(0) <= left < timedelta(minutes=10)
    await connection.execute(QUERIES["close_payment_orders"], [ORDER])
    await connection.execute(QUERIES["hasten_payment_query"], ORDER, timedelta(hours=9))
    assert len(await connection.fetch(*lease)) == 1
    assert await connection.fetchval("SELECT next_query_at FROM enrollment.payment_order") is None


async def test_a_paid_attempt_is_soon_asked_about_no_more(connection: asyncpg.Connection) -> None:
    """Once its own payment has confirmed the order; another one of the order goes on."""
    other = uuid4()
    for attempt in (other, ORDER):
        await connection.execute(
            QUERIES["open_payment_order"], attempt, ORDER, 3500, NOW, timedelta(0)
        )
        await connection.execute(QUERIES["close_payment_orders"], [attempt])
    await connection.execute(INSERT_PAYMENT, "p1", ORDER, NOW)
    left = {ORDER: True, other: True}
    for asked_again in (True, False):
        lease = QUERIES["lease_payment_queries"], timedelta(0), 8, 10, 2
        assert len(await connection.fetch(*lease)) == 2
        left[ORDER] = asked_again
        rows = await connection.fetch("SELECT * FROM enrollment.payment_order")
        assert {row["payment_order_id"]: row["next_query_at"] is not None for row in rows} == left


async def test_open_payments_are_asked_about_first(connection: asyncpg.Connection) -> None:
    """However many closed ones have been due for longer; these get what places are left."""
    opening = QUERIES["open_payment_order"]
    for pause in (timedelta(hours=-2), timedelta(hours=-3), timedelta(hours=-1)):
        await connection.execute(QUERIES["close_payment_orders_of"], [ORDER])
        await connection.execute(opening, uuid4(), ORDER, 3500, NOW, pause)
    ids = [
        row["payment_order_id"]
        for row in await connection.fetch(
            "SELECT payment_order_id FROM enrollment.payment_order"
            " ORDER BY state DESC, next_query_at"
        )
    ]
    leased = await connection.fetch(QUERIES["lease_payment_queries"], timedelta(hours=1), 3, 2, 1)
    assert {row["payment_order_id"] for row in leased} == set(ids[:2])


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("lease_payment_queries", "'1 s', 8, 20, 3"),
        ("lease_refunds", "'1 s', '5 min', '1 h', 20"),
        ("lease_differences", "'1 s', '1 h', 20"),
        ("lease_closing_orders", "'1 s', 20"),
    ],
)
async def test_what_is_due_is_found_by_its_index(
    connection: asyncpg.Connection, name: str, args: str
) -> None:
    """Many that are not due yet cost nothing each time somebody looks."""
    await connection.execute("SET enable_seqscan = off")
    await connection.execute(f"PREPARE looking AS {QUERIES[name].rstrip().rstrip(';')}")
    plan = await connection.fetch(f"EXPLAIN EXECUTE looking ({args})")
    conditions = [row[0] for row in plan if "Index Cond" in row[0] or "Filter" in row[0]]
    due = [each for each in conditions if "statement_timestamp()" in each]
    assert due
    assert all("Index Cond" in each for each in due)


@pytest.mark.parametrize(
    ("name", "args", "index"),
    [
        ("list_odd_payments", "'51', true, NULL, NULL, NULL, NULL, NULL, 50", "payment_odd"),
        ("list_odd_payments", "'51', true, NULL, NULL, NULL, now(), 'P', 50", "payment_odd"),
        ("count_odd_payments", "now()", "payment_odd"),
        ("count_owed_refunds", "now()", "refund_pending"),
        ("count_all_pending_office_actions", "now()", "office_action_pending"),
    ],
)
async def test_what_waits_for_people_is_found_by_its_index(
    connection: asyncpg.Connection, name: str, args: str, index: str
) -> None:
    """A million payments that are in order are not looked through; pages are not sorted."""
    queries = kit_queries("enrollment") if "office_actions" in name else QUERIES
    await connection.execute("SET enable_seqscan = off")
    await connection.execute(f"PREPARE looking AS {queries[name].rstrip().rstrip(';')}")
    plan = [row[0] for row in await connection.fetch(f"EXPLAIN EXECUTE looking ({args})")]
    assert any(index in line for line in plan)
    assert name.startswith("count_") or not any("Sort" in line for line in plan)


@pytest.mark.parametrize(
    ("name", "args"), [("expire_orders", "'held', now(), '1 s', 20"), ("list_next_releases", "")]
)
async def test_deadlines_are_found_by_session_and_time(
    connection: asyncpg.Connection, name: str, args: str
) -> None:
    """Neither the holds of other sessions nor those that last still are looked through."""
    await connection.execute("SET enable_seqscan = off")
    await connection.execute(f"PREPARE looking AS {QUERIES[name].rstrip().rstrip(';')}")
    plan = await connection.fetch(f"EXPLAIN EXECUTE looking{f'({args})' if args else ''}")
    (condition,) = [row[0] for row in plan if "Index Cond: " in row[0] and "session" in row[0]]
    assert ("held_until" in condition) == bool(args)


async def test_what_goes_back_says_why(connection: asyncpg.Connection) -> None:
    """A payment that is refunded has a flag."""
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await connection.execute(INSERT_PAYMENT.replace("applied", "refund"), "p1", ORDER, NOW)
    assert refused.value.constraint_name == "payment_refund_flagged"


async def test_an_order_is_expired_by_one_worker(connection: asyncpg.Connection) -> None:
    """Who expires an order first has it; the second finds nothing, nor does another state."""
    expire = QUERIES["expire_orders"]
    assert await connection.fetch(expire, "paying", NOW, LEASE, 10) == []
    expired = await connection.fetch(expire, "held", NOW, LEASE, 10)
    assert [row["order_id"] for row in expired] == [ORDER]
    assert await connection.fetch(expire, "held", NOW, LEASE, 10) == []


async def test_a_closing_order_is_leased(connection: asyncpg.Connection) -> None:
    """It is one worker's until the lease has passed by the database's clock, never nobody's."""
    lease = QUERIES["lease_closing_orders"]
    await connection.fetch(QUERIES["expire_orders"], "held", NOW, LEASE, 10)
    assert await connection.fetch(lease, LEASE, 10) == []
    await connection.execute("UPDATE enrollment.enrollment_order SET lease_until = now()")
    assert [row["order_id"] for row in await connection.fetch(lease, LEASE, 10)] == [ORDER]
    assert await connection.fetch(lease, LEASE, 10) == []
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await connection.execute("UPDATE enrollment.enrollment_order SET lease_until = NULL")
    assert refused.value.constraint_name == "enrollment_order_leased"


async def test_a_refund_is_asked_for_again_after_growing_pauses(
    connection: asyncpg.Connection,
) -> None:
    """One worker has it at a time; its pauses double up to the longest, on the database's clock.

    That is a longer one for what the platform has refused.
    """
    pauses = (timedelta(hours=1), timedelta(hours=3), timedelta(hours=10))
    await connection.execute(INSERT_PAYMENT, "p1", ORDER, NOW)
    await connection.execute(QUERIES["insert_refunds"], [uuid4()], ["p1"], [3500], NOW)
    for hours in (1, 2, 3, 3, 10, 10):
        if hours > 3:
            await connection.execute("UPDATE enrollment.refund SET refusal = 'NOT_FOUND'")
        assert len(await connection.fetch(QUERIES["lease_refunds"], *pauses, 10)) == 1
        assert await connection.fetch(QUERIES["lease_refunds"], *pauses, 10) == []
        left = await connection.fetchval(
            "UPDATE enrollment.refund SET next_attempt_at = next_attempt_at - $1::interval"
            " RETURNING clock_timestamp() - next_attempt_at",
            timedelta(hours=hours),
        )
        assert timedelta(0) <= left < timedelta(minutes=10)
