"""What the database must say of orders and money, by what candidates and the platform know."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from zikao.enrollment.v1 import types_pb2 as types

from zikao_ctl.faults.load import Known, Person
from zikao_ctl.faults.scene import Connection

_ORDERS = """
SELECT order_id::text, candidate_id::text, county_code, course_codes, state, held_until
FROM enrollment.enrollment_order
WHERE order_id = ANY ($1::uuid[]) OR candidate_id = ANY ($2::uuid[])
"""
_PAYMENTS = "SELECT payment_id, amount_fen FROM enrollment.payment"
# What a candidate has paid at the platform and not been given back, by order, as the platform has
# it; by its own ids of orders, of which one of ours may have several.
_PAID_AT_PLATFORM = """
SELECT payment.order_id, sum(payment.amount_fen - coalesce(refund.amount_fen, 0))
FROM payment LEFT JOIN refund USING (payment_id) GROUP BY payment.order_id
"""
_OWED = """
SELECT payment_order.payment_order_id::text, enrollment_order.order_id::text,
    CASE enrollment_order.state WHEN 'confirmed' THEN fee_fen ELSE 0 END AS fee_fen
FROM enrollment.payment_order JOIN enrollment.enrollment_order USING (order_id)
"""


async def wrong_orders(
    database: Connection, people: Sequence[Person], latest: datetime
) -> Sequence[str]:
    """Orders that are not as their candidates were told, a sentence each.

    Of people who do nothing at the moment, and have nothing in doubt: they were told of every
    order they have. `latest`: the latest time that the installation's clock has shown; holds may
    have ended by then.
    """
    quiet = {p: p.turns for p in people if not (p.busy or p.in_doubt)}
    told = {order_id: (p, known) for p in quiet for order_id, known in p.orders.items()}
    ids = list(told), [person.candidate_id for person in quiet]
    rows = {row["order_id"]: row for row in await database.fetch(_ORDERS, *ids)}
    still = {str(p.candidate_id): p for p, turns in quiet.items() if p.turns == turns}
    wrong = [
        f"order {order_id}: {problem}"
        for order_id, (person, known) in told.items()
        if str(person.candidate_id) in still
        and (problem := _problem(person, known, rows.get(order_id), latest))
    ]
    unasked = [
        f"order {order_id}: is {row['state']}, and no call of its candidate was answered with it"
        for order_id, row in rows.items()
        if order_id not in told and row["candidate_id"] in still
    ]
    return [*wrong, *unasked]


def _problem(person: Person, known: Known, row: Any, latest: datetime) -> str:
    if row is None:
        return "was acknowledged and is not there"
    order = known.order
    if row["candidate_id"] != str(person.candidate_id):
        return "is another candidate's"
    if known.paid:
        return ""  # what came of the money, and when, is the books' part
    courses = {course.course_code for course in order.courses}
    if row["county_code"] != order.county_code or set(row["course_codes"]) != courses:
        return f"has {row['county_code']} {row['course_codes']}, not what was acknowledged"
    expected = _states_after(order.state, may_have_ended=row["held_until"] <= latest)
    return "" if row["state"] in expected else f"is {row['state']}, not {' or '.join(expected)}"


def _states_after(state: int, *, may_have_ended: bool) -> Sequence[str]:
    """Where an unpaid order may stand that was acknowledged so."""
    if state == types.ORDER_STATE_RELEASED:
        return ("released",)
    if state == types.ORDER_STATE_CONFIRMED:
        return ("confirmed",)
    if state == types.ORDER_STATE_CLOSING:
        return ("closing", "released")
    held = ("held", "paying")
    return (*held, "closing", "released") if may_have_ended else held


async def wrong_money(
    database: Connection, ledger: Path, acknowledged: Mapping[str, int]
) -> Sequence[str]:
    """Payments and orders that the platform's own books contradict; true only at rest."""
    booked = {row["payment_id"]: row["amount_fen"] for row in await database.fetch(_PAYMENTS)}
    lost = [
        f"payment {payment_id} of {fen} fen is not booked"
        for payment_id, fen in acknowledged.items()
        if booked.get(payment_id) != fen
    ]
    paid = _paid_at_platform(ledger)
    kept: dict[str, int] = {}
    owed: dict[str, int] = {}
    for row in await database.fetch(_OWED):
        order_id = row["order_id"]
        kept[order_id] = kept.get(order_id, 0) + paid.get(row["payment_order_id"], 0)
        owed[order_id] = row["fee_fen"]
    return [*lost, *_differences(kept, owed)]


def _differences(kept: Mapping[str, int], owed: Mapping[str, int]) -> Iterator[str]:
    for order_id, fen in kept.items():
        if fen != owed[order_id]:
            yield f"order {order_id} costs {owed[order_id]} fen, and {fen} were kept"


def _paid_at_platform(ledger: Path) -> Mapping[str, int]:
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as books:
        return dict(books.execute(_PAID_AT_PLATFORM).fetchall())
