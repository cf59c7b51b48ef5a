"""What methods of tickets refuse with alike: full, without a database, an id twice, what is not."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from support.authorisation import methods_of, short_name
from support.contracts import errors_stated
from support.fuzz_messages import MessageMaker
from support.service import Caller, new_id, until
from support.service_databases import MakeDatabase, ServiceDatabases
from support.tickets_database import CLOSED, SESSION
from support.tickets_glyphs import glyph_png
from support.tickets_offices import officer, room_use
from support.tickets_peers import COUNTY
from support.tickets_service import Installation, tickets_installation
from zikao_ctl.faults.proxy import CuttingProxy
from zikao_kit.errors import (
    NOT_FOUND,
    OVERLOADED,
    REQUEST_ID_REUSED,
    SESSION_UNKNOWN,
    UNAVAILABLE,
)
from zikao_kit.policy import MethodPolicy
from zikao_kit.validation import problems_in

METHODS = methods_of("zikao.tickets.v1")
SOMEBODY = UUID(int=77)
# No bytes of theirs are kept, so that they print before they look at the id: tested with prints.
PRINTING_FIRST = ("PrintTicket", "PrintForCandidate")
# What chance does not make: it is judged before anything else.
EXAMPLES = {"SupplyGlyph": {"character": "\U000f0001", "png": glyph_png()}}
# One call at a time, and nobody waits.
FULL: Mapping[str, Any] = {
    "max_concurrent_calls": 1,
    "max_queue_depth": 0,
    "max_subscriptions": 0,
    "max_streams": 0,
}


def listing(reason: str) -> list[MethodDescriptor]:
    """Methods that may refuse for this reason."""
    stated = errors_stated()
    return [each for each in METHODS if reason in (stated[each.full_name] or ())]


def valid(method: MethodDescriptor, session_code: str = "22.1") -> Any:
    """A request that keeps all rules of its contract, about the county and nothing in it."""
    known = {
        "session_code": [session_code],
        "county_code": [COUNTY],
        "county_prefix": [COUNTY],
        "page_token": [""],
        "cursor": [""],
    }
    fields = method.input_type.fields_by_name
    maker = MessageMaker(Random(7), known, int(CLOSED.timestamp()))
    while True:
        request: Any = maker.plausible(method.input_type)
        for name in known.keys() & fields.keys():
            setattr(request, name, known[name][0])
        for name, value in EXAMPLES.get(method.name, {}).items():
            setattr(request, name, value)
        if "request_id" in fields:
            request.request_id = new_id()
        if not problems_in(request):
            return request


def caller_of(service: Installation, method: MethodDescriptor) -> Caller:
    """Somebody whom the contract lets in."""
    policy = MethodPolicy.of(method)
    for role in ("county_officer", "auditor", "candidate"):
        if role in policy.roles:
            scope = {"county_officer": COUNTY, "auditor": "51"}.get(role, "")
            return service.calling(SOMEBODY, role, scope)
    return Caller(service.channel(min(policy.services, default="portal")))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(
    service_databases: ServiceDatabases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """A session with a site, at the time of printing, and nobody in it."""
    dsn = await service_databases.clone("tickets")
    async with tickets_installation(tmp_path_factory.mktemp("refusals"), dsn) as running:
        await running.apply()
        await running.move_to(SESSION.printing_opens_at)
        yield running
    await service_databases.drop(dsn)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "method",
    [m for m in listing(REQUEST_ID_REUSED) if m.name not in PRINTING_FIRST],
    ids=short_name,
)
async def test_a_request_id_is_one_request(service: Installation, method: MethodDescriptor) -> None:
    """The same id with another body is refused."""
    request, caller = valid(method), caller_of(service, method)
    connection = await asyncpg.connect(service.config.database.dsn)
    await connection.execute(
        "INSERT INTO tickets.idempotency (actor, request_id, method, body_sha256, response)"
        " SELECT actor, $1, $2, '\\x00', '\\x00' FROM unnest($3::text[]) AS actor",
        request.request_id,
        method.input_type.full_name,
        [str(SOMEBODY), "operator"],
    )
    await connection.close()
    assert (await caller.refused(request)).reason == REQUEST_ID_REUSED


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("method", listing(SESSION_UNKNOWN), ids=short_name)
async def test_a_session_that_is_none(service: Installation, method: MethodDescriptor) -> None:
    """Whoever names one that has not been applied is told so."""
    request = valid(method, "99.1")
    assert (await caller_of(service, method).refused(request)).reason == SESSION_UNKNOWN


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("method", listing(NOT_FOUND), ids=short_name)
async def test_what_there_is_not(service: Installation, method: MethodDescriptor) -> None:
    """Whoever names it is told so."""
    assert (await caller_of(service, method).refused(valid(method))).reason == NOT_FOUND


async def test_a_full_server_sends_everybody_away(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    """Every method that says so answers OVERLOADED, whatever it is asked, until there is room."""
    dsn = await make_database("tickets")
    async with tickets_installation(tmp_path, dsn, server_limits=FULL) as running:
        await running.apply()
        others = await asyncpg.connect(dsn)
        async with others.transaction():
            await others.execute("SELECT FROM tickets.session FOR UPDATE")
            waits = officer(running).start(room_use("001"), timeout=20)
            await until(lambda: _is_waiting(others))
            told = {}
            for method in listing(OVERLOADED):
                request = GetMessageClass(method.input_type)()
                told[short_name(method)] = (
                    await caller_of(running, method).refused(request)
                ).reason
        await others.close()
        assert told == dict.fromkeys(map(short_name, listing(OVERLOADED)), OVERLOADED)
        assert (await waits).action.action_id


async def _is_waiting(connection: asyncpg.Connection) -> bool:
    """Whether somebody waits for the session."""
    waiting: bool = await connection.fetchval(
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        " AND datname = current_database()"
    )
    return waiting


async def test_without_its_database_the_service_says_so(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    """Every method that says so answers UNAVAILABLE."""
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(CuttingProxy(await make_database("tickets")))
        async with tickets_installation(tmp_path, proxy.dsn) as running:
            await running.apply()
            await running.move_to(SESSION.printing_opens_at)
            callers = {method.full_name: caller_of(running, method) for method in METHODS}
            await stack.aclose()
            told = {}
            for method in listing(UNAVAILABLE):
                refused = await callers[method.full_name].refused(valid(method))
                told[short_name(method)] = refused.reason
            assert told == dict.fromkeys(map(short_name, listing(UNAVAILABLE)), UNAVAILABLE)
