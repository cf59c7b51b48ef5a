"""What is wrong with payments is seen by their offices, and refused refunds are asked for again."""

import math
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from prometheus_client import REGISTRY
from support.clocks import FixedClock
from support.enrollment_money_rows import insert_refused_refund
from support.enrollment_offices import DONE, PENDING, again, decision, listing
from support.enrollment_people import (
    JINJIANG,
    QINGYANG,
    apply_session,
    cancellation,
    candidate_id,
    hold,
    open_enrollment,
    paid,
    pay,
    payment_code,
    payment_order_id,
    until_state,
)
from support.enrollment_reconciliation import plant_payment
from support.enrollment_service import Installation
from support.enrollment_sessions import FEE_FEN, small_session
from support.service import Caller, new_id, until
from support.service_databases import MakeDatabase
from zikao.enrollment.v1 import odd_payment_service_pb2 as pb
from zikao.enrollment.v1 import office_audit_service_pb2 as audit
from zikao.enrollment.v1 import reconciliation_service_pb2 as reconciliation
from zikao.enrollment.v1 import types_pb2 as types
from zikao_enrollment.domain.timetable import Policies
from zikao_enrollment.names import PACKAGE
from zikao_enrollment.workers.backlog import BacklogWorker
from zikao_kit.config import DatabaseConfig
from zikao_kit.db import Database
from zikao_kit.queries import Queries

FEE = 2 * FEE_FEN
SESSION = small_session(seats=2)
DUAL = replace(SESSION, policies=Policies(dual_control=True))
REFUSED = reconciliation.PAYMENT_OUTCOME_REFUND_REFUSED
APPLIED = reconciliation.PAYMENT_OUTCOME_APPLIED
REFUNDED = reconciliation.PAYMENT_OUTCOME_REFUNDED


