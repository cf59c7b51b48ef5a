"""Enrollment and registration, both for real: what an officer says counts at once, and what was
said before still counts while registration is away."""

from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import timedelta
from math import isfinite
from pathlib import Path
from time import perf_counter

import pytest
from prometheus_client import REGISTRY
from support.enrollment_people import (
    COURSES,
    QINGYANG,
    cancellation,
    change,
    open_enrollment,
    pay,
    payment_request,
    plan,
    plan_submission,
    submission,
)
from support.enrollment_service import Installation
from support.enrollment_sessions import CLOSES_AT, small_session
from support.registration_people import apply_session as apply_registration
from support.registration_people import document_number, log_in, new_officer, pending_candidate
from support.registration_records import approved_candidate
from support.registration_server import NOON, RegistrationServer, registration_server
from support.service import TIMEOUT_SECONDS, Caller, new_id, until
from support.service_databases import MakeDatabase
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao.enrollment.v1 import types_pb2 as types
from zikao.registration.v1 import study_record_service_pb2 as records
from zikao.registration.v1.types_pb2 import Standing
from zikao_enrollment.domain.timetable import Track, Window

# Registration's window and enrollment's at once, so that one clock does for both.
SESSION = replace(
    small_session(9), windows=(Window(Track.SOCIAL, NOON - timedelta(days=1), CLOSES_AT),)
)
# The contract's: DOMAIN section 4.
BLOCK_SECONDS = 1.0
# The machine may be busy with other tests, but not each time.
ROUNDS = 3


@pytest.fixture
async def running(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[Installation]:
    """Enrollment at registration's noon; registration is away."""
    async with open_enrollment(make_database, tmp_path, session=SESSION, candidates=0) as found:
        await found.move_clock(NOON)
        yield found


@pytest.fixture
async def registration_dsn(make_database: MakeDatabase) -> str:
    """Registration's database."""
    return await make_database("registration")


def registration(
    running: Installation, dsn: str
) -> AbstractAsyncContextManager[RegistrationServer]:
    """Registration where enrollment looks for it."""
    return registration_server(dsn, running.folder, port=running.registration_port)


async def approved_people(
    running: Installation, server: RegistrationServer, officer: Caller, count: int
) -> list[tuple[Caller, str]]:
    """Approved candidates, logged in, at enrollment, which knows them from the feed."""
    await apply_registration(server)
    people = []
    for number in range(1, count + 1):
        _, who = await approved_candidate(server, officer, number)
        token = (await log_in(server, document_number(number))).token
        people.append((await running.caller("portal", token=token), who))

    for person, _ in people:
        await until_refused_for(person, "COURSE_UNAVAILABLE")
    return people


async def until_refused_for(person: Caller, reason: str, seconds: float = TIMEOUT_SECONDS) -> None:
    """Ask for seats for a course that there is not, until they are refused for this reason."""

    async def is_so() -> bool:
        return (await person.refused(submission(("99999",)))).reason == reason

    await until(is_so, seconds)


async def test_a_block_stops_a_submission_within_a_second(
    running: Installation, registration_dsn: str
) -> None:
    """The candidate has a second from the officer's answer on; the end of a block is as quick."""
    async with registration(running, registration_dsn) as server:
        officer, took = await new_officer(server), defaultdict[str, list[float]](list)
        ((person, who),) = await approved_people(running, server, officer, 1)
        for standing, reason in (
            (Standing.STANDING_BLOCKED, "NOT_ELIGIBLE"),
            (Standing.STANDING_ACTIVE, "COURSE_UNAVAILABLE"),
        ) * ROUNDS:
            await officer.call(
                records.SetStandingRequest(
                    request_id=new_id(), candidate_id=who, standing=standing, reason="核查材料"
                )
            )
            begun = perf_counter()
            await until_refused_for(person, reason)
            took[reason].append(perf_counter() - begun)
        assert max(min(seconds) for seconds in took.values()) < BLOCK_SECONDS
        await person.call(submission())


async def test_the_rush_goes_on_without_registration(
    running: Installation, registration_dsn: str
) -> None:
    """Plans, seats, changes and payments of known candidates, also after a restart of enrollment
    with nobody to ask; only a stranger is told to come again, and the lag grows."""
    async with registration(running, registration_dsn) as server:
        officer = await new_officer(server)
        people = await approved_people(running, server, officer, 3)
        (first, _), (second, _), (third, _) = people
        stranger = await running.caller(
            "portal", token=(await pending_candidate(server, 9))[0].token
        )
        # Whom enrollment has asked for may be known before the feed has brought anything.
        await until(lambda: isfinite(lag()))
    before = lag()
    await first.call(plan())
    order = (await first.call(plan_submission())).order
    changed = (await first.call(change(order, COURSES[:1], (QINGYANG,)))).order
    assert (changed.county_code, len(changed.courses)) == (QINGYANG, 1)

    await running.enrollment.stop()
    running.enrollment.start()
    await running.until_serving(running.enrollment)
    await paid(running, first, changed)
    given_up = (await second.call(submission())).order
    await second.call(cancellation(given_up))
    await paid(running, second, (await second.call(submission())).order)
    assert (await stranger.refused(submission())).reason == "UNAVAILABLE"
    assert (await third.call(submission())).order.county_code
    await until(lambda: lag() > before)


def lag() -> float:
    """The age of what enrollment knows of candidates."""
    labels = {"source": "registration.candidates"}
    found = REGISTRY.get_sample_value("zikao_feed_lag_seconds", labels)
    assert found is not None
    return found


async def paid(running: Installation, person: Caller, order: types.Order) -> None:
    """Pay an order, and wait until it is confirmed."""
    await pay(running, (await person.call(payment_request(order))).payment_code)

    async def confirmed() -> bool:
        asked = enrollment.ListOrdersRequest(session_code="22.1")
        last = (await person.call(asked)).orders[0]
        return bool(last.state == types.ORDER_STATE_CONFIRMED)

    await until(confirmed)
