"""What methods refuse with alike: full, without a database, an id twice, what there is not."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp
from support.authorisation import Someone, methods_of, reason_from, short_name
from support.contracts import errors_stated
from support.enrollment_money_rows import insert_refused_refund
from support.enrollment_offices import again, capacities, closing, decision, opening
from support.enrollment_people import (
    JINJIANG,
    NOON,
    QINGYANG,
    application,
    apply_session,
    cancellation,
    change,
    choice,
    hold,
    open_enrollment,
    paid,
    payment_request,
    plan,
    plan_submission,
    submission,
)
from support.enrollment_portals import for_candidate, portal_stream, reasons
from support.enrollment_reconciliation import confirmation, plant_difference, resolution
from support.enrollment_rooms import session_with_room, until_opened
from support.enrollment_service import Installation
from support.enrollment_sessions import small_session
from support.place_streams import places_stream
from support.refusals import note
from support.service import Caller, new_id, until
from support.service_databases import MakeDatabase
from zikao.enrollment.v1 import availability_service_pb2 as availability
from zikao.enrollment.v1 import enrollment_feed_service_pb2 as feed
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao.enrollment.v1 import place_stream_service_pb2 as places
from zikao.enrollment.v1 import reconciliation_service_pb2 as reconciliation
from zikao.enrollment.v1 import roster_service_pb2 as rosters
from zikao.enrollment.v1 import statistics_service_pb2 as statistics
from zikao.enrollment.v1 import waiting_room_service_pb2 as rooms
from zikao_ctl.faults.proxy import CuttingProxy
from zikao_enrollment.domain.timetable import Policies
from zikao_enrollment.views.boards import MAX_AGE_SECONDS
from zikao_kit.errors import (
    NOT_FOUND,
    OVERLOADED,
    REQUEST_ID_REUSED,
    SESSION_UNKNOWN,
    UNAVAILABLE,
)
from zikao_kit.policy import MethodPolicy

METHODS = (
    *methods_of("zikao.enrollment.v1"),
    *methods_of("zikao.payment.v1.PaymentNotificationService"),
)
# One call at a time, and nobody waits.
FULL: Mapping[str, int] = {
    "max_concurrent_calls": 1,
    "max_queue_depth": 0,
    "payment_slots": 0,
    "max_subscriptions": 0,
    "max_public_subscriptions": 0,
}


def listing(reason: str) -> list[MethodDescriptor]:
    """Methods that may refuse for this reason."""
    stated = errors_stated()
    return [each for each in METHODS if reason in (stated[each.full_name] or ())]


async def test_a_full_server_sends_everybody_away(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    """Every method that says so answers OVERLOADED, whatever it is asked, until there is room."""
    async with open_enrollment(make_database, tmp_path) as running:
        running.limits = dict(FULL)
        await running.enrollment.stop()
        running.enrollment.start()
        await running.until_serving(running.enrollment)
        others = await asyncpg.connect(running.dsn)
        async with others.transaction():
            await others.execute("SELECT FROM enrollment.seat_ledger FOR UPDATE")
            call = (await running.candidate(1)).start(submission(), timeout=20)
            await until(lambda: _is_waiting(running))
            told = {short_name(each): await _asked(running, each) for each in listing(OVERLOADED)}
        await others.close()
        assert told == dict.fromkeys(map(short_name, listing(OVERLOADED)), OVERLOADED)
        assert (await call).order.county_code == JINJIANG


async def _is_waiting(running: Installation) -> bool:
    """Whether somebody waits for a lock of the ledger."""
    rows = await running.rows(
        "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        " AND datname = current_database()"
    )
    return bool(rows)


async def _asked(running: Installation, method: MethodDescriptor) -> str:
    """What somebody is told who may ask, and asks for nothing in particular."""
    policy = MethodPolicy.of(method)
    name = min(policy.services, default="portal")
    caller = await running.caller(name)
    if policy.roles and not policy.services:  # a stranger hears of that before the queue
        caller = caller.with_token(running.token(new_id(), min(policy.roles)))
    someone = Someone(name, caller)
    reason = await reason_from(someone, method, GetMessageClass(method.input_type)())
    note(method, reason)
    return reason


@asynccontextmanager
async def losing_its_database(
    make_database: MakeDatabase, folder: Path
) -> AsyncIterator[tuple[Installation, AsyncExitStack]]:
    """A service whose database goes away when the stack is closed."""
    dsn = await make_database("enrollment")
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(CuttingProxy(dsn))

        async def through(_: str) -> str:
            return proxy.dsn

        async with open_enrollment(through, folder, candidates=2) as running:
            yield running, stack


async def test_without_its_database_the_service_says_so(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    """Every method that says so answers UNAVAILABLE, and what has been read a second ago is old."""
    async with losing_its_database(make_database, tmp_path) as (running, stack):
        order = await hold(running, 1)
        await apply_session(running, session_with_room(code="22.2"))
        await until_opened(running)
        person, portal = await running.candidate(1), await running.caller("portal")
        platform, reader = [
            await running.caller(name) for name in ("payment-platform", "roster-reader")
        ]
        operator, tickets = await running.operator(), await running.caller("tickets")
        async with portal_stream(running) as stream:
            await stream.ask(for_candidate(running, 2, submission(("00001",))))
            await stack.aclose()
            looking = enrollment.GetAvailabilityRequest(session_code="22.1")
            await until(lambda: _is_refused(portal, looking), seconds=5 * MAX_AGE_SECONDS)
            asked: list[tuple[Caller, Any]] = [
                (portal, looking),
                (portal, availability.WatchAvailabilityRequest(session_code="22.1")),
                (person, places.WatchPlaceRequest(session_code="22.1")),
                (tickets, feed.WatchEnrollmentsRequest()),
                (person, plan(("00001",))),
                (person, plan_submission()),
                (person, submission()),
                (person, rooms.JoinWaitingRoomRequest(session_code="22.2")),
                (person, rooms.GetPlaceRequest(session_code="22.2")),
                (person, payment_request(order)),
                (person, change(order)),
                (person, cancellation(order)),
                (platform, paid("P1", new_id(), 1, NOON)),
                (reader, rosters.StreamRosterRequest(session_code="22.1")),
                (reader, rosters.ExportRosterRequest(session_code="22.1")),
                (operator, _statistics(statistics.GetStatisticsRequest)),
                (operator, _statistics(statistics.ExportStatisticsRequest)),
            ]
            told = {}
            for caller, request in asked:
                told[type(request).__name__] = (await caller.refused(request)).reason
            assert set(told.items()) == {(name, UNAVAILABLE) for name in told}
            wish = for_candidate(running, 2, submission(("00003",)))
            assert reasons(await stream.ask(wish)) == [UNAVAILABLE]
            async with places_stream(running) as watching:
                await watching.call.done_writing()
                assert await watching.reason() == UNAVAILABLE
        told |= dict.fromkeys(("SubmitEnrollmentsRequest", "WatchPlacesRequest"), UNAVAILABLE)
        assert set(told) == {each.input_type.name for each in listing(UNAVAILABLE)}


async def _is_refused(caller: Caller, request: Any) -> bool:
    try:
        await caller.call(request)
    except grpc.aio.AioRpcError:
        return True
    return False


def _statistics(kind: Any) -> Any:
    return kind(session_code="22.1", grouping=statistics.STATISTICS_GROUPING_COUNTY)


async def require_reused(caller: Caller, request: Any, **others: Any) -> Any:
    """Do it, and see that the same id with `others` in its body is refused; the answer."""
    answer = await caller.call(request)
    changed = type(request)()
    changed.CopyFrom(request)
    for name, value in others.items():
        changed.ClearField(name)
        changed.MergeFrom(type(request)(**{name: value}))
    assert (await caller.refused(changed)).reason == REQUEST_ID_REUSED
    return answer


@pytest.fixture
async def running(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[Installation]:
    """A session with dual control."""
    session = replace(small_session(seats=5), policies=Policies(dual_control=True))
    async with open_enrollment(make_database, tmp_path, session=session) as found:
        yield found


async def test_a_request_id_is_one_candidates_request(running: Installation) -> None:
    """The same id with another body is refused, by each of a candidate's methods."""
    first, second = await running.candidate(1), await running.candidate(2)
    await require_reused(first, plan(), may_move_on_late_payment=True)
    order = (await require_reused(first, plan_submission(), session_code="99.1")).order
    other = (await require_reused(second, submission(), choice=choice(("00002",)))).order
    await require_reused(first, payment_request(order), order_id=other.order_id)
    await require_reused(
        second, change(other, counties=(QINGYANG,)), choice=choice(("00002",), (QINGYANG,))
    )
    await require_reused(second, cancellation(other), order_id=order.order_id)
    async with portal_stream(running) as stream:
        request = submission()
        assert reasons(await stream.ask(for_candidate(running, 3, request))) == ["held"]
        request.choice.county_codes.append(QINGYANG)
        again = await stream.ask(for_candidate(running, 3, request))
        assert reasons(again) == [REQUEST_ID_REUSED]