@pytest.fixture
async def running(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[Installation]:
    """A session of two seats a county and slot, without dual control, three candidates."""
    async with open_enrollment(make_database, tmp_path, session=SESSION) as found:
        yield found


async def odd(
    office: Caller, prefix: str = "51", page_size: int = 0, page_token: str = "", **filters: Any
) -> pb.ListOddPaymentsResponse:
    """A page of the odd payments of an area."""
    answer: pb.ListOddPaymentsResponse = await office.call(
        pb.ListOddPaymentsRequest(
            county_prefix=prefix,
            filter=pb.OddPaymentFilter(**filters),
            page_size=page_size,
            page_token=page_token,
        )
    )
    return answer


def ids(page: pb.ListOddPaymentsResponse) -> list[str]:
    """The payments of a page."""
    return [each.payment_id for each in page.payments]


async def until_all_are(running: Installation, outcome: Any, *payment_ids: str) -> None:
    """Wait until these payments have come to this."""
    office = await running.officer("51")

    async def are_so() -> bool:
        return set(payment_ids) <= set(ids(await odd(office, outcome=outcome)))

    await until(are_so)


async def history(running: Installation, refund_id: str) -> list[tuple[str, str]]:
    """What was done to a refund, and by whom."""
    rows = await running.rows(
        "SELECT action, actor FROM enrollment.refund_event WHERE refund_id = $1 ORDER BY event_id",
        refund_id,
    )
    return [(row["action"], row["actor"]) for row in rows]


async def test_offices_see_what_is_wrong_with_payments(running: Installation) -> None:
    """Each sees those of its area, the province also those of no order; what became of each."""
    first, second = await hold(running, 1), await hold(running, 2, counties=(QINGYANG,))
    codes = [await payment_code(running, 1, first), await payment_code(running, 2, second)]
    platform = await running.caller("payment-platform")
    wrong = paid("wrong", await payment_order_id(running, first), 5, running.now())
    await platform.call(wrong)
    await pay(running, codes[1])
    await until_state(running, 2, "CONFIRMED")
    await running.move_clock(running.now() + timedelta(seconds=1))
    twice = (await pay(running, codes[1], after_close=True)).payment_id
    await until_all_are(running, REFUNDED, twice)
    await running.move_clock(running.now() + timedelta(seconds=1))
    await platform.call(paid("astray", new_id(), 7, running.now()))
    third = await hold(running, 3)
    await payment_code(running, 3, third)
    await (await running.candidate(3)).call(cancellation(third))
    await running.move_clock(running.now() + timedelta(seconds=1))
    late = paid("late", await payment_order_id(running, third), FEE, running.now())
    await platform.call(late)
    await until_all_are(running, REFUSED, "wrong", "astray")
    province, city = await running.officer("51"), await running.officer("5101")
    county = await running.officer(JINJIANG)
    page = await odd(province)
    assert ids(page) == ["late", "astray", twice, "wrong"]
    assert ids(await odd(city, "5101")) == ["late", twice, "wrong"]
    (shown,) = (await odd(county, JINJIANG, outcome=REFUSED)).payments
    assert (shown.flag, shown.outcome, shown.refusal) == (
        pb.PAYMENT_FLAG_AMOUNT_DIFFERS,
        REFUSED,
        "NOT_FOUND",
    )
    assert (shown.order_id, shown.candidate_id) == (first.order_id, candidate_id(1))
    assert (shown.session_code, shown.county_code, shown.amount_fen) == ("22.1", JINJIANG, 5)
    assert shown.refund.state == types.REFUND_STATE_REFUSED
    assert page.payments[1].flag == pb.PAYMENT_FLAG_UNKNOWN_ORDER
    assert (page.payments[1].order_id, page.payments[1].county_code) == ("", "")
    assert page.payments[2].refunded_at.ToSeconds() > 0
    assert ids(await odd(province, outcome=REFUNDED)) == [twice]
    assert ids(await odd(province, flag=pb.PAYMENT_FLAG_SECOND_PAYMENT)) == [twice]
    assert ids(await odd(province, session_code="22.1")) == ["late", twice, "wrong"]
    assert ids(await odd(province, outcome=APPLIED)) == ["late"]
    assert not page.payments[0].HasField("refund")
    walked = [await odd(province, page_size=1)]
    while walked[-1].next_page_token:
        walked.append(await odd(province, page_size=1, page_token=walked[-1].next_page_token))
    assert [each.payments[0].payment_id for each in walked] == ids(page)
    asked = pb.ListOddPaymentsRequest(county_prefix="51", page_token="x")
    assert (await province.refused(asked)).reason == "INVALID_REQUEST"
    asked = pb.ListOddPaymentsRequest(county_prefix="51")
    assert (await county.refused(asked)).reason == "OUT_OF_SCOPE"


async def test_a_refused_refund_is_asked_for_again(running: Installation) -> None:
    """At once, by an officer of its county; the same request twice is one act, and audited."""
    order = await hold(running, 1)
    refund_id = await insert_refused_refund(running.dsn, order.order_id, running.now())
    await plant_payment(running, refund_id, new_id(), 5)
    elsewhere = await running.officer(QINGYANG)
    assert (await elsewhere.refused(again(refund_id))).reason == "OUT_OF_SCOPE"
    officer = new_id()
    county = await running.officer(JINJIANG, officer)
    assert (await county.refused(again(new_id()))).reason == "NOT_FOUND"
    request = again(refund_id)
    action = (await county.call(request)).action
    assert (action.state, action.county_prefix, action.session_code) == (DONE, JINJIANG, "22.1")
    assert action.act.request_refund_again.refund_id == refund_id
    assert (await county.call(request)).action == action
    await until_all_are(running, REFUNDED, refund_id)
    refused = await county.refused(again(refund_id))
    assert (refused.reason, refused.metadata["state"]) == ("REFUND_NOT_REFUSED", "已退款")
    assert await history(running, refund_id) == [
        ("refuse", "payment-platform"),
        ("request_again", officer),
        ("refund", "payment-platform"),
    ]
    wanted = audit.ListOfficeAuditEntriesRequest(action="request_refund_again")
    (entry,) = (await (await running.auditor()).call(wanted)).entries
    assert (entry.actor, entry.county_prefix) == (officer, JINJIANG)
    assert '"refusal": "NOT_FOUND"' in entry.before_json


async def test_under_dual_control_two_officers_ask(running: Installation) -> None:
    """The second one's yes asks the platform; money of no order is the province's alone."""
    await apply_session(running, DUAL)
    refund_id = await insert_refused_refund(running.dsn, None, running.now())
    await plant_payment(running, refund_id, new_id(), 5)
    city = await running.officer("5101")
    assert (await city.refused(again(refund_id))).reason == "OUT_OF_SCOPE"
    first, second_id = await running.officer("51"), new_id()
    action = (await first.call(again(refund_id))).action
    assert (action.state, action.county_prefix) == (PENDING, "51")
    assert await history(running, refund_id) == [("refuse", "payment-platform")]
    assert (await first.refused(decision(action))).reason == "SECOND_OFFICER_NEEDED"
    second = await running.officer("51", second_id)
    assert (await second.call(listing("51", state=PENDING))).actions == [action]
    other = (await second.call(again(refund_id))).action
    assert (await second.call(decision(action))).action.state == DONE
    await until_all_are(running, REFUNDED, refund_id)
    assert (await history(running, refund_id))[1] == ("request_again", second_id)
    refused = await first.refused(decision(other))
    assert refused.reason == "REFUND_NOT_REFUSED"


async def test_what_waits_for_people_is_a_metric(running: Installation) -> None:
    """Refused refunds, those owed for more than an hour, odd payments of a day, pending acts; no
    number, rather than a good one, before the first reading and after one that failed."""
    await apply_session(running, DUAL)
    order = await hold(running, 1)
    ago = {"new": 0, "of this morning": 2, "of last week": 24 * 7}
    for hours in ago.values():
        at = running.now() - timedelta(hours=hours)
        refund_id = await insert_refused_refund(running.dsn, order.order_id, at)
    await (await running.officer(JINJIANG)).call(again(refund_id))
    config = DatabaseConfig(dsn=running.dsn)

    def shown() -> list[float | None]:
        names = (
            "owed_refunds",
            "refused_refunds",
            "long_waiting_refunds",
            "pending_office_acts",
        )
        values = [REGISTRY.get_sample_value(f"zikao_enrollment_{name}") for name in names]
        odd_payments = {"flag": "amount_differs"}
        of_a_day = REGISTRY.get_sample_value("zikao_enrollment_odd_payments", odd_payments)
        return [*values, of_a_day]

    def oldest() -> float | None:
        return REGISTRY.get_sample_value("zikao_enrollment_oldest_refund_seconds")

    unknown = pytest.approx([math.nan] * 5, nan_ok=True)
    async with await Database.connect(config, Queries.load(PACKAGE)) as db:
        worker = BacklogWorker(db, FixedClock(running.now()))
        assert shown() == unknown
        await worker.work()
        assert shown() == [3, 3, 2, 1, 2]
        assert oldest() == pytest.approx(timedelta(days=7).total_seconds(), abs=60)
        await BacklogWorker(db, FixedClock(running.now() + timedelta(days=2))).work()
        assert shown() == [3, 3, 3, 0, 0]
        await running.rows("ALTER TABLE enrollment.office_action RENAME TO away")
        with pytest.raises(asyncpg.UndefinedTableError):
            await worker.work()
        assert shown() == unknown
