"""Candidates whose number or application has ended register anew."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.registration_invariants import feed_violations, violations
from support.registration_older import (
    OLDER_NAME,
    activation_request,
    import_rows,
    older_number,
    older_row,
)
from support.registration_people import (
    JINJIANG,
    WUHOU,
    apply_session,
    approval,
    document_number,
    lease_request,
    log_in,
    material,
    material_request,
    new_officer,
    pending_candidate,
    submit_request,
)
from support.registration_server import (
    CLOSES,
    MATERIAL_CLOSES,
    OPENS,
    REVIEW_CLOSES,
    RegistrationServer,
    registration_server,
)
from support.service import Caller, new_id, until
from support.service_databases import MakeDatabase
from zikao.registration.v1 import candidate_feed_service_pb2 as feed
from zikao.registration.v1 import registration_service_pb2 as registration
from zikao.registration.v1 import session_service_pb2 as session
from zikao.registration.v1 import study_record_service_pb2 as study
from zikao.registration.v1 import ticket_number_service_pb2 as numbers
from zikao.registration.v1 import types_pb2 as types
from zikao.registration.v1 import work_list_service_pb2 as work_lists
from zikao_kit.convert import time_to_pb

WINDOW = session.SessionWindow(
    opens_at=time_to_pb(OPENS), closes_at=time_to_pb(OPENS + timedelta(days=400))
)
NEXT_OPENS = OPENS + timedelta(days=180)


@pytest.fixture
async def server(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[RegistrationServer]:
    """A running service whose session takes activations."""
    async with registration_server(await make_database("registration"), tmp_path) as running:
        await apply_session(running, activation=WINDOW)
        yield running


async def enter(server: RegistrationServer, *rows: Any) -> None:
    """Enter older candidates."""
    answer = await import_rows(await server.caller("operator"), *rows)
    assert list(answer.problems) == []


async def activate(server: RegistrationServer, number: int = 1, **changes: Any) -> str:
    """Activate; return the candidate's id."""
    portal = await server.caller("portal")
    answer = await portal.call(activation_request(number, **changes))
    return str(answer.candidate_id)


async def statuses(server: RegistrationServer) -> dict[str, str]:
    """Every ticket number with its status."""
    rows = await server.rows("SELECT ticket_number, status FROM registration.ticket_number")
    return {row["ticket_number"]: row["status"] for row in rows}


async def apply_next_session(server: RegistrationServer) -> None:
    """The session after this one, its windows half a year later, without the first county."""
    later = NEXT_OPENS - OPENS
    await apply_session(
        server,
        code="22.2",
        ticket_number_session="222",
        registration_opens_at=time_to_pb(OPENS + later),
        registration_closes_at=time_to_pb(CLOSES + later),
        material_closes_at=time_to_pb(MATERIAL_CLOSES + later),
        review_closes_at=time_to_pb(REVIEW_CLOSES + later),
    )


def anew(code: str = "22.2") -> numbers.RegisterAnewRequest:
    """Apply again."""
    return numbers.RegisterAnewRequest(request_id=new_id(), session_code=code)


async def feed_events(server: RegistrationServer) -> list[feed.Candidate]:
    """The candidates of the feed's events until now."""
    stream = (await server.caller("enrollment")).start(feed.WatchCandidatesRequest())
    found: list[feed.Candidate] = []
    async for answer in stream:
        found += [event.candidate for event in answer.events]
        if not answer.events:
            stream.cancel()
            break
    return found


def graduation() -> study.SetStandingRequest:
    """Whose number the older one is has graduated."""
    return study.SetStandingRequest(
        request_id=new_id(), ticket_number=older_number(1), standing=types.STANDING_GRADUATED
    )


async def require_known_as(
    server: RegistrationServer, officer: Caller, candidate_id: str, standing: Any
) -> None:
    """An office finds the candidate by the older number; the feed agrees with registration."""
    by_number = study.GetStudyRecordForOfficeRequest(ticket_number=older_number(1))
    record = (await officer.call(by_number)).record
    assert (record.candidate_id, record.standing) == (candidate_id, standing)
    listing = work_lists.ListRegistrationsRequest(
        county_code=JINJIANG, ticket_number=older_number(1)
    )
    (found,) = (await officer.call(listing)).registrations
    assert found.candidate_id == candidate_id
    last = (await feed_events(server))[-1]
    assert await feed_violations(server, last) == 0


async def test_a_graduate_registers_anew(server: RegistrationServer) -> None:
    """Another number of the next session; others see the graduate until it is assigned."""
    await enter(server, older_row(1))
    candidate_id = await activate(server)
    await apply_next_session(server)
    officer = await new_officer(server)
    candidate = await log_in(server, document_number(1))
    assert (await candidate.refused(anew())).reason == "TICKET_NUMBER_IN_USE"
    await officer.call(graduation())
    assert (await candidate.refused(anew())).reason == "REGISTRATION_CLOSED"
    await server.move_clock(NEXT_OPENS + timedelta(hours=3))
    candidate = await log_in(server, document_number(1))
    officer = await log_in(server, "officer-510104", "a much longer password")
    draft = (await candidate.call(anew())).registration
    assert (draft.session_code, draft.ticket_number) == ("22.2", "")
    assert draft.state == types.REGISTRATION_STATE_DRAFT
    assert draft.personal.name == OLDER_NAME
    assert (await candidate.refused(anew())).reason == "STATE_NOT_ALLOWED"
    personal = types.PersonalData()
    personal.CopyFrom(draft.personal)
    personal.ethnicity_code = "01"
    update = registration.UpdateRegistrationRequest(request_id=new_id(), personal=personal)
    await candidate.call(update)
    await candidate.call(material_request(material()))
    await candidate.call(submit_request())
    assert (await feed_events(server))[-1].standing == types.STANDING_GRADUATED
    await officer.call(lease_request())
    await require_known_as(server, officer, candidate_id, types.STANDING_GRADUATED)
    assert (await officer.refused(graduation())).reason == "NOT_FOUND"
    answer = await officer.call(approval(candidate_id))
    assert answer.ticket_number == "010422200001"
    last = (await feed_events(server))[-1]
    assert (last.ticket_number, last.standing) == ("010422200001", types.STANDING_ACTIVE)
    assert await statuses(server) == {older_number(1): "ended", "010422200001": "current"}
    await require_known_as(server, officer, candidate_id, types.STANDING_ACTIVE)
    assert (await officer.refused(graduation())).reason == "NOT_FOUND"
    assert await violations(server) == {}


async def test_an_abandoned_application_is_begun_again(server: RegistrationServer) -> None:
    """One person has one account: who missed a deadline applies in a later session with it."""
    candidate, candidate_id = await pending_candidate(server, county_code=WUHOU)
    await server.rows(
        "UPDATE registration.candidate SET has_material = false WHERE candidate_id = $1",
        candidate_id,
    )
    assert (await candidate.refused(anew("22.1"))).reason == "STATE_NOT_ALLOWED"
    await apply_next_session(server)
    await server.move_clock(NEXT_OPENS + timedelta(hours=3))
    candidate = await log_in(server, document_number(1))

    async def abandoned() -> bool:
        answer = await candidate.call(registration.GetRegistrationRequest())
        return bool(answer.registration.state == types.REGISTRATION_STATE_ABANDONED)

    await until(abandoned)
    draft = (await candidate.call(anew())).registration
    assert (draft.state, draft.session_code) == (types.REGISTRATION_STATE_DRAFT, "22.2")
    assert not draft.has_identity_material
    assert draft.personal.county_code == WUHOU
