"""What a rehearsal of faults finds wrong: each check finds what it is for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from uuid import UUID, uuid4

import asyncpg
import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from support.service_databases import MakeDatabase
from zikao.enrollment.v1 import types_pb2 as types
from zikao_ctl.faults.books import wrong_money, wrong_orders
from zikao_ctl.faults.load import Known, Person
from zikao_ctl.faults.witness import Act, Outcome, Resolution, Witness
from zikao_kit.convert import time_to_pb
from zikao_sandbox.payment_store import PAID, Payment, PaymentOrder, PaymentStore, Refund

ACTOR = str(UUID(int=1))
STORE = """INSERT INTO enrollment.idempotency (actor, request_id, method, body_sha256, response)
VALUES ($1, $2, 'test', '', $3)"""
ORDER = """INSERT INTO enrollment.enrollment_order (order_id, session_code, candidate_id,
    county_code, slots, course_codes, state, fee_fen, held_until, created_at)
VALUES ($1, '22.1', $2, '510104', '{1}', '{00001}', $3, 3500, $4, $4)"""
PAYMENT_ORDER = """INSERT INTO enrollment.payment_order
    (payment_order_id, order_id, amount_fen, payment_code, state, opened_at)
VALUES ($1, $2, 3500, '1', 'closed', now())"""
PAYMENT = """INSERT INTO enrollment.payment (payment_id, order_id, amount_fen, paid_at,
    received_at, disposition, payment_order_id)
VALUES ($1, $2, 3500, now(), now(), 'applied', $3)"""
HELD_UNTIL = datetime(2022, 3, 1, tzinfo=UTC)
BEFORE, AFTER = HELD_UNTIL - timedelta(minutes=1), HELD_UNTIL


def failure(code: grpc.StatusCode, reason: str = "") -> grpc.aio.AioRpcError:
    """What a call ends with: for a reason of the service, or with the connection."""
    status = status_pb2.Status(code=code.value[0])
    if reason:
        status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason))
    details = grpc.aio.Metadata(("grpc-status-details-bin", status.SerializeToString()))
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), details, "", None)


UNAVAILABLE = failure(grpc.StatusCode.UNAVAILABLE)
INTERNAL = failure(grpc.StatusCode.INTERNAL, "INTERNAL")
DENIED = failure(grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED")


@pytest.fixture
async def database(make_database: MakeDatabase) -> AsyncIterator[asyncpg.Connection]:
    """Enrollment's tables."""
    connection = await asyncpg.connect(await make_database("enrollment"))
    yield connection
    await connection.close()


def answering(*answers: bytes | grpc.aio.AioRpcError) -> Callable[[], Awaitable[bytes]]:
    """A call that has these ends one after the other, the last for ever."""
    left = list(answers)

    async def send() -> bytes:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, bytes):
            return answer
        raise answer

    return send


def act(*answers: bytes | grpc.aio.AioRpcError) -> Act:
    """A mutation that is answered so."""
    return Act("CancelOrder", ACTOR, uuid4(), answering(*answers), owner=None, request=None)


async def store(database: asyncpg.Connection, done: Act, answer: bytes) -> None:
    """Have the answer to an act stored, as the service does."""
    await database.execute(STORE, ACTOR, done.request_id, answer)


async def test_an_answer_must_be_stored(database: asyncpg.Connection) -> None:
    """What was acknowledged and is not in the database is found, and so is another answer."""
    witness = Witness()
    kept, lost, changed = act(b"kept"), act(b"lost"), act(b"given")
    for each in (kept, lost, changed):
        assert await witness.attempt(each) is Outcome.ACKNOWLEDGED
    await store(database, kept, b"kept")
    await store(database, changed, b"another")
    await witness.check(database)
    assert witness.violations == [
        f"CancelOrder {lost.request_id} was answered and is lost",
        f"CancelOrder {changed.request_id} was answered otherwise",
    ]
    witness.violations.clear()
    await witness.check(database)
    assert witness.violations == [], "each is looked for once"
    await witness.check(database, everything=True)
    assert len(witness.violations) == 2


async def test_doubt_comes_to_an_end(database: asyncpg.Connection) -> None:
    """A doubtful call is told what it did, does it now, or is refused; anything else is wrong."""
    witness = Witness()
    happened, repeated = act(UNAVAILABLE, b"done"), act(UNAVAILABLE, UNAVAILABLE, b"now")
    refused, forgotten = act(UNAVAILABLE, DENIED), act(UNAVAILABLE, DENIED)
    otherwise, never = act(UNAVAILABLE, b"another"), act(UNAVAILABLE)
    acts = [happened, repeated, refused, forgotten, otherwise, never]
    for each in acts:
        assert await witness.attempt(each) is Outcome.DOUBTFUL
    for each in (happened, forgotten, otherwise):
        await store(database, each, b"done")
    assert await witness.settle(database, seconds=0.5) == acts
    assert witness.resolutions == {
        Resolution.HAPPENED: 2,
        Resolution.REPEATED: 1,
        Resolution.REFUSED: 2,
    }
    assert witness.violations == [
        f"CancelOrder {forgotten.request_id} had happened and is refused: PERMISSION_DENIED",
        f"CancelOrder {otherwise.request_id} is answered differently again",
        f"CancelOrder {never.request_id} stays in doubt",
    ]
    assert witness.doubtful == []


