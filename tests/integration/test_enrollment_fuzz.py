"""Every method of enrollment's contracts under requests that nobody would write."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import chain, cycle
from pathlib import Path

import pytest
import pytest_asyncio
from google.protobuf.descriptor import MethodDescriptor
from support.authorisation import methods_of, short_name
from support.enrollment_audit import violations
from support.enrollment_people import (
    NOON,
    candidate_id,
    hold,
    of_standing,
    open_enrollment,
    pay,
    payment_code,
    plan,
    save_candidates,
    until_state,
)
from support.enrollment_service import Installation
from support.enrollment_sessions import small_session
from support.fuzz_tables import picture
from support.fuzzing import Target, fuzz
from support.service import Caller, new_id
from support.service_databases import ServiceDatabases
from zikao_enrollment.converts.sessions import session_to_pb
from zikao_enrollment.domain.orders import ACTIVE
from zikao_enrollment.domain.timetable import Policies
from zikao_enrollment.names import SCHEMA
from zikao_kit import errors
from zikao_kit.policy import MethodPolicy

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHOTS = 200
READING = ("Get", "List", "Watch", "Export", "Stream")
CANDIDATES = 400
# Who have something from the beginning.
OWNERS = range(1, 7)
# Acts of offices wait for a second officer, so that there are some to decide.
SESSION = replace(small_session(seats=2 * CANDIDATES), policies=Policies(dual_control=True))
# Nothing goes on beside the calls: what changes, a call has changed.
NEVER_SECONDS = 3600.0
# In this order, after all others: they change what the others would meet.
LAST = ("OfficeService", "SessionService")


def order_of(method: MethodDescriptor) -> tuple[int, str]:
    """When a method's turn comes."""
    service = method.containing_service.name
    return LAST.index(service) + 1 if service in LAST else 0, method.full_name


METHODS = sorted(
    (
        *methods_of("zikao.enrollment.v1"),
        *methods_of("zikao.payment.v1.PaymentNotificationService"),
    ),
    key=order_of,
)


@dataclass
class World:
    """A service in which there is something of everything, and who calls it."""

    running: Installation

    def target(self) -> Target:
        """What is fuzzed; tokens are new, for ten thousand requests take longer than one lives."""
        tokens = [self.running.token(candidate_id(number)) for number in range(CANDIDATES)]
        examples = [session_to_pb(SESSION)]
        return Target(self.running.dsn, SCHEMA, NOON, {"access_token": tokens}, examples)

    async def callers(self, method: MethodDescriptor) -> list[Caller]:
        """Everybody whom the contract lets in."""
        policy = MethodPolicy.of(method)
        found = [await self.running.caller(name) for name in sorted(policy.services)]
        portal = await self.running.caller("portal")
        for role in sorted(policy.roles):
            if role == "candidate":
                numbers = zip(cycle(OWNERS), range(CANDIDATES), strict=False)
                found += [await self.running.candidate(number) for number in chain(*numbers)]
            else:
                found.append(portal.with_token(self.running.token(new_id(), role)))
        return [*found, portal] if policy.anyone else found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    service_databases: ServiceDatabases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """Orders in every state and a plan, many candidates, no background work."""
    folder = tmp_path_factory.mktemp("fuzz")
    async with _furnished(service_databases, folder) as running:
        yield World(running)
        dsn = running.dsn
    await service_databases.drop(dsn)


@asynccontextmanager
async def _furnished(databases: ServiceDatabases, folder: Path) -> AsyncIterator[Installation]:
    everybody = [of_standing(number, ACTIVE) for number in range(CANDIDATES)]
    async with open_enrollment(databases.clone, folder, session=SESSION, candidates=0) as running:
        await save_candidates(running.dsn, everybody)
        await save_candidates(running.dsn, [of_standing(2, "graduated")])
        await hold(running, 1)
        await running.move_clock(NOON + SESSION.hold + timedelta(minutes=1))
        await until_state(running, 1, "RELEASED")
        await hold(running, 3)
        await payment_code(running, 4, await hold(running, 4))
        await pay(running, await payment_code(running, 5, await hold(running, 5)))
        await until_state(running, 5, "CONFIRMED")
        await (await running.candidate(6)).call(plan())
        await running.enrollment.stop()
        running.poll_seconds = NEVER_SECONDS
        running.enrollment.start()
        await running.until_serving(running.enrollment)
        yield running


@pytest.mark.parametrize("method", METHODS, ids=short_name)
async def test_only_listed_answers(world: World, method: MethodDescriptor) -> None:
    """What breaks the contract is INVALID_REQUEST and changes nothing, anything else is listed.

    An answered mutation, and no refused one, is kept by its request id; reading changes nothing.
    """
    target = world.target()
    before, ids_before = await picture(target.dsn, SCHEMA), await request_ids(world)
    report = await fuzz(method, await world.callers(method), target, SHOTS)
    assert errors.TOKEN_EXPIRED not in report.endings
    if method.name.startswith(READING):
        assert await picture(target.dsn, SCHEMA) == before
    new, answered = await request_ids(world) - ids_before, report.answered - ids_before
    # A stream that has failed may have owed answers.
    assert new >= answered if method.client_streaming else new == answered
    assert await violations(target.dsn) == {}


async def request_ids(world: World) -> set[str]:
    """The ids of all requests that were answered."""
    rows = await world.running.rows("SELECT request_id::text AS id FROM enrollment.idempotency")
    return {row["id"] for row in rows}
