"""The desk in trouble: commits in doubt, ids used elsewhere, poison, sessions applied meanwhile."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from support.enrollment_database import (
    NOW,
    candidate,
    enrollment_database,
    until_somebody_waits,
)
from support.enrollment_desks import (
    cancel_entry,
    change_entry,
    entry,
    order_of,
    still_desk,
)
from support.enrollment_sessions import FEE_FEN, small_session
from support.service_databases import MakeDatabase
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao.enrollment.v1 import types_pb2
from zikao_ctl.faults.proxy import CuttingProxy, Moment
from zikao_enrollment.commands.apply_session import apply_session
from zikao_enrollment.domain.allocation import SeatKey
from zikao_enrollment.domain.choices import Choice, Plan
from zikao_enrollment.domain.wishes import Submission
from zikao_enrollment.names import SCHEMA
from zikao_enrollment.seats.desk import Desk, Entry, Taken
from zikao_enrollment.store import Store
from zikao_enrollment.stores.sessions import SessionStore
from zikao_kit.batch_desk import Outdated
from zikao_kit.db import Database, DatabaseUnavailable, Transaction
from zikao_kit.errors import DomainError
from zikao_kit.idempotency import claim, remember

SESSION = small_session(seats=3)


@pytest.fixture
async def dsn(make_database: MakeDatabase) -> str:
    """A ledger of three seats a county and slot, and five candidates."""
    made = await make_database("enrollment")

    async def same(_service: str) -> str:
        return made

    async with enrollment_database(same, SESSION, 5):
        return made


async def held(db: Database) -> set[int]:
    """Held seats of Jinjiang's slots."""
    async with db.read() as tx:
        found = await tx.fetch("list_seats")
    return {row["held"] for row in found if row["county_code"] == "510104"}


def reasons(answers: Sequence[bytes | DomainError]) -> list[str]:
    """ "held", or the reason of each refusal."""
    return [each.reason if isinstance(each, DomainError) else "held" for each in answers]


@pytest.mark.parametrize("moment", [Moment.AFTER, Moment.DURING])
async def test_a_lost_commit_that_happened(dsn: str, moment: Moment) -> None:
    """The answers are the orders that were stored; the refusal is to be asked for again."""
    entries = [entry(1), entry(2), entry(99)]
    async with CuttingProxy(dsn) as proxy, still_desk(proxy.dsn) as (db, _, desk):
        proxy.cut_at_commit(moment)
        answers = await desk.decide(entries)
        assert proxy.cuts == 1
        assert reasons(answers) == ["held", "held", "UNAVAILABLE"]
        assert await held(db) == {2}
        again = await desk.decide(entries)
        assert list(again[:2]) == list(answers[:2])
        assert reasons(again)[2] == "NOT_ELIGIBLE"
        assert await held(db) == {2}


async def test_a_lost_commit_that_did_not_happen(dsn: str) -> None:
    """Everybody is told to come again, nothing is held, and then it is had."""
    entries = [entry(1), entry(2)]
    async with CuttingProxy(dsn) as proxy, still_desk(proxy.dsn) as (db, _, desk):
        proxy.cut_at_commit(Moment.BEFORE)
        assert reasons(await desk.decide(entries)) == ["UNAVAILABLE"] * 2
        assert proxy.cuts == 1
        assert await held(db) == {0}
        assert reasons(await desk.decide(entries)) == ["held", "held"]
        assert await held(db) == {2}


async def test_two_processes_with_the_same_request(dsn: str) -> None:
    """At the same moment, in batches of others: one order, the same answer to both."""
    wish = entry(1)
    async with still_desk(dsn) as (db, _, one), still_desk(dsn) as (_, _, other):
        ours, theirs = await asyncio.gather(
            one.decide([wish, entry(2)]), other.decide([entry(3), wish])
        )
        assert ours[0] == theirs[1]
        assert await held(db) == {3}


async def test_an_id_that_is_used_for_something_else_meanwhile(dsn: str) -> None:
    """The batch waits for the other request, and only the entry with its id is refused."""
    taken = entry(1)
    for batch in ([taken], [entry(2), replace_order(taken), entry(3)]):
        async with still_desk(dsn) as (db, _, desk):
            other = taken.key._replace(method="SavePlan", request_id=uuid4())
            mine = taken._replace(key=taken.key._replace(request_id=other.request_id))
            entries = [mine if each.key == taken.key else each for each in batch]
            async with db.transaction() as tx:
                await claim(tx, SCHEMA, other)
                await remember(tx, SCHEMA, other, enrollment.SavePlanResponse(fee_fen=1))
                deciding = asyncio.create_task(desk.decide(entries))
                await until_somebody_waits(db)
            expected = ["REQUEST_ID_REUSED" if each is mine else "held" for each in entries]
            assert reasons(await deciding) == expected