async def test_an_unexpected_error_is_a_violation() -> None:
    """No fault is an excuse for INTERNAL."""
    witness = Witness()
    failed = act(INTERNAL)
    assert await witness.attempt(failed) is Outcome.DOUBTFUL
    assert witness.violations == [f"CancelOrder {failed.request_id} failed: INTERNAL"]


def told(state: types.OrderState.ValueType, *, paid: bool = False) -> Person:
    """A candidate who was told of an order that it stands so."""
    order_id = str(uuid4())
    order = types.Order(
        order_id=order_id,
        county_code="510104",
        courses=[types.OrderCourse(course_code="00001", slot=1)],
        state=state,
        held_until=time_to_pb(HELD_UNTIL),
    )
    person = Person(UUID(int=Random(order_id).getrandbits(128)))
    person.orders[order_id] = Known(order, paid=paid)
    return person


@pytest.mark.parametrize(
    ("was_told", "stands", "now", "is_wrong"),
    [
        (types.ORDER_STATE_HELD, "held", BEFORE, False),
        (types.ORDER_STATE_HELD, "paying", BEFORE, False),
        (types.ORDER_STATE_HELD, "released", BEFORE, True),
        (types.ORDER_STATE_HELD, "released", AFTER, False),
        (types.ORDER_STATE_HELD, "confirmed", AFTER, True),
        (types.ORDER_STATE_RELEASED, "held", BEFORE, True),
        (types.ORDER_STATE_CLOSING, "released", BEFORE, False),
        (types.ORDER_STATE_CONFIRMED, "released", AFTER, True),
        (types.ORDER_STATE_HELD, "", BEFORE, True),
    ],
)
async def test_orders_stand_as_their_candidates_were_told(
    was_told: types.OrderState.ValueType,
    stands: str,
    now: datetime,
    is_wrong: bool,
    database: asyncpg.Connection,
) -> None:
    """Seats that were acknowledged are there, until they end or their candidate gives them back."""
    person = told(was_told)
    (order_id,) = person.orders
    if stands:
        await database.execute(ORDER, UUID(order_id), person.candidate_id, stands, HELD_UNTIL)
    assert bool(await wrong_orders(database, [person], now)) == is_wrong
    person.busy = True
    assert await wrong_orders(database, [person], now) == [], "it may be changing now"


async def test_an_order_is_what_was_acknowledged(database: asyncpg.Connection) -> None:
    """Another county or other courses are found."""
    person = told(types.ORDER_STATE_HELD)
    (known,) = person.orders.values()
    order_id = known.order.order_id
    await database.execute(ORDER, UUID(order_id), person.candidate_id, "held", HELD_UNTIL)
    known.order.county_code = "510107"
    (wrong,) = await wrong_orders(database, [person], BEFORE)
    assert wrong.startswith(f"order {order_id}: has 510104")
    known.paid = True
    assert await wrong_orders(database, [person], BEFORE) == [], "a late payment may have moved it"


async def test_nobody_has_an_order_without_being_told(database: asyncpg.Connection) -> None:
    """Seats that were taken by a call that is refused in the end are found, also when released."""
    person = Person(UUID(int=1))
    for order_id, state in ((uuid4(), "held"), (uuid4(), "released")):
        await database.execute(ORDER, order_id, person.candidate_id, state, HELD_UNTIL)
        wrong = await wrong_orders(database, [person], BEFORE)
        assert any(f"order {order_id}: is {state}, and no call" in each for each in wrong)
    person.in_doubt = True
    assert await wrong_orders(database, [person], BEFORE) == [], "it may come to be answered"


async def test_money_is_what_the_platform_has(database: asyncpg.Connection, tmp_path: Path) -> None:
    """A payment that is not booked, and one that was kept for nothing, are found."""
    ledger, order_id, at_platform = tmp_path / "payment.sqlite", uuid4(), uuid4()
    await database.execute(ORDER, order_id, UUID(int=1), "confirmed", HELD_UNTIL)
    await database.execute(PAYMENT_ORDER, at_platform, order_id)
    with closing(PaymentStore(ledger)) as platform:
        platform.insert_order(PaymentOrder(str(at_platform), "1", 3500, HELD_UNTIL, PAID))
        platform.insert_payment(Payment("P1", str(at_platform), 3500, BEFORE))
        assert await wrong_money(database, ledger, {"P1": 3500}) == [
            "payment P1 of 3500 fen is not booked"
        ]
        await database.execute(PAYMENT, "P1", order_id, at_platform)
        assert await wrong_money(database, ledger, {"P1": 3500}) == []
        platform.insert_payment(Payment("P2", str(at_platform), 3500, BEFORE))
        assert await wrong_money(database, ledger, {"P1": 3500}) == [
            f"order {order_id} costs 3500 fen, and 7000 were kept"
        ]
        platform.insert_refund(Refund("R", "P2", 3500, AFTER))
        assert await wrong_money(database, ledger, {"P1": 3500}) == []
