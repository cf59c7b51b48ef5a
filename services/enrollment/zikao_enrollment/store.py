"""What the service asks of its database: one method a named query of `sql/queries`."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from zikao_kit.db import Transaction
from zikao_kit.feed import Outbox

from zikao_enrollment.convert import enrollment_event
from zikao_enrollment.domain.allocation import Holding, SeatKey
from zikao_enrollment.domain.choices import Choice
from zikao_enrollment.domain.money import Payment
from zikao_enrollment.domain.order_states import OrderState
from zikao_enrollment.domain.orders import Candidate, Order, OrderCourse, Refund
from zikao_enrollment.domain.timetable import Track

SCHEMA = "enrollment"


class Plan(NamedTuple):
    """A saved choice; `may_move`: a late payment may be used in another county of it."""

    choice: Choice
    may_move: bool


class OrderMove(NamedTuple):
    """One line of an order's history."""

    order_id: UUID
    from_state: OrderState | None
    to_state: OrderState
    cause: str
    actor: str


class SeatChange(NamedTuple):
    """By how much a ledger row changes."""

    held: int
    confirmed: int


class RefundOwed(NamedTuple):
    """A payment to give back."""

    refund_id: UUID
    payment_id: str
    amount_fen: int


class Store:
    """Candidates, seats, orders and money within one transaction."""

    _outbox = Outbox(SCHEMA)

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def find_candidate(self, candidate_id: UUID) -> Candidate | None:
        """The candidate, if known."""
        row = await self._transaction.fetchrow("find_candidate", candidate_id)
        return _candidate(row) if row else None

    async def save_candidates(self, candidates: Iterable[Candidate]) -> None:
        """Make these the candidates' states; of several for one the last counts."""
        latest = {candidate.candidate_id: candidate for candidate in candidates}
        rows = [_candidate_row(latest[candidate_id]) for candidate_id in sorted(latest)]
        columns = [list(column) for column in zip(*rows, strict=True)]
        await self._transaction.execute("save_candidates", *columns)

    async def learn_candidate(self, candidate: Candidate) -> None:
        """Store a candidate whom the feed has not brought yet."""
        await self._transaction.execute("learn_candidate", *_candidate_row(candidate))

    async def save_plan(
        self, session_code: str, candidate_id: UUID, plan: Plan, now: datetime
    ) -> None:
        """Store a plan in place of an earlier one."""
        await self._transaction.execute(
            "save_plan",
            session_code,
            candidate_id,
            list(plan.choice.course_codes),
            list(plan.choice.county_codes),
            plan.may_move,
            now,
        )

    async def lock_candidates(self, candidate_ids: Iterable[UUID]) -> dict[UUID, Candidate]:
        """The candidates that are known, locked in the order of ids."""
        rows = await self._transaction.fetch("lock_candidates", list(candidate_ids))
        return {row["candidate_id"]: _candidate(row) for row in rows}

    async def list_plans(
        self, session_code: str, candidate_ids: Iterable[UUID]
    ) -> dict[UUID, Plan]:
        """Saved plans by candidate."""
        rows = await self._transaction.fetch("list_plans", session_code, list(candidate_ids))
        return {
            row["candidate_id"]: Plan(
                Choice(tuple(row["course_codes"]), tuple(row["county_codes"])), row["may_move"]
            )
            for row in rows
        }

    async def list_holdings(
        self, session_code: str, candidate_ids: Iterable[UUID]
    ) -> dict[str, Holding]:
        """What candidates have in the session, held or confirmed, by candidate id as text."""
        rows = await self._transaction.fetch("list_holdings", session_code, list(candidate_ids))
        return {
            str(row["candidate_id"]): Holding(row["county_code"], frozenset(row["slots"]))
            for row in rows
        }

    async def lock_seats(self, session_code: str, keys: Sequence[SeatKey]) -> dict[SeatKey, int]:
        """Free seats of the rows, which stay locked until the transaction ends."""
        rows = await self._transaction.fetch(
            "lock_seats",
            session_code,
            [key.county_code for key in keys],
            [key.slot for key in keys],
        )
        return {SeatKey(row["county_code"], row["slot"]): row["free"] for row in rows}

    async def change_seats(self, session_code: str, changes: Mapping[SeatKey, SeatChange]) -> None:
        """Change ledger rows that `lock_seats` has locked."""
        await self._transaction.execute(
            "change_seats",
            session_code,
            [key.county_code for key in changes],
            [key.slot for key in changes],
            [change.held for change in changes.values()],
            [change.confirmed for change in changes.values()],
        )

    async def insert_held_orders(self, orders: Sequence[Order]) -> None:
        """Store new orders of one session, made at one time, and take their seats."""
        first = orders[0]
        await self._transaction.execute(
            "insert_orders",
            first.session_code,
            [order.order_id for order in orders],
            [order.candidate_id for order in orders],
            [order.county_code for order in orders],
            [_array(str(course.slot) for course in order.courses) for order in orders],
            [_array(course.course_code for course in order.courses) for order in orders],
            [order.state for order in orders],
            [order.fee_fen for order in orders],
            first.held_until,
            first.created_at,
        )
        await self.insert_sittings(orders)
        taken = Counter(
            SeatKey(order.county_code, slot) for order in orders for slot in order.slots
        )
        await self.change_seats(
            first.session_code, {key: SeatChange(count, 0) for key, count in taken.items()}
        )

    async def insert_sittings(self, orders: Sequence[Order]) -> None:
        """Seat the candidates of orders of one session in the orders' counties."""
        session_code = orders[0].session_code
        await self._transaction.execute(
            "insert_enrollments",
            session_code,
            [order.candidate_id for order in orders],
            [order.county_code for order in orders],
        )
        sittings = [(order, course) for order in orders for course in order.courses]
        await self._transaction.execute(
            "insert_sittings",
            session_code,
            [order.candidate_id for order, _ in sittings],
            [course.slot for _, course in sittings],
            [order.order_id for order, _ in sittings],
            [course.course_code for _, course in sittings],
            [order.county_code for order, _ in sittings],
        )

    async def delete_sittings(self, orders: Sequence[Order]) -> None:
        """Give up the sittings of orders, and the county with a candidate's last one."""
        await self._transaction.execute("delete_sittings", [order.order_id for order in orders])
        for session_code in sorted({order.session_code for order in orders}):
            people = [o.candidate_id for o in orders if o.session_code == session_code]
            await self._transaction.execute("delete_empty_enrollments", session_code, people)

    async def insert_moves(self, moves: Sequence[OrderMove], now: datetime) -> None:
        """Add to the history of orders."""
        columns = [list(column) for column in zip(*moves, strict=True)]
        await self._transaction.execute("insert_order_events", *columns, now)

    async def lock_order(self, order_id: UUID) -> Order | None:
        """The order, locked until the transaction ends."""
        return next(iter(await self.lock_orders([order_id])), None)

    async def lock_orders(self, order_ids: Iterable[UUID]) -> list[Order]:
        """Orders that exist, locked in the order of ids."""
        rows = await self._transaction.fetch("lock_orders", list(order_ids))
        return [_order(row) for row in rows]

    async def list_orders(
        self,
        session_code: str,
        candidate_id: UUID,
        before: tuple[datetime, UUID] | None,
        limit: int,
    ) -> list[Order]:
        """A candidate's orders, the newest first, older than `before` (created_at, order id)."""
        created_at, order_id = before or (None, None)
        rows = await self._transaction.fetch(
            "list_orders", session_code, candidate_id, created_at, order_id, limit
        )
        return [_order(row) for row in rows]

    async def list_refunds(self, order_ids: Iterable[UUID]) -> dict[UUID, list[Refund]]:
        """Money that goes back, by order."""
        refunds: defaultdict[UUID, list[Refund]] = defaultdict(list)
        for row in await self._transaction.fetch("list_refunds", list(order_ids)):
            refund = Refund(row["refund_id"], row["amount_fen"], row["refunded_at"])
            refunds[row["order_id"]].append(refund)
        return dict(refunds)

    async def update_order(
        self, order_id: UUID, state: OrderState, county_code: str, now: datetime
    ) -> None:
        """Store where an order stands."""
        await self._transaction.execute("update_order", order_id, state, county_code, now)

    async def update_orders(
        self, order_ids: Iterable[UUID], state: OrderState, now: datetime
    ) -> None:
        """Store where orders stand."""
        await self._transaction.execute("update_orders", list(order_ids), state, now)

    async def save_payment_code(self, order_id: UUID, payment_code: str, now: datetime) -> None:
        """Store the code with which an order is paid."""
        await self._transaction.execute("save_payment_code", order_id, payment_code, now)

    async def expire_orders(self, state: OrderState, now: datetime, limit: int) -> list[UUID]:
        """Begin to close orders in `state` whose hold has ended."""
        rows = await self._transaction.fetch("expire_orders", state, now, limit)
        return [row["order_id"] for row in rows]

    async def lease_closing_orders(
        self, untouched_since: datetime, now: datetime, limit: int
    ) -> list[UUID]:
        """Take over closing orders that whoever closed them has left."""
        rows = await self._transaction.fetch("lease_closing_orders", untouched_since, now, limit)
        return [row["order_id"] for row in rows]

    async def payment_exists(self, payment_id: str) -> bool:
        """Whether word of this payment has come before."""
        return bool(await self._transaction.fetchval("payment_exists", payment_id))

    async def insert_payment(self, payment: Payment, *, applied: bool, now: datetime) -> bool:
        """Store money that has come in, applied to its order or to be refunded.

        False when word of it has come meanwhile: then nothing was stored.
        """
        return bool(
            await self._transaction.execute(
                "insert_payment",
                payment.payment_id,
                payment.order_id,
                payment.amount_fen,
                payment.paid_at,
                now,
                "applied" if applied else "refund",
            )
        )

    async def insert_refund(self, refund_id: UUID, payment: Payment, now: datetime) -> None:
        """Owe a payment back."""
        await self._transaction.execute(
            "insert_refund", refund_id, payment.payment_id, payment.amount_fen, now
        )

    async def lease_refunds(
        self, now: datetime, first_pause: timedelta, longest_pause: timedelta, limit: int
    ) -> list[RefundOwed]:
        """Refunds to ask the platform for now; nobody else gets them until the next attempt.

        The pause after each attempt doubles.
        """
        pauses = (first_pause, longest_pause)
        rows = await self._transaction.fetch("lease_refunds", now, *pauses, limit)
        return [RefundOwed(**row) for row in rows]

    async def finish_refund(self, refund_id: UUID, refunded_at: datetime) -> None:
        """The platform has confirmed that the money went back."""
        await self._transaction.execute("finish_refund", refund_id, refunded_at)

    async def publish_enrollment(self, order: Order) -> None:
        """Tell other services the confirmed courses of an order's candidate.

        The candidate must be locked: the last event must be the last state.
        """
        courses = await self.list_confirmed_courses(order.session_code, order.candidate_id)
        payload = enrollment_event(
            order.session_code, order.candidate_id, order.county_code, courses
        )
        key = f"{order.session_code}:{order.candidate_id}"
        await self._outbox.append(self._transaction, key, payload)

    async def list_confirmed_courses(
        self, session_code: str, candidate_id: UUID
    ) -> tuple[OrderCourse, ...]:
        """Every confirmed course of a candidate, by slot."""
        rows = await self._transaction.fetch("list_confirmed_courses", session_code, candidate_id)
        return tuple(OrderCourse(row["course_code"], row["slot"]) for row in rows)


def _array(codes: Iterable[str]) -> str:
    """A literal of an array of plain words: `unnest` would flatten an array of arrays."""
    return "{" + ",".join(codes) + "}"


def _candidate(row: Any) -> Candidate:
    return Candidate(
        row["candidate_id"], Track(row["track"]), row["standing"], row["standing_reason"]
    )


def _candidate_row(candidate: Candidate) -> tuple[object, ...]:
    return (
        candidate.candidate_id,
        candidate.ticket_number,
        candidate.county_code,
        candidate.track,
        candidate.standing,
        candidate.standing_reason,
    )


def _order(row: Any) -> Order:
    courses = zip(row["course_codes"], row["slots"], strict=True)
    return Order(
        row["order_id"],
        row["session_code"],
        row["candidate_id"],
        row["county_code"],
        tuple(OrderCourse(code, slot) for code, slot in courses),
        OrderState(row["state"]),
        row["fee_fen"],
        row["held_until"],
        row["created_at"],
        row["payment_code"],
    )
