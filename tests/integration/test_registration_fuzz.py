"""Every method of registration's contracts under requests that nobody would write."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.descriptor import MethodDescriptor
from support.authorisation import may_call, methods_of, short_name
from support.fuzzing import Target, fuzz
from support.registration_people import MOBILE, NAME, PASSWORD, document_number
from support.registration_server import NOON
from support.registration_world import World, registration_world
from support.service_databases import ServiceDatabases
from zikao_kit import errors
from zikao_registration.config import (
    MIN_RECEIVE_BYTES,
    WEEK_HOURS,
    WEEK_MINUTES,
    LoginConfig,
    RecoveryConfig,
)
from zikao_registration.names import SCHEMA

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHOTS = 40
# In this order, after all others: who calls is nobody any more then, or the session another one.
LAST = ("ErasePersonalData", "ChangePassword", "LogOut", "LogOutEverywhere", "ApplySession")
NUMBERS = [*map(document_number, range(1, 12)), "440524188001010014", "810000199001010019"]
KNOWN = {
    "document_number": NUMBERS,
    "login_name": NUMBERS,
    "password": [PASSWORD],
    "old_password": [PASSWORD],
    "name": [NAME],
    "mobile": [MOBILE],
}
# Ten thousand requests to each method take longer than these last by themselves; attempts that have
# ended are deleted, and what changes, a call is to have changed.
LASTING: Mapping[str, Any] = {
    "candidate_token_minutes": WEEK_MINUTES,
    "staff_token_minutes": WEEK_MINUTES,
    "lease_minutes": WEEK_MINUTES,
    "login": LoginConfig(window_minutes=WEEK_MINUTES, staff_idle_minutes=WEEK_MINUTES),
    "recovery": RecoveryConfig(window_hours=WEEK_HOURS),
}
METHODS = sorted(
    methods_of("zikao.registration.v1"),
    key=lambda method: (LAST.index(method.name) if method.name in LAST else -1, method.full_name),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    service_databases: ServiceDatabases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """Somebody in every state, and everybody who may call."""
    dsn = await service_databases.clone("registration")
    async with registration_world(dsn, tmp_path_factory.mktemp("fuzz"), **LASTING) as made:
        yield made
    await service_databases.drop(dsn)


@pytest.mark.parametrize("method", METHODS, ids=short_name)
async def test_only_listed_answers(world: World, method: MethodDescriptor) -> None:
    """What breaks the contract is INVALID_REQUEST and changes nothing, anything else is listed."""
    callers = [who.caller for who in world.everybody if may_call(method, who)]
    limit = MIN_RECEIVE_BYTES
    target = Target(world.server.dsn, SCHEMA, NOON, KNOWN, max_receive_bytes=limit)
    report = await fuzz(method, callers, target, SHOTS)
    assert errors.TOKEN_EXPIRED not in report.endings
