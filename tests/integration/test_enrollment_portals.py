"""A portal's stream of submissions over mutual TLS: each is judged and answered by itself."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.rpc import code_pb2
from prometheus_client import REGISTRY
from support.clocks import FixedClock
from support.enrollment_people import (
    JINJIANG,
    QINGYANG,
    candidate_id,
    choice,
    open_enrollment,
    orders,
    plan,
    plan_submission,
    seats,
    submission,
)
from support.enrollment_portals import for_candidate, id_in, portal_stream, reasons
from support.enrollment_service import KEY_ID, Installation
from support.enrollment_sessions import small_session
from support.garbage import left_to_the_collector
from support.service import TIMEOUT_SECONDS, new_id, until
from support.service_databases import MakeDatabase
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao.enrollment.v1 import portal_service_pb2 as portal
from zikao_enrollment.seats.submitting import Submitting
from zikao_kit.error_table import problem_of, reason_of
from zikao_kit.errors import DomainError
from zikao_kit.tokens import TokenIssuer

SEATS = 30
LIMIT = 200


@pytest.fixture
async def running(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[Installation]:
    """Thirty seats a county and slot, sixty candidates, registration away."""
    session = small_session(SEATS)
    async with open_enrollment(make_database, tmp_path, session=session, candidates=60) as found:
        yield found


async def test_many_candidates_over_one_stream(running: Installation) -> None:
    """Sixty in three messages: thirty have seats, thirty learn what is full; then it ends well."""
    wishes = [for_candidate(running, number) for number in range(1, 61)]
    async with portal_stream(running) as stream:
        for begin in range(0, 60, 20):
            await stream.send(*wishes[begin : begin + 20])
        found = await stream.results(60)
        assert await stream.end() is grpc.StatusCode.OK
    held = [each for each in found.values() if each.HasField("enrollment")]
    full = [each.error for each in found.values() if each.HasField("error")]
    assert (len(held), len(full)) == (SEATS, SEATS)
    assert await seats(running) == {(SEATS, 0)}
    assert {each.enrollment.order.county_code for each in held} == {JINJIANG}
    for error in full:
        assert (error.code, error.reason) == (code_pb2.RESOURCE_EXHAUSTED, "SOLD_OUT")
        assert error.metadata["full"] == "510104:1,2"
        assert error.message_zh == "所选区县考位已满：锦江区第1、2场"


async def test_refused_ones_leave_nothing_to_the_collector(running: Installation) -> None:
    """Nobody who is refused at the door is in a circle of answer and error."""
    wishes = [for_candidate(running, number, token="nonsense") for number in range(1, 21)]
    with left_to_the_collector(DomainError) as left:
        async with portal_stream(running) as stream:
            await stream.send(*wishes)
            found = await stream.results(len(wishes))
            assert set(reasons(found.values())) == {"TOKEN_INVALID"}
            assert await stream.end() is grpc.StatusCode.OK
    # Others are of work in the background, which is refused now and then.
    assert [error for error in left if error.reason == "TOKEN_INVALID"] == []


async def test_what_is_sent_before_closing_is_answered(running: Installation) -> None:
    """A portal that closes its side at once gets all its answers, then OK."""
    wishes = [for_candidate(running, number) for number in range(1, 21)]
    async with portal_stream(running) as stream:
        await stream.send(*wishes)
        await stream.call.done_writing()
        assert set(reasons((await stream.results(20)).values())) == {"held"}
        assert await stream.end() is grpc.StatusCode.OK


async def test_stream_and_call_give_one_answer(running: Installation) -> None:
    """The same request of the same candidate by either way has its effect once."""
    person, request = await running.candidate(1), submission()
    await person.call(saved := plan())
    async with portal_stream(running) as stream:
        (streamed,) = await stream.ask(for_candidate(running, 1, request))
        assert (await person.call(request)).order == streamed.enrollment.order
        second = await running.candidate(2)
        first = (await second.call(called := submission())).order
        (again,) = await stream.ask(for_candidate(running, 2, called))
        assert again.enrollment.order == first
        other = submission(("00001",), request_id=request.request_id)
        assert reasons(await stream.ask(for_candidate(running, 1, other))) == ["REQUEST_ID_REUSED"]
        assert reasons(await stream.ask(for_candidate(running, 1))) == ["ALREADY_ENROLLED"]
    assert saved.choice == choice()
    assert await seats(running) == {(2, 0)}


async def test_a_plan_is_submitted(running: Installation) -> None:
    """With the county that the candidate liked best; nobody's plan is nobody else's."""
    person = await running.candidate(1)
    await person.call(plan(counties=(QINGYANG, JINJIANG)))
    wishes = [for_candidate(running, number, plan_submission()) for number in (1, 2)]
    async with portal_stream(running) as stream:
        planned, planless = await stream.ask(*wishes)
    assert planned.plan.order.county_code == QINGYANG
    assert planless.error.reason == "PLAN_MISSING"
    assert [order.order_id for order in await orders(running, 1)] == [planned.plan.order.order_id]


async def test_bad_ones_fail_alone(running: Installation) -> None:
    """Every kind of bad submission is answered with what is wrong; good ones beside it sit."""
    expired = running.token(candidate_id(5), age=timedelta(hours=1))
    officer = running.token(candidate_id(6), role="county_officer")
    clock, stranger = FixedClock(running.now()), Ed25519PrivateKey.generate()
    forged = TokenIssuer(KEY_ID, stranger, clock, timedelta(hours=1)).issue("x", "candidate").token
    bad = [
        (for_candidate(running, 3, token="nonsense"), "TOKEN_INVALID"),
        (for_candidate(running, 4, token=running.token(candidate_id(4))[:-8]), "TOKEN_INVALID"),
        (for_candidate(running, 16, token=forged), "TOKEN_INVALID"),
        (for_candidate(running, 5, token=expired), "TOKEN_EXPIRED"),
        (for_candidate(running, 6, token=officer), "PERMISSION_DENIED"),
        (for_candidate(running, 7, token=""), "INVALID_REQUEST"),
        (for_candidate(running, 8, submission(request_id="7")), "INVALID_REQUEST"),
        (for_candidate(running, 9, submission(request_id="7" * 400)), "INVALID_REQUEST"),
        (for_candidate(running, 10, submission(("1",))), "INVALID_REQUEST"),
        (for_candidate(running, 11, submission(session_code="22\x00")), "INVALID_REQUEST"),
        (for_candidate(running, 12, submission(session_code="99.1")), "SESSION_UNKNOWN"),
        (for_candidate(running, 13, submission(("99999",))), "COURSE_UNAVAILABLE"),
        (for_candidate(running, 14, submission(("00001", "00002"))), "SLOT_CONFLICT"),
        (portal.Submission(access_token=running.token(candidate_id(15))), "INVALID_REQUEST"),
    ]
    good = [for_candidate(running, number) for number in (1, 2)]
    async with portal_stream(running) as stream:
        await stream.send(good[0], *(each for each, _ in bad), good[1])
        found = await stream.results(len(bad) + 2)
        assert await stream.end() is grpc.StatusCode.OK
    assert reasons(found[id_in(each)] for each in good) == ["held", "held"]
    for each, reason in bad:
        request_id = id_in(each)[:36] if each.WhichOneof("request") else ""
        assert found[request_id].error.reason == reason, each
    (problem,) = found["7"].error.problems
    assert (problem.field, problem.description) == ("enrollment.request_id", "必须是UUID")
    assert await seats(running) == {(2, 0)}


async def make_familiar(running: Installation, *tokens: str) -> None:
    """Let a portal have shown these tokens, and a choice that many will make."""
    async with portal_stream(running) as stream:
        seen = [for_candidate(running, 1, submission(session_code="99.1"), each) for each in tokens]
        await stream.ask(*seen)
        (held,) = await stream.ask(for_candidate(running, 60))
    assert held.HasField("enrollment")


async def test_what_is_familiar_is_judged_as_ever(running: Installation) -> None:
    """Of submissions in which all but the id was seen before each is still looked at."""
    tokens = {number: running.token(candidate_id(number)) for number in range(1, 12)}
    officer = running.token(candidate_id(5), role="county_officer")
    restricted = running.token(candidate_id(12), restricted=True)
    foreign = running.token(candidate_id(13), party="another-portal")
    await make_familiar(running, *tokens.values(), officer, restricted, foreign)

    def wish(number: int, request_id: str = "", token: str = "") -> portal.Submission:
        request = submission(request_id=request_id) if request_id else submission()
        return for_candidate(running, number, request, token or tokens[number])

    loud, even, odd, other = (new_id() for _ in range(4))
    late = wish(9)
    late.admission_pass = "x" * 200
    cases = [
        (wish(1), "held"),
        (wish(2, loud.upper()), "held"),
        (wish(3, even.replace("-", "0")), "INVALID_REQUEST"),
        (wish(4, odd[:9] + "-" + odd[10:]), "INVALID_REQUEST"),
        (wish(5, token=officer), "PERMISSION_DENIED"),
        (wish(6, other[:-1] + "x"), "INVALID_REQUEST"),
        (wish(7, token=tokens[7] + "x"), "TOKEN_INVALID"),
        (wish(8, token="中" + tokens[8]), "TOKEN_INVALID"),
        (late, "INVALID_REQUEST"),
        (wish(10, odd + "7"), "INVALID_REQUEST"),
        (wish(11), "held"),
        (wish(12, token=restricted), "PERMISSION_DENIED"),
        (wish(13, token=foreign), "TOKEN_INVALID"),
    ]
    async with portal_stream(running) as stream:
        await stream.send(*(each for each, _ in cases))
        found = await stream.results(len(cases))
        assert await stream.end() is grpc.StatusCode.OK
    told = {id_in(each)[:36]: reason for each, reason in cases}
    assert {id_: each.error.reason or "held" for id_, each in found.items()} == told
    assert await seats(running) == {(4, 0)}


async def test_a_familiar_submission_and_a_call_give_one_answer(running: Installation) -> None:
    """Their keys are the same, whichever comes first, also with an id in capitals."""
    tokens = {number: running.token(candidate_id(number)) for number in (1, 2)}
    await make_familiar(running, *tokens.values())
    streamed, called = submission(request_id=new_id().upper()), submission()
    async with portal_stream(running) as stream:
        (first,) = await stream.ask(for_candidate(running, 1, streamed, tokens[1]))
        again = await (await running.candidate(1)).call(streamed)
        assert again.order == first.enrollment.order
        before = await (await running.candidate(2)).call(called)
        (after,) = await stream.ask(for_candidate(running, 2, called, tokens[2]))
        assert after.enrollment.order == before.order
    assert await seats(running) == {(3, 0)}


async def test_a_familiar_token_ends(running: Installation) -> None:
    """Its life is looked at each time, whoever remembers its signature."""
    token = running.token(candidate_id(1), age=timedelta(minutes=1))
    await make_familiar(running, token)
    await running.move_clock(running.now() + timedelta(minutes=30))
    async with portal_stream(running) as stream:
        wishes = [for_candidate(running, 1, token=token), for_candidate(running, 2)]
        assert reasons(await stream.ask(*wishes)) == ["TOKEN_EXPIRED", "held"]


async def test_ids_that_are_there_twice(running: Installation) -> None:
    """In one message: the same request has one answer, another with its id is refused."""
    first, second = (running.token(candidate_id(number)) for number in (1, 2))
    await make_familiar(running, first, second)
    request = submission()
    other = submission(("00001",), request_id=request.request_id)
    message = portal.SubmitEnrollmentsRequest(
        submissions=[
            for_candidate(running, 1, request, first),
            for_candidate(running, 1, request, first),
            for_candidate(running, 1, other, first),
            for_candidate(running, 2, token=second),
        ]
    )
    async with portal_stream(running) as stream:
        await stream.call.write(message)
        await stream.call.done_writing()
        results = [result async for answer in stream.call for result in answer.results]
    assert len(results) == 4
    same = [each for each in results if each.request_id == request.request_id]
    assert sorted(reasons(same)) == ["REQUEST_ID_REUSED", "held", "held"]
    assert len({each.enrollment.order.order_id for each in same if not each.error.reason}) == 1
    assert await seats(running) == {(3, 0)}


async def test_who_is_not_known_is_asked_for_among_others(running: Installation) -> None:
    """Registration is away: that one alone waits for it, and is to come again."""
    tokens = {number: running.token(candidate_id(number)) for number in (1, 77, 2)}
    await make_familiar(running, *tokens.values())
    async with portal_stream(running) as stream:
        wishes = [for_candidate(running, number, token=each) for number, each in tokens.items()]
        assert reasons(await stream.ask(*wishes)) == ["held", "UNAVAILABLE", "held"]
        assert await stream.end() is grpc.StatusCode.OK


async def test_a_message_that_is_none_ends_the_stream(running: Installation) -> None:
    """Without submissions, or with too many, nobody can be answered: the stream ends, all else is.

    What was accepted before is answered first.
    """
    many = [for_candidate(running, 2)] * 201
    for wrong in ([], many):
        async with portal_stream(running) as stream:
            await stream.send(for_candidate(running, 1))
            await stream.send(*wrong)
            assert len(await stream.results(1)) == 1
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stream.results(1)
            assert reason_of(caught.value) == "INVALID_REQUEST"
            assert problem_of(caught.value).metadata["message_index"] == "1"


async def test_a_fault_of_ours_ends_the_stream(
    running: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a hang: what was entered before is there, and the portal may begin again."""
    tokens = [running.token(candidate_id(number)) for number in (1, 2)]
    await make_familiar(running, *tokens)
    wishes = [for_candidate(running, at + 1, token=token) for at, token in enumerate(tokens)]
    async with portal_stream(running) as stream:
        assert reasons(await stream.ask(wishes[0])) == ["held"]
        monkeypatch.setattr(Submitting, "enter_together", _fail)
        await stream.send(wishes[1])
        async with asyncio.timeout(TIMEOUT_SECONDS):
            assert await stream.call.code() is grpc.StatusCode.INTERNAL
    monkeypatch.undo()
    async with portal_stream(running) as stream:
        assert reasons(await stream.ask(*wishes)) == ["held", "held"]