def replace_order(wish: Entry) -> Entry:
    """The same request, as another process would read it."""
    return wish._replace(wish=wish.wish._replace(order_id=uuid4()))


async def test_poison_fails_alone(dsn: str) -> None:
    """An entry that the database refuses is INTERNAL, the only one of a batch too; others sit."""
    twice = uuid4()
    async with still_desk(dsn) as (db, _, desk):
        await desk.decide([entry(1, order_id=twice)])
        assert reasons(await desk.decide([entry(3, order_id=twice)])) == ["INTERNAL"]
        answers = await desk.decide([entry(2), entry(3, order_id=twice), entry(4)])
        assert reasons(answers) == ["held", "INTERNAL", "held"]
        assert await held(db) == {3}


async def test_a_session_applied_after_the_board_was_read(dsn: str) -> None:
    """The batch is decided by the session as it is: the new fee, and the seats that remain."""
    async with still_desk(dsn) as (db, boards, desk):
        fewer = replace(small_session(seats=1), fee_fen=FEE_FEN + 100)
        async with db.transaction() as tx:
            await apply_session(SessionStore(tx), fewer, dry_run=False, now=NOW)
        answers = await desk.decide([entry(1), entry(2)])
        assert reasons(answers) == ["held", "SOLD_OUT"]
        assert order_of(answers[0]).fee_fen == 2 * (FEE_FEN + 100)
        assert boards.current.require("22.1").version == 2


async def test_orders_of_a_session_that_was_applied_elsewhere_meanwhile(dsn: str) -> None:
    """Whoever has an order changes it or gives it up: its session is looked for, not refused."""
    new = replace(SESSION, code="22.2")
    async with (
        still_desk(dsn) as (db, boards, applying),
        still_desk(dsn) as (_, _, changing),
        still_desk(dsn) as (_, _, cancelling),
        still_desk(dsn) as (_, withdrawing, _),
    ):
        async with db.transaction() as tx:
            await apply_session(SessionStore(tx), new, dry_run=False, now=NOW)
        await boards.refresh()
        wishes = [entry(number)._replace(session_code="22.2") for number in (1, 2, 3)]
        assert reasons(await changing.decide(wishes[2:])) == ["SESSION_UNKNOWN"]
        first, second = map(order_of, await applying.decide(wishes[:2]))
        (changed,) = await changing.decide([change_entry(1, UUID(first.order_id), ("00001",))])
        assert order_of(changed).fee_fen == FEE_FEN
        (given_up,) = await cancelling.decide([cancel_entry(2, UUID(second.order_id))])
        assert order_of(given_up).state == types_pb2.ORDER_STATE_RELEASED
        assert await withdrawing.session_of_orders("22.2") == new