async def test_a_request_id_is_one_offices_request(running: Installation) -> None:
    """The same id with another body is refused, by each method of offices and the operator."""
    city, province = await running.officer("5101"), await running.officer("51")
    await require_reused(city, capacities((JINJIANG, 1, 5), prefix="5101"), county_prefix=JINJIANG)
    closed = await require_reused(city, closing("5101"), reason="另一原因")
    await require_reused(province, decision(closed.action), action_id=new_id())
    await require_reused(city, opening("5101"), county_prefix=JINJIANG)
    refund_id = await insert_refused_refund(running.dsn, None, running.now())
    await require_reused(province, again(refund_id), refund_id=new_id())
    word = resolution(await plant_difference(running))
    proposed = (await require_reused(city, word, reason="另一原因")).difference
    await require_reused(province, confirmation(proposed), confirmed=False)
    await require_reused(await running.operator(), application(small_session()), dry_run=True)


async def test_what_there_is_not_cannot_be_asked_for(running: Installation) -> None:
    """Everybody who names a session that has not been applied is told so; so is it of a difference.

    Those who submit, plan and act as offices are asked elsewhere.
    """
    reader, operator, portal = [
        await running.caller(name) for name in ("roster-reader", "operator", "portal")
    ]
    asked: list[tuple[Caller, Any]] = [
        (portal, enrollment.GetTimetableRequest()),
        (portal, enrollment.GetAvailabilityRequest()),
        (portal, availability.WatchAvailabilityRequest()),
        (reader, rosters.StreamRosterRequest()),
        (reader, rosters.ExportRosterRequest()),
        (operator, _statistics(statistics.GetStatisticsRequest)),
        (operator, _statistics(statistics.ExportStatisticsRequest)),
    ]
    for caller, request in asked:
        request.session_code = "99.1"
        assert (await caller.refused(request)).reason == SESSION_UNKNOWN
    nothing = reconciliation.Difference(difference_id=new_id(), decided_at=Timestamp(seconds=1))
    province = await running.officer("51")
    assert (await province.refused(confirmation(nothing))).reason == NOT_FOUND
