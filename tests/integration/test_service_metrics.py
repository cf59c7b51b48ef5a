"""What the services' own metrics say of seats, orders, reviews and arrangements."""

from __future__ import annotations

import math
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from prometheus_client import REGISTRY
from support.clocks import FixedClock
from support.enrollment_people import hold, open_enrollment, pay, payment_code
from support.registration_people import apply_session, new_candidate, pending_candidate
from support.registration_server import NOON, registration_server
from support.service import until
from support.service_databases import MakeDatabase
from support.tickets_database import apply, enroll, sql, tickets_database
from zikao_enrollment.names import PACKAGE
from zikao_enrollment.views.boards import Boards
from zikao_enrollment.views.seat_metrics import SEATS
from zikao_enrollment.workers.order_counts import OrderCountWorker
from zikao_kit.config import DatabaseConfig
from zikao_kit.db import Database
from zikao_kit.queries import Queries
from zikao_registration.names import PACKAGE as REGISTRATION
from zikao_registration.stores.reviews import measure_backlog
from zikao_tickets.workers.backlog import BacklogWorker

SESSION = "22.1"


def value(name: str, **labels: str) -> float | None:
    """What a metric of this process says."""
    return REGISTRY.get_sample_value(name, labels)


async def test_seats_and_orders_are_shown(make_database: MakeDatabase, tmp_path: Path) -> None:
    """Free, held and confirmed seats of a slot, full counties, orders by state, an overdue hold."""
    async with open_enrollment(make_database, tmp_path) as running:
        first, second = await hold(running, 1), await hold(running, 2)
        await pay(running, await payment_code(running, 1, first))

        async def confirmed() -> bool:
            rows = await running.rows(
                "SELECT FROM enrollment.enrollment_order WHERE state = 'confirmed'"
            )
            return len(rows) == 1

        await until(confirmed)
        end = second.held_until.ToDatetime(NOON.tzinfo)
        config = DatabaseConfig(dsn=running.dsn)
        async with await Database.connect(config, Queries.load(PACKAGE)) as db:
            boards = Boards(db, FixedClock(end + timedelta(seconds=90)))
            worker = OrderCountWorker(db, boards)
            SEATS.follow(boards)
            await boards.refresh()
            await worker.work()
            slot = {"session": SESSION, "slot": "1"}
            seats = [
                value("zikao_enrollment_seats", **slot, state=state)
                for state in ("free", "held", "confirmed")
            ]
            assert seats == [2, 1, 1]
            assert value("zikao_enrollment_counties", **slot) == 2
            assert value("zikao_enrollment_full_counties", **slot) == 1
            assert value("zikao_enrollment_hold_overdue_seconds") == 90
            assert (value("zikao_enrollment_board_age_seconds") or math.inf) < 60
            states = ("held", "paying", "confirmed", "closing")
            orders = [
                value("zikao_enrollment_orders", session=SESSION, state=state) for state in states
            ]
            assert orders == [1, 0, 1, 0]
            await running.rows("ALTER TABLE enrollment.enrollment_order RENAME TO away")
            with pytest.raises(asyncpg.UndefinedTableError):
                await worker.work()
            unknown = value("zikao_enrollment_orders", session=SESSION, state="held")
            assert unknown == pytest.approx(math.nan, nan_ok=True)


async def test_what_waits_for_officers_is_counted(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    """Applications that were submitted, and since when; none is no age. Drafts wait for nobody."""
    dsn = await make_database("registration")
    async with (
        registration_server(dsn, tmp_path) as server,
        await Database.connect(DatabaseConfig(dsn=dsn), Queries.load(REGISTRATION)) as db,
        db.read() as tx,
    ):
        await apply_session(server)
        await new_candidate(server, 1)
        assert await measure_backlog(tx) == (0, None, 0)
        await pending_candidate(server, 2)
        backlog = await measure_backlog(tx)
        assert (backlog.applications, backlog.profile_changes) == (1, 0)
        assert backlog.oldest_at is not None
        assert abs(backlog.oldest_at - NOON) < timedelta(minutes=1)


async def test_counties_are_shown_by_state(make_database: MakeDatabase) -> None:
    """A county counts by the arrangement that was started last, and beside it by one in force."""
    async with tickets_database(make_database) as db:
        await apply(db)
        await enroll(db, UUID(int=1))
        at = "'2022-04-01 00:00Z'::timestamptz + interval '1 minute' * "
        for number, (county, state) in enumerate(
            [
                ("510104", "failed"),
                ("510104", "published"),
                ("510104", "done"),
                ("510105", "failed"),
            ]
        ):
            ended = f"{at} 9, 'x'" if state == "published" else "NULL, NULL"
            await sql(
                db,
                "INSERT INTO tickets.arrangement (arrangement_id, session_code, county_code, state,"
                " seed_sha256, seed_enc, started_at, started_by, published_at, published_by)"
                f" VALUES ('{UUID(int=number)}', '{SESSION}', '{county}', '{state}', '', '',"
                f" {at} {number}, 'x', {ended})",
            )
        worker = BacklogWorker(db, FixedClock(NOON))
        await worker.work()
        names = ("done", "failed", "published", "running")
        shown = [value("zikao_tickets_counties", session=SESSION, state=name) for name in names]
        assert shown == [1, 1, 1, 0]
        await sql(db, "ALTER TABLE tickets.arrangement RENAME TO away")
        with pytest.raises(asyncpg.UndefinedTableError):
            await worker.work()
        assert value("zikao_tickets_counties", session=SESSION, state="done") is None