async def test_seats_of_long_ago_are_not_shown(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A board that is older than it may be is UNAVAILABLE; one just read is shown."""
    async with still_desk(dsn) as (_, boards, _):
        assert boards.fresh() is boards.current
        monkeypatch.setattr("zikao_enrollment.views.boards.MAX_AGE_SECONDS", 0.0)
        with pytest.raises(DomainError, match="UNAVAILABLE"):
            boards.fresh()


async def test_sold_out_is_said_without_the_ledger(dsn: str) -> None:
    """Somebody has the full rows locked: the refusal does not wait for them, a claim does."""
    async with still_desk(dsn) as (db, boards, desk):
        await desk.decide([entry(number) for number in (1, 2, 3)])
        await boards.refresh()
        async with db.transaction() as tx:
            await SessionStore(tx).lock_ledger(SESSION.code)
            assert reasons(await desk.decide([entry(4)])) == ["SOLD_OUT"]
            hopeful = asyncio.create_task(desk.decide([entry(5, counties=("510105",))]))
            await until_somebody_waits(db)
            assert not hopeful.done()
        assert reasons(await hopeful) == ["held"]


async def test_an_old_board_refuses_nobody(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All was full when it was read, and a seat is free by now: the ledger is asked, and gives it.

    A board just read is believed.
    """
    async with still_desk(dsn) as (_, boards, desk):
        first, *_ = await desk.decide([entry(number) for number in (1, 2, 3)])
        await boards.refresh()
        await desk.decide([cancel_entry(1, UUID(order_of(first).order_id))])
        assert reasons(await desk.decide([entry(4)])) == ["SOLD_OUT"]
        monkeypatch.setattr("zikao_enrollment.views.boards.MAX_AGE_SECONDS", 0.0)
        assert reasons(await desk.decide([entry(4)])) == ["held"]


async def test_without_a_database_nothing_is_decided(dsn: str) -> None:
    """Every entry of the batch is answered UNAVAILABLE at once, as one error."""
    proxy = CuttingProxy(dsn)
    async with proxy, still_desk(proxy.dsn) as (_, _, desk):
        await proxy.__aexit__(None, None, None)
        with pytest.raises(DatabaseUnavailable):
            await desk.decide([entry(1), entry(2)])


async def test_a_candidate_whom_the_feed_brings_meanwhile(dsn: str) -> None:
    """What is learned by asking never replaces what the feed has brought."""
    async with still_desk(dsn) as (db, _, desk):
        gone = candidate(6)._replace(standing="graduated")
        async with db.transaction() as tx:
            await Store(tx).candidates.save([gone])
        async with db.transaction() as tx:
            await Store(tx).candidates.learn(candidate(6))
        (refused,) = await desk.decide([entry(6)])
        assert isinstance(refused, DomainError)
        assert refused.metadata["standing"] == "graduated"


@pytest.mark.parametrize("spare_seats", [0, 2_000])
async def test_an_answer_of_another_process_is_given_again(dsn: str, spare_seats: int) -> None:
    """Of which the board has not heard yet: with plenty of seats, and where they are counted."""
    wish = entry(1)
    again = wish._replace(wish=wish.wish._replace(order_id=uuid4()))
    reused = entry(1, ("00005",), request_id=wish.key.request_id)
    async with (
        still_desk(dsn, spare_seats=spare_seats) as (_, _, one),
        still_desk(dsn, spare_seats=spare_seats) as (db, boards, other),
    ):
        assert boards.is_fresh()
        (first,) = await one.decide([wish])
        assert wish.key.actor not in boards.answered
        answers = await other.decide([entry(2), again, entry(3)])
        assert reasons(answers) == ["held"] * 3
        assert answers[1] == first
        assert reasons(await other.decide([entry(4), reused])) == ["SOLD_OUT", "REQUEST_ID_REUSED"]
        assert await held(db) == {3}


async def test_who_is_refused_with_a_used_id_costs_others_nothing(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often: a stored answer takes the refusal's place, and the batch is decided once."""
    decided: list[int] = []
    decide_fresh = Desk.decide_fresh

    async def counted(
        self: Desk, tx: Transaction, entries: Sequence[Entry], locked: Taken
    ) -> Sequence[bytes | DomainError]:
        decided.append(len(entries))
        return await decide_fresh(self, tx, entries, locked)

    monkeypatch.setattr(Desk, "decide_fresh", counted)
    wish = entry(5, ("99999",))
    saved = wish.key._replace(method="SavePlan", body_sha256=b"plan")
    async with still_desk(dsn, spare_seats=0) as (db, boards, desk):
        async with db.transaction() as tx:
            assert await claim(tx, SCHEMA, saved) is None
            await remember(tx, SCHEMA, saved, enrollment.SavePlanResponse())
        for number in (1, 2, 3):
            assert boards.is_fresh()
            answers = await desk.decide([entry(number), wish])
            assert reasons(answers) == ["held", "REQUEST_ID_REUSED"]
        assert decided == [2, 2, 2]


async def test_plans_and_choices_of_one_batch(dsn: str) -> None:
    """Each is answered in its own message, with its own order, where there is plenty for all."""
    plan = Plan(Choice(("00001", "00003"), ("510104",)), may_move=False)
    async with still_desk(dsn, spare_seats=0) as (db, _, desk):
        async with db.transaction() as tx:
            await Store(tx).candidates.save_plan("22.1", UUID(int=2), plan, NOW)
        chosen, other = entry(1), entry(3)
        planned = entry(2)
        planned = planned._replace(
            wish=Submission(planned.wish.order_id, planned.wish.candidate_id),
            response_type=enrollment.SubmitPlanResponse,
        )
        answers = await desk.decide([chosen, planned, other])
        assert await held(db) == {3}
    kinds: tuple[Any, ...] = (
        enrollment.SubmitEnrollmentResponse,
        enrollment.SubmitPlanResponse,
        enrollment.SubmitEnrollmentResponse,
    )
    for each, answer, kind in zip((chosen, planned, other), answers, kinds, strict=True):
        assert isinstance(answer, bytes)
        order = kind.FromString(answer).order
        assert order.order_id == str(each.wish.order_id)
        assert order.candidate_id == str(each.wish.candidate_id)


async def test_where_one_row_lacks_seats_none_is_taken(dsn: str) -> None:
    """What is there is told of each row that there is; another that lacks none changes by it."""
    keys = SeatKey("510104", 1), SeatKey("510104", 2)
    absent = SeatKey("519999", 1)
    async with still_desk(dsn) as (db, _, _):
        with pytest.raises(Outdated):
            async with db.transaction() as tx:
                seats = Store(tx).seats
                free = await seats.take("22.1", {keys[0]: 1, keys[1]: 4, absent: 1})
                assert free == dict.fromkeys(keys, 3)
                left = await seats.lock("22.1", keys)
                assert left == {keys[0]: 2, keys[1]: 3}
                raise Outdated
        assert await held(db) == {0}
