"""What the generators were told, compared with what the databases have.

It shares no code with the services: statements of its own over enrollment's tables, and the
payment platform's own file, which enrollment never sees.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg

from zikao_ctl.rush.histograms import Histograms
from zikao_ctl.rush.records import NOTIFY, Check, Payments
from zikao_ctl.rush.submissions import ACCEPTED

MOST_EXAMPLES = 10
PROMPTLY_SECONDS = 1.0
OVERSOLD_ZH, LOST_ZH = "没有超卖的考位", "已答复的报考均在库中"
TWO_COUNTIES_ZH = "没有人占用两个区县的考位"
# By the parts of payers: the whole sum, and at once.
_PAY_WELL = "prompt", "twice"
_ORDERS = """SELECT order_id::text, candidate_id::text, county_code, course_codes, state, fee_fen,
    held_until
FROM enrollment.enrollment_order WHERE session_code = $1"""
# Whoever helped to calibrate has paid, too.
_ALL_ORDERS = "SELECT order_id::text, state, fee_fen FROM enrollment.enrollment_order"
_SEATED = """SELECT seated.county_code, seated.slot, seated.seats, ledger.capacity
FROM (
    SELECT county_code, slot, count(*) AS seats
    FROM enrollment.sitting WHERE session_code = $1 GROUP BY county_code, slot
) AS seated
LEFT JOIN enrollment.seat_ledger AS ledger
    ON ledger.session_code = $1
    AND (ledger.county_code, ledger.slot) = (seated.county_code, seated.slot)"""
_IN_TWO = """SELECT candidate_id::text FROM enrollment.sitting WHERE session_code = $1
GROUP BY candidate_id HAVING count(DISTINCT county_code) > 1"""
_SEATED_PEOPLE = (
    "SELECT count(DISTINCT candidate_id) FROM enrollment.sitting WHERE session_code = $1"
)
_PAYMENT_ORDERS = """SELECT payment_order_id::text, order_id::text FROM enrollment.payment_order"""
_BOOKED = """SELECT extract(epoch FROM received_at - paid_at)::float8 AS took,
    extract(epoch FROM received_at)::float8 AS at, flag