def _fail(*_: object) -> bool:
    raise RuntimeError("a fault that no submission is to blame for")


async def test_a_token_of_another_system_is_refused(running: Installation) -> None:
    """A token that was issued through one system is worth nothing in the hands of another."""
    own = running.token(candidate_id(1), party="portal")
    foreign = running.token(candidate_id(1), party="another-portal")
    async with portal_stream(running) as stream:
        results = [
            (await stream.ask(for_candidate(running, 1, token=token)))[0]
            for token in (foreign, own, foreign)
        ]
    assert reasons(results) == ["TOKEN_INVALID", "held", "TOKEN_INVALID"]
    copied = await running.caller("scanner", token=own)
    listed = enrollment.ListOrdersRequest(session_code="22.1")
    assert (await copied.refused(listed)).reason == "TOKEN_INVALID"
    assert len((await (await running.caller("portal", token=own)).call(listed)).orders) == 1


def accepted() -> float:
    """Submissions that have been taken into a batch or wait for one, in this process."""
    names = ("zikao_enrollment_batch_size_sum", "zikao_enrollment_waiting_submissions")
    return sum(REGISTRY.get_sample_value(name) or 0.0 for name in names)


async def test_no_more_is_taken_than_may_be_under_way(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    """While nothing can be answered the server reads up to its limit; then everybody is served."""
    session, people = small_session(seats=700), range(1, 701)
    async with open_enrollment(
        make_database, tmp_path, session=session, candidates=700, stream_submissions=LIMIT
    ) as running:
        wishes = [for_candidate(running, number) for number in people]
        others = await asyncpg.connect(running.dsn)
        async with portal_stream(running) as stream:

            async def send() -> None:
                for begin in range(0, len(wishes), 50):
                    await stream.send(*wishes[begin : begin + 50])

            before = accepted()
            async with others.transaction():
                await others.execute("SELECT FROM enrollment.seat_ledger FOR UPDATE")
                # What is not read finds no room soon, and its sender waits.
                sending = asyncio.create_task(send())
                await until(lambda: accepted() - before >= LIMIT)
                await asyncio.sleep(0.2)
                assert accepted() - before == LIMIT
            found = await stream.results(len(wishes))
            await sending
            assert set(reasons(found.values())) == {"held"}
            assert await stream.end() is grpc.StatusCode.OK
        await others.close()
        assert await seats(running) == {(len(wishes), 0)}


async def test_a_stopping_server_ends_streams(running: Installation) -> None:
    """With UNAVAILABLE, at once; the same request ids are answered after the restart."""
    wish = for_candidate(running, 1)
    async with portal_stream(running) as stream:
        (before,) = await stream.ask(wish)
        await running.enrollment.stop()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stream.results(1)
        assert reason_of(caught.value) == "UNAVAILABLE"
    running.enrollment.start()
    await running.until_serving(running.enrollment)
    async with portal_stream(running) as stream:
        assert await stream.ask(wish) == [before]
