"""Every method of enrollment's contracts under requests that nobody would write.

`make test` sends a few hundred to each method, `make fuzz` ten thousand; the same ones for the
same ZIKAO_FUZZ_SEED.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random

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
from support.fuzz_messages import Known, MessageMaker
from support.fuzzing import Fuzzer, answered_ids, fuzz, known_in, picture, problems
from support.service import Caller, new_id
from support.service_databases import ServiceDatabases
from zikao_enrollment.domain.orders import ACTIVE
from zikao_enrollment.names import SCHEMA
from zikao_kit import errors
from zikao_kit.policy import MethodPolicy

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHOTS = int(os.environ.get("ZIKAO_FUZZ_SHOTS", "200"))
SEED = os.environ.get("ZIKAO_FUZZ_SEED", "221")
READING = ("Get", "List", "Watch", "Export", "Stream")
CANDIDATES = 400
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
    known: Known

    async def callers(self, method: MethodDescriptor) -> list[Caller]:
        """Everybody whom the contract lets in."""
        policy = MethodPolicy.of(method)
        found = [await self.running.caller(name) for name in sorted(policy.services)]
        portal = await self.running.caller("portal")
        for role in sorted(policy.roles):
            if role == "candidate":
                # New tokens: ten thousand requests take longer than one lives.
                found += [await self.running.candidate(number) for number in range(CANDIDATES)]
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
        yield World(running, await known_in(running.dsn, SCHEMA))
        dsn = running.dsn
    await service_databases.drop(dsn)


@asynccontextmanager
async def _furnished(databases: ServiceDatabases, folder: Path) -> AsyncIterator[Installation]:
    everybody = [of_standing(number, ACTIVE) for number in range(CANDIDATES)]
    session = small_session(seats=CANDIDATES)
    async with open_enrollment(databases.clone, folder, session=session, candidates=0) as running:
        await save_candidates(running.dsn, everybody)
        await save_candidates(running.dsn, [of_standing(2, "graduated")])
        await hold(running, 1)
        await running.move_clock(NOON + session.hold + timedelta(minutes=1))
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
    chance = Random(f"{SEED} {method.full_name}")
    known = {**world.known, "access_token": tokens(world.running)}
    maker = MessageMaker(chance, known, int(NOON.timestamp()))
    shots = list(Fuzzer(method, chance, maker).shots(SHOTS))
    dsn = world.running.dsn
    before, ids_before = await picture(dsn, SCHEMA), await request_ids(world)

    async def require_unchanged() -> None:
        assert await picture(dsn, SCHEMA) == before

    report = await fuzz(method, shots, await world.callers(method), require_unchanged)
    assert problems(method, report) == []
    assert len(report.broken) > SHOTS / 10
    assert errors.TOKEN_EXPIRED not in report.endings()
    if method.name.startswith(READING):
        await require_unchanged()
    elif method.name != "NotifyPayment":
        new = await request_ids(world) - ids_before
        assert new == answered_ids(method, report) - ids_before
    assert await violations(dsn) == {}


def tokens(running: Installation) -> list[str]:
    """What candidates show to the portal that submits for them."""
    return [running.token(candidate_id(number)) for number in range(CANDIDATES)]


async def request_ids(world: World) -> set[str]:
    """The ids of all requests that were answered."""
    rows = await world.running.rows("SELECT request_id::text AS id FROM enrollment.idempotency")
    return {row["id"] for row in rows}
