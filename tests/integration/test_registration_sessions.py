"""Registration's part of the session file."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.registration_people import (
    JINJIANG,
    WUHOU,
    apply_session,
    approval,
    lease_request,
    new_candidate,
    new_officer,
    pending_candidate,
    personal_data,
    session_part,
    update_request,
)
from support.registration_server import CLOSES, OPENS, RegistrationServer, registration_server
from support.service import new_id
from support.service_databases import MakeDatabase
from zikao.registration.v1 import session_service_pb2 as session
from zikao_kit.convert import time_to_pb
from zikao_kit.errors import DomainError

ONLY_WUHOU = [session.RegistrationCounty(code=WUHOU, name="武侯区")]


@pytest.fixture
async def server(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[RegistrationServer]:
    """A running service without any session."""
    async with registration_server(await make_database("registration"), tmp_path) as running:
        yield running


async def refused(server: RegistrationServer, *, dry_run: bool, **changes: Any) -> DomainError:
    """Apply what must be refused."""
    operator = await server.caller("operator")
    return await operator.refused(
        session.ApplySessionRequest(
            request_id=new_id(), session=session_part(**changes), dry_run=dry_run
        )
    )


async def test_same_session_twice(server: RegistrationServer) -> None:
    """The first apply says what it makes, the second nothing, a third what differs."""
    assert await apply_session(server) == ["新增考次22.1：区县2个"]
    assert await apply_session(server) == []
    assert await apply_session(server, name="新名称") == [
        "考次名称由2022年4月高等教育自学考试改为新名称"
    ]
    applied = await server.rows(
        "SELECT 1 FROM registration.audit WHERE action = 'apply_session' AND actor = 'operator'"
    )
    assert len(applied) == 2


async def test_dry_run_changes_nothing(server: RegistrationServer) -> None:
    """A dry run says what would change, again and again."""
    operator = await server.caller("operator")
    for _ in range(2):
        request = session.ApplySessionRequest(
            request_id=new_id(), session=session_part(), dry_run=True
        )
        assert list((await operator.call(request)).changes) == ["新增考次22.1：区县2个"]
    assert await server.rows("SELECT 1 FROM registration.session") == []


@pytest.mark.parametrize("dry_run", [True, False])
async def test_what_candidates_have_is_kept(server: RegistrationServer, dry_run: bool) -> None:
    """A county with registrations, the form of numbers that are out, another session's digits."""
    await apply_session(server)
    candidate = await new_candidate(server, 2)
    await candidate.call(update_request(personal_data(county_code=JINJIANG)))
    lost = await refused(server, dry_run=dry_run, counties=ONLY_WUHOU)
    assert (lost.reason, lost.metadata["detail"]) == (
        "SESSION_CHANGE_REFUSED",
        "区县510104已有考生注册",
    )
    shared = await refused(server, dry_run=dry_run, code="22.2")
    assert shared.metadata["detail"] == "考次段221已由其他考次使用"
    _, candidate_id = await pending_candidate(server)
    officer = await new_officer(server)
    await officer.call(lease_request())
    await officer.call(approval(candidate_id))
    renumbered = await refused(server, dry_run=dry_run, ticket_number_session="222")
    assert renumbered.metadata["detail"] == "已按原格式编发准考证号"
    assert await apply_session(server) == []


async def test_contradictions_are_named_together(server: RegistrationServer) -> None:
    """Windows that end before they begin and numbers that do not fit are told at once."""
    error = await refused(
        server,
        dry_run=False,
        registration_closes_at=time_to_pb(OPENS),
        material_closes_at=time_to_pb(OPENS - timedelta(days=1)),
        ticket_number_format="{serial:5}",
    )
    assert error.reason == "INVALID_REQUEST"
    assert [problem.field for problem in error.fields] == [
        "session.registration_closes_at",
        "session.material_closes_at",
        "session.ticket_number_format",
    ]


async def test_what_no_ticket_can_show_is_refused(server: RegistrationServer) -> None:
    """Tickets hold numbers of 12 digits and ASCII session codes: no session asks for others."""
    longer = "{city:2}{county:2}{session:3}{serial:6}"
    for field, value in (("ticket_number_format", longer), ("code", "春季"), ("code", "22 1")):
        error = await refused(server, dry_run=True, **{field: value})
        assert error.reason == "INVALID_REQUEST"
        assert [problem.field for problem in error.fields] == [f"session.{field}"]


async def test_county_named_twice_is_refused(server: RegistrationServer) -> None:
    """Of two names of one county neither is silently dropped."""
    twice = [*ONLY_WUHOU, session.RegistrationCounty(code=WUHOU, name="武侯")]
    error = await refused(server, dry_run=False, counties=twice)
    assert [(problem.field, problem.description) for problem in error.fields] == [
        ("session.counties", "区县代码不能重复")
    ]


async def test_windows_follow_the_session(server: RegistrationServer) -> None:
    """A longer window counts from the next call on."""
    await apply_session(server)
    await server.move_clock(CLOSES + timedelta(minutes=1))
    longer = time_to_pb(CLOSES + timedelta(minutes=30))
    await apply_session(server, registration_closes_at=longer)
    assert await new_candidate(server)


async def test_only_the_operator_applies(server: RegistrationServer) -> None:
    """A portal's certificate makes no session."""
    portal = await server.caller("portal")
    request = session.ApplySessionRequest(request_id=new_id(), session=session_part())
    assert (await portal.refused(request)).reason == "PERMISSION_DENIED"
