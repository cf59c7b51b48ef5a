"""Orders and their history: one method a named query of `orders.sql`, and the outbox."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from uuid import UUID

from zikao_kit import tracing
from zikao_kit.columns import columns
from zikao_kit.db import Record, Transaction
from zikao_kit.feed import Outbox

from zikao_enrollment.converts.orders import enrollment_event
from zikao_enrollment.domain.order_states import OrderAction, OrderState
from zikao_enrollment.domain.orders import Order, OrderCourse, OrderEvent, Share, Terms
from zikao_enrollment.names import SCHEMA
from zikao_enrollment.stores.slot_sets import slot_set

# A rush takes the same few courses.
COURSES_KEPT = 1024


class OrderStore:
    """Bound to the running transaction."""

    _outbox = Outbox(SCHEMA)

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def insert_held(
        self, shares: Sequence[Share], action: OrderAction, seated: Collection[UUID]
    ) -> None:
        """Store new orders with their seats and the beginning of their history: all by candidates.

        At least one; of one session, made at one time for one hold, by `action`; each of another
        candidate, who is locked. Only those of `seated` may have seats already. One statement:
        the terms of orders are sent once.
        """
        first = shares[0].terms
        await self._tx.execute(
            "insert_held_orders",
            first.session_code,
            [order_id for share in shares for order_id in share.order_ids],
            [candidate_id for share in shares for candidate_id in share.candidate_ids],
            [number for number, share in enumerate(shares, 1) for _ in share.order_ids],
            *columns((_kind(share.terms) for share in shares), 5),
            first.state,
            action,
            first.held_until,
            first.created_at,
            list(seated),
        )

    async def insert_events(self, events: Iterable[OrderEvent], now: datetime) -> None:
        """Add to the history of orders."""
        await self._tx.execute("insert_order_events", *columns(events, 5), now)

    async def list_page(
        self,
        session_code: str,
        candidate_id: UUID,
        before: tuple[datetime, UUID] | None,
        limit: int,
    ) -> list[Order]:
        """A candidate's orders, the newest first, older than `before` (created_at, order id)."""
        created_at, order_id = before or (None, None)
        rows = await self._tx.fetch(
            "list_orders", session_code, candidate_id, created_at, order_id, limit
        )
        return [_order(row) for row in rows]

    async def lock(self, order_ids: Iterable[UUID]) -> list[Order]:
        """Orders that exist, locked in the order of ids until the transaction ends."""
        rows = await self._tx.fetch("lock_orders", list(order_ids))
        return [_order(row) for row in rows]

    async def lock_one(self, order_id: UUID) -> Order | None:
        """The order, locked until the transaction ends."""
        return next(iter(await self.lock([order_id])), None)

    async def update(self, orders: Sequence[Order]) -> None:
        """Store where locked orders stand, their courses, county and fee."""
        await self._tx.execute("update_orders", *columns(map(_changed, orders), 6))

    async def begin_closing(self, order_id: UUID, lease: timedelta) -> None:
        """Let a locked order be `closing` and the caller's for `lease`, by the database's clock."""
        await self._tx.execute("begin_closing", order_id, lease)

    async def expire(
        self, state: OrderState, now: datetime, lease: timedelta, limit: int
    ) -> list[UUID]:
        """Begin to close orders in `state` whose hold has ended; they are the caller's for `lease`.

        `now` is compared with deadlines; leases go by the database's clock.
        """
        rows = await self._tx.fetch("expire_orders", state, now, lease, limit)
        return [row["order_id"] for row in rows]

    async def lease_closing(self, lease: timedelta, limit: int) -> list[UUID]:
        """Take over closing orders whose lease has passed: whoever closed them has left them."""
        rows = await self._tx.fetch("lease_closing_orders", lease, limit)
        return [row["order_id"] for row in rows]

    async def append_to_feed(
        self, session_code: str, enrollments: Iterable[tuple[Order, Iterable[OrderCourse]]]
    ) -> None:
        """Tell other services all confirmed courses of candidates, each with an order of them.

        The candidates must be locked: the last event must be the last state.
        """
        events, keys = {}, {}
        for order, courses in enrollments:
            key = keys[order.order_id] = f"{session_code}:{order.candidate_id}"
            events[key] = enrollment_event(
                session_code, order.candidate_id, order.county_code, courses
            )
        with tracing.of_events(await self._take_traces(keys)):
            await self._outbox.append_all(self._tx, events)

    async def keep_traces(self, places: Mapping[UUID, str]) -> None:
        """Note in which traces orders were submitted, for the event of their confirmation."""
        await self._tx.execute("keep_order_traces", list(places), list(places.values()))

    async def forget_traces(self, after: timedelta) -> int:
        """Forget those of orders that were never confirmed."""
        return await self._tx.execute("forget_order_traces", after)

    async def _take_traces(self, keys: Mapping[UUID, str]) -> dict[str, str]:
        """The places of orders' submissions by the keys of their events, where tracing is on."""
        if not tracing.is_on():
            return {}
        rows = await self._tx.fetch("take_order_traces", list(keys))
        return {keys[row["order_id"]]: row["traceparent"] for row in rows}


def _kind(terms: Terms) -> tuple[object, ...]:
    slots, codes = _arrays(terms.courses)
    taken = slot_set(course.slot for course in terms.courses)
    return (terms.county_code, slots, codes, terms.fee_fen, taken)


def _changed(order: Order) -> tuple[object, ...]:
    slots, codes = _arrays(order.courses)
    return (order.order_id, order.county_code, slots, codes, order.state, order.fee_fen)


@lru_cache(maxsize=COURSES_KEPT)
def _arrays(courses: Sequence[OrderCourse]) -> tuple[str, str]:
    """Slots and codes as literals of arrays: `unnest` would flatten an array of arrays."""
    slots = ",".join(str(course.slot) for course in courses)
    codes = ",".join(course.course_code for course in courses)
    return f"{{{slots}}}", f"{{{codes}}}"


def _order(row: Record) -> Order:
    courses = zip(row["course_codes"], row["slots"], strict=True)
    terms = Terms(
        row["session_code"],
        row["county_code"],
        tuple(OrderCourse(code, slot) for code, slot in courses),
        OrderState(row["state"]),
        row["fee_fen"],
        row["held_until"],
        row["created_at"],
    )
    return Order(row["order_id"], row["candidate_id"], terms, row.get("payment_code"))
