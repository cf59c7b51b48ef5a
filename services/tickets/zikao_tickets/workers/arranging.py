"""Takes arrangements that wait, one at a time; several of it, in several processes, may do so."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import structlog
from zikao_kit.clock import Clock
from zikao_kit.context import acting_as, current_request_id
from zikao_kit.crypto import KeyRing
from zikao_kit.db import Database, DatabaseUnavailable, Transaction
from zikao_kit.metrics import BACKGROUND_FAILURES
from zikao_kit.tokens import SERVICE_ROLE, Actor

from zikao_tickets.commands.seat_arrangement import (
    MaterialChanged,
    find_plan,
    keep_plan,
    read_material,
    store_seats,
)
from zikao_tickets.domain.cannot_arrange import CannotArrange
from zikao_tickets.domain.material import Material
from zikao_tickets.domain.person import seed_context
from zikao_tickets.domain.plan import Plan
from zikao_tickets.domain.seat_rows import DrawnSeats, SeatDraw
from zikao_tickets.domain.states import Arrangement, Progress, Stage
from zikao_tickets.names import ENROLLMENTS, SCHEMA
from zikao_tickets.solving.pool import SolvePool
from zikao_tickets.stores.arrangements import ArrangementStore, Lease
from zikao_tickets.stores.arranging import ArrangingStores
from zikao_tickets.stores.seating import StoredPlan

WORK = "arrangement"
MAX_ATTEMPTS = 5
HEARTBEAT_SECONDS = 1.0
# A lease outlives that many heartbeats.
HEARTBEATS_A_LEASE = 3

log = structlog.get_logger()


class ArrangementWorker:
    """Whoever works on an arrangement holds a lease, and says every second that it lives.

    A process that dies leaves its lease, which another takes over when it has passed; a plan
    that was kept is not made again. So does one that loses the database: MAX_ATTEMPTS times,
    since what kills processes or takes the database too long would do so for ever. Any other fault
    would be the same again: it ends the arrangement at once. The office may then start another
    one.
    """

    def __init__(
        self, db: Database, keys: KeyRing, clock: Clock, pool: SolvePool, lease: timedelta
    ) -> None:
        self._db = db
        self._keys = keys
        self._clock = clock
        self._pool = pool
        self._lease = lease
        self._beat = min(HEARTBEAT_SECONDS, lease.total_seconds() / HEARTBEATS_A_LEASE)

    async def work(self) -> bool:
        """Do one arrangement; False when none waits."""
        async with self._db.transaction() as tx:
            store = ArrangementStore(tx)
            given_up = await store.give_up(MAX_ATTEMPTS)
            held = await store.lease(ENROLLMENTS, self._lease)
        for each in given_up:
            log.error("arrangement given up", work=WORK, arrangement_id=str(each))
        if held is None:
            return False
        with acting_as(Actor(subject=SCHEMA, role=SERVICE_ROLE, caller=SCHEMA)):
            await self.arrange(held)
        return True

    async def arrange(self, held: Lease) -> None:
        """Do a leased one to its end, whatever that is; raises DatabaseUnavailable."""
        try:
            await self._arrange_while_wanted(held)
        except DatabaseUnavailable:
            raise
        except MaterialChanged:
            log.info("arrangement begins anew", arrangement_id=str(held.arrangement_id))
            async with self._db.transaction() as tx:
                await ArrangementStore(tx).give_back(held)
        except CannotArrange as cannot:
            await self._fail(held, cannot.in_words())
        except Exception:
            log.exception("arrangement failed", work=WORK, arrangement_id=str(held.arrangement_id))
            BACKGROUND_FAILURES.labels(WORK).inc()
            failure = f"编排程序出错，请联系技术人员（编号{current_request_id()}）"
            await self._fail(held, failure)

    async def _arrange_while_wanted(self, held: Lease) -> None:
        """Do it, unless it is cancelled or taken by another meanwhile: then stop."""
        at_work = _Work(self._db, self._keys, self._clock, self._pool, held)
        task = asyncio.create_task(at_work.run())
        try:
            while not (await asyncio.wait({task}, timeout=self._beat))[0]:
                if not at_work.row.locked():
                    async with at_work.row:
                        if not await self._is_wanted(held, at_work.progress):
                            return
            await task
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _is_wanted(self, held: Lease, progress: Progress) -> bool:
        """Say how far it is; False when the work is to stop."""
        async with self._db.transaction() as tx:
            store = ArrangementStore(tx)
            cancelled = await store.renew(held, self._lease, progress)
            if cancelled:
                await store.end_cancelled(held)
        return cancelled is False

    async def _fail(self, held: Lease, failure: str) -> None:
        async with self._db.transaction() as tx:
            await ArrangementStore(tx).fail(held, failure)


class _Work:
    """One arrangement under way."""

    def __init__(
        self, db: Database, keys: KeyRing, clock: Clock, pool: SolvePool, held: Lease
    ) -> None:
        self.progress = Progress(Stage.READING)
        # Whoever has it may change the row: what is written in a transaction that has locked the
        # row needs no lease, and would wait for a heartbeat or let one wait.
        self.row = asyncio.Lock()
        self._db = db
        self._keys = keys
        self._clock = clock
        self._pool = pool
        self._held = held

    async def run(self) -> None:
        """Read, solve, keep the plan, draw, and store the seats with their check."""
        async with self._db.transaction(isolation="REPEATABLE READ", read_only=True) as tx:
            stores = ArrangingStores.of(tx)
            arrangement = await stores.arrangements.load(self._held.arrangement_id)
            assert arrangement is not None, "leased a moment ago"
            material = await read_material(stores, arrangement)
            input_sha256 = material.sha256()
            plan = await find_plan(stores.seating, arrangement.arrangement_id, input_sha256)
        if plan is None:
            plan = await self._solve(material, input_sha256)
        self.progress = Progress(Stage.SEATING)
        drawn = await self._draw(arrangement, plan, material)
        # All of it sees the same sittings: who comes meanwhile comes after.
        async with self.row:
            await self._db.run(
                lambda tx: self._store(tx, material, drawn), isolation="REPEATABLE READ"
            )

    async def _solve(self, material: Material, input_sha256: bytes) -> Plan:
        plan = await self._pool.plan(
            material.roster, material.rooms, material.published, progress=self._show
        )
        needing = [UUID(each) for each in sorted(material.roster.accessible)]
        stored = StoredPlan(input_sha256, plan.to_bytes(), needing)
        async with self.row, self._db.transaction() as tx:
            await keep_plan(ArrangingStores.of(tx), self._held, stored, plan.proofs)
        return plan

    async def _draw(self, arrangement: Arrangement, plan: Plan, material: Material) -> DrawnSeats:
        return await self._pool.draw(
            SeatDraw(
                arrangement.arrangement_id,
                arrangement.session_code,
                plan,
                material.roster,
                self._seed(arrangement),
                material.published or (),
            )
        )

    def _seed(self, arrangement: Arrangement) -> bytes:
        context = seed_context(arrangement.arrangement_id)
        return self._keys.decrypt(arrangement.seed_enc, context)

    async def _store(self, tx: Transaction, material: Material, drawn: DrawnSeats) -> None:
        now = self._clock.now()
        await store_seats(ArrangingStores.of(tx), self._held, material, drawn, now=now)

    def _show(self, stage: str, done: int, total: int) -> None:
        self.progress = Progress(Stage(stage), done, total)
