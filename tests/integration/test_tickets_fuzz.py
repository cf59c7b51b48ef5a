"""Every method of tickets' contracts under requests that nobody would write."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from google.protobuf.descriptor import MethodDescriptor
from support.authorisation import methods_of, short_name
from support.fuzzing import Target, fuzz
from support.service import Caller
from support.service_databases import ServiceDatabases
from support.tickets_database import SESSION
from support.tickets_peers import COUNTY
from support.tickets_service import Installation, tickets_installation
from zikao_kit import errors
from zikao_kit.policy import MethodPolicy
from zikao_sandbox.portraits import portrait_jpeg
from zikao_tickets.names import SCHEMA

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHOTS = 100
REST_SECONDS = 30.0
# What goes on beside calls: arrangements, and the names of tickets that are looked at.
UNDER_WAY = (
    "SELECT count(*) FROM (SELECT 1 FROM tickets.arrangement WHERE state IN ('pending', 'running')"
    " UNION ALL SELECT 1 FROM tickets.ticket WHERE name_checked_at IS NULL AND revoked_at IS NULL"
    ") AS work"
)
CANDIDATE, OFFICER = UUID(int=1), UUID(int=9)
# After all others: the session would be another one.
LAST = "ApplySession"
METHODS = sorted(
    methods_of("zikao.tickets.v1"), key=lambda method: (method.name == LAST, method.full_name)
)


@dataclass(frozen=True)
class World:
    """A running service and its database."""

    running: Installation
    dsn: str

    def callers(self, method: MethodDescriptor) -> list[Caller]:
        """Everybody whom the contract lets in."""
        policy, portal = MethodPolicy.of(method), self.running.channel("portal")
        found = [Caller(self.running.channel(name)) for name in sorted(policy.services)]
        for role in sorted(policy.roles):
            subject = CANDIDATE if role == "candidate" else OFFICER
            found.append(Caller(portal, self.running.token(subject, role, COUNTY)))
        return [*found, Caller(portal)] if policy.anyone else found

    async def rest(self) -> None:
        """Wait until nothing that was asked for goes on beside calls."""
        connection = await asyncpg.connect(self.dsn)
        try:
            async with asyncio.timeout(REST_SECONDS):
                while await connection.fetchval(UNDER_WAY):
                    await asyncio.sleep(0.02)
        finally:
            await connection.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    service_databases: ServiceDatabases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """A county that is arranged and published, at the time of printing."""
    dsn = await service_databases.clone("tickets")
    async with tickets_installation(tmp_path_factory.mktemp("fuzz"), dsn) as made:
        jpeg = portrait_jpeg(1, "女")
        made.peers.register(CANDIDATE, "张三", jpeg)
        made.peers.photos[str(CANDIDATE)] = jpeg
        made.peers.enroll(CANDIDATE, (1, "00015"))
        await made.published_county()
        await made.move_to(SESSION.printing_opens_at)
        yield World(made, dsn)
    await service_databases.drop(dsn)


@pytest.mark.parametrize("method", METHODS, ids=short_name)
async def test_only_listed_answers(world: World, method: MethodDescriptor) -> None:
    """What breaks the contract is INVALID_REQUEST and changes nothing, anything else is listed."""
    target = Target(world.dsn, SCHEMA, SESSION.printing_opens_at, rest=world.rest)
    report = await fuzz(method, world.callers(method), target, SHOTS)
    assert errors.TOKEN_EXPIRED not in report.endings