FROM enrollment.payment JOIN enrollment.enrollment_order USING (order_id)
WHERE session_code = $1"""
_REFUNDED = """SELECT count(*) FROM enrollment.refund
JOIN enrollment.payment USING (payment_id) JOIN enrollment.enrollment_order USING (order_id)
WHERE session_code = $1 AND refunded_at IS NOT NULL"""
_PAID_IN_TIME = """SELECT DISTINCT order_id::text
FROM enrollment.payment JOIN enrollment.enrollment_order USING (order_id)
WHERE session_code = $1 AND paid_at < held_until"""
_PAID = """SELECT order_id, sum(amount_fen) FROM (
    SELECT order_id, amount_fen FROM payment
    UNION ALL
    SELECT payment.order_id, -refund.amount_fen FROM refund JOIN payment USING (payment_id)
) GROUP BY order_id"""

Ack = Mapping[str, Any]
Row = Mapping[str, Any] | asyncpg.Record


def read_acks(files: Iterable[Path]) -> list[Ack]:
    """What each candidate was told last, of all generators."""
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


async def compare_before_holds_end(
    admin_dsn: str, session_code: str, acks: Sequence[Ack], now: datetime
) -> list[Check]:
    """While seats are taken yet: who has too many, and who has lost theirs before their time."""
    connection = await asyncpg.connect(admin_dsn)
    try:
        orders = await connection.fetch(_ORDERS, session_code)
        seated = await connection.fetch(_SEATED, session_code)
        in_two = await connection.fetch(_IN_TWO, session_code)
        people = await connection.fetchval(_SEATED_PEOPLE, session_code)
    finally:
        await connection.close()
    missing = [*lost(acks, orders), *given_back(acks, orders, now)]
    return [
        check("oversold", OVERSOLD_ZH, len(seated), _oversold(seated)),
        check("lost_acknowledgements", LOST_ZH, len(acks), missing),
        check("two_counties", TWO_COUNTIES_ZH, people, [row[0] for row in in_two]),
    ]


async def compare(
    admin_dsn: str, platform_file: Path, session_code: str, acks: Sequence[Ack]
) -> list[Check]:
    """All checks, when holds have ended; nothing may be on its way any more."""
    connection = await asyncpg.connect(admin_dsn)
    try:
        orders = await connection.fetch(_ORDERS, session_code)
        seated = await connection.fetch(_SEATED, session_code)
        in_two = await connection.fetch(_IN_TWO, session_code)
        people = await connection.fetchval(_SEATED_PEOPLE, session_code)
        in_time = {row[0] for row in await connection.fetch(_PAID_IN_TIME, session_code)}
        all_orders = await connection.fetch(_ALL_ORDERS)
        payment_orders = {row[0]: row[1] for row in await connection.fetch(_PAYMENT_ORDERS)}
    finally:
        await connection.close()
    missing = [*lost(acks, orders), *unconfirmed(acks, orders, in_time)]
    unresolved = [each["candidate_id"] for each in acks if each["doubtful"]]
    return [
        check("oversold", OVERSOLD_ZH, len(seated), _oversold(seated)),
        check("lost_acknowledgements", LOST_ZH, len(acks), missing),
        check("unacknowledged_orders", "未获考位者没有订单", len(orders), _unasked(acks, orders)),
        check("doubtful_unresolved", "未答复的请求均已查明", len(acks), unresolved),
        check("two_counties", TWO_COUNTIES_ZH, people, [row[0] for row in in_two]),
        check(
            "double_charges",
            "每名考生实付与报考费一致",
            len(payment_orders),
            _charged(all_orders, payment_orders, _paid(platform_file)),
        ),
    ]


async def booked(
    admin_dsn: str, session_code: str, made: Mapping[str, int], opening_at: float
) -> tuple[Payments, Histograms]:
    """What became of the payments, and how long after each it was booked.

    `made`: by the payers' parts. `opening_at`: POSIX time of the opening, by the rehearsal's clock.
    """
    connection = await asyncpg.connect(admin_dsn)
    try:
        rows = await connection.fetch(_BOOKED, session_code)
        refunded = await connection.fetchval(_REFUNDED, session_code)
    finally:
        await connection.close()
    latencies = Histograms()
    for row in rows:
        latencies.record(NOTIFY, row["took"])
    by_second = Counter(int(row["at"] - opening_at) for row in rows)
    paid_by_second = Counter(int(row["at"] - row["took"] - opening_at) for row in rows)
    seconds = sorted(by_second.keys() | paid_by_second.keys())
    return Payments(
        made=sum(made.get(part, 0) for part in ("prompt", "twice", "first_of_two", "late"))
        + made.get("wrong_amount", 0),
        booked=len(rows),
        booked_within_1s=sum(row["took"] <= PROMPTLY_SECONDS for row in rows),
        late=made.get("late", 0),
        twice=made.get("twice", 0),
        wrong_amount=made.get("wrong_amount", 0),
        never=made.get("never", 0),
        refunded=refunded,
        series=[(float(at), paid_by_second[at], by_second[at]) for at in seconds],
    ), latencies


def check(name: str, title_zh: str, looked_at: int, offenders: Iterable[str]) -> Check:
    """What was looked at, and who is wrong."""
    found = list(offenders)
    return Check(
        name=name,
        title_zh=title_zh,
        looked_at=looked_at,
        violations=len(found),
        examples=found[:MOST_EXAMPLES],
    )


def _oversold(seated: Iterable[asyncpg.Record]) -> Iterator[str]:
    for row in seated:
        if row["capacity"] is None or row["seats"] > row["capacity"]:
            yield f"{row['county_code']} {row['slot']}: {row['seats']} of {row['capacity']}"


def lost(acks: Iterable[Ack], orders: Iterable[Row]) -> Iterator[str]:
    """Accepted answers whose order is not there as it was told."""
    stored = {row["order_id"]: row for row in orders}
    for ack in acks:
        if ack["outcome"] != ACCEPTED:
            continue
        row = stored.get(ack["order_id"])
        if row is None or row["candidate_id"] != ack["candidate_id"]:
            yield f"{ack['candidate_id']}: order {ack['order_id']} is not there"
        # A late payment may take seats elsewhere, as the candidate has agreed to.
        elif ack["pays"] != "late" and (
            row["county_code"] != ack["county_code"]
            or sorted(row["course_codes"]) != sorted(ack["courses"])
        ):
            yield f"{ack['candidate_id']}: order {ack['order_id']} is another one"


def given_back(acks: Iterable[Ack], orders: Iterable[Row], now: datetime) -> Iterator[str]:
    """Accepted answers whose seats went back though their hold has not ended."""
    told = {each.get("order_id") for each in acks if each["outcome"] == ACCEPTED}
    for row in orders:
        if row["order_id"] in told and row["state"] == "released" and row["held_until"] > now:
            yield f"{row['candidate_id']}: order {row['order_id']} has lost its seats"


def unconfirmed(
    acks: Iterable[Ack], orders: Iterable[Row], in_time: Collection[str]
) -> Iterator[str]:
    """Those who paid and have no seats; `in_time`: orders paid while they were held."""
    states = {row["order_id"]: row["state"] for row in orders}
    for ack in acks:
        order_id = ack.get("order_id", "")
        has_paid = ack["pays"] in _PAY_WELL and order_id in in_time
        if has_paid and states.get(order_id, "confirmed") != "confirmed":
            yield f"{ack['candidate_id']}: order {order_id} was paid in time and is not confirmed"


def both(first: Iterable[Check], second: Iterable[Check]) -> list[Check]:
    """Checks made twice, as one each: what either found is wrong."""
    before = {each["name"]: each for each in first}
    return [
        _added(before[each["name"]], each) if each["name"] in before else each for each in second
    ]


def _added(one: Check, other: Check) -> Check:
    examples = list(dict.fromkeys((*one["examples"], *other["examples"])))
    return Check(
        name=other["name"],
        title_zh=other["title_zh"],
        looked_at=max(one["looked_at"], other["looked_at"]),
        violations=max(one["violations"], other["violations"]),
        examples=examples[:MOST_EXAMPLES],
    )


def with_broken_meanwhile(
    violations: Mapping[str, int], broken: Iterable[str]
) -> Mapping[str, int]:
    """Rules that were broken while it ran count, though they hold again at the end."""
    return {**violations, **{name: max(1, violations.get(name, 0)) for name in broken}}


def _unasked(acks: Iterable[Ack], orders: Iterable[asyncpg.Record]) -> Iterator[str]:
    known = {each["order_id"] for each in acks if each["outcome"] == ACCEPTED}
    in_doubt = {each["candidate_id"] for each in acks if each["doubtful"]}
    for row in orders:
        if row["order_id"] not in known and row["candidate_id"] not in in_doubt:
            yield f"{row['candidate_id']}: order {row['order_id']}"


def _paid(platform_file: Path) -> dict[str, int]:
    """By the platform's order: what it took and has not given back, in fen."""
    if not platform_file.exists():
        return {}
    with closing(sqlite3.connect(f"file:{platform_file}?mode=ro", uri=True)) as platform:
        return dict(platform.execute(_PAID).fetchall())


def _charged(
    orders: Iterable[asyncpg.Record],
    payment_orders: Mapping[str, str],
    paid: Mapping[str, int],
) -> Iterator[str]:
    by_order: Counter[str] = Counter()
    for platform_order, fen in paid.items():
        by_order[payment_orders.get(platform_order, f"unknown {platform_order}")] += fen
    owed = {row["order_id"]: row["fee_fen"] for row in orders if row["state"] == "confirmed"}
    for order_id in by_order.keys() | owed.keys():
        if by_order[order_id] != owed.get(order_id, 0):
            yield f"{order_id}: {by_order[order_id]} fen for {owed.get(order_id, 0)}"
