"""Two officers where one is not enough: who is drawn, who may confirm, and what is known of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.registration_invariants import violations
from support.registration_people import (
    apply_session,
    approval,
    lease_request,
    material,
    material_request,
    new_candidate,
    new_officer,
    pending_candidate,
    personal_data,
    photo,
    photo_request,
    rejection,
    submit_request,
    update_request,
)
from support.registration_server import (
    MATERIAL_CLOSES,
    RegistrationServer,
    registration_server,
)
from support.service import until
from support.service_databases import MakeDatabase
from zikao.registration.v1 import registration_service_pb2 as registration
from zikao.registration.v1 import types_pb2 as types
from zikao.registration.v1 import work_list_service_pb2 as work_lists


@pytest.fixture
async def server(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[RegistrationServer]:
    """A running service whose session wants every approval confirmed."""
    async with registration_server(await make_database("registration"), tmp_path) as running:
        await apply_session(running, four_eyes_percent=100)
        yield running


async def test_a_second_officer_confirms(server: RegistrationServer) -> None:
    """The first approval assigns nothing; the number comes with another officer's."""
    _, candidate_id = await pending_candidate(server)
    first, second = await new_officer(server), await new_officer(server, name="colleague")
    await first.call(lease_request())
    answer = await first.call(approval(candidate_id))
    assert (answer.state, answer.ticket_number, answer.needs_confirmation) == (
        types.REGISTRATION_STATE_PENDING_REVIEW,
        "",
        True,
    )
    assert await server.rows("SELECT 1 FROM registration.outbox") == []
    assert (await first.call(lease_request())).registrations == []
    assert (await first.refused(approval(candidate_id))).reason == "LEASE_LOST"
    assert len((await second.call(lease_request())).registrations) == 1
    answer = await second.call(approval(candidate_id))
    assert (answer.ticket_number, answer.needs_confirmation) == ("010422100001", False)
    look = work_lists.GetRegistrationForReviewRequest(candidate_id=candidate_id)
    history = (await first.call(look)).decisions
    assert [each.needed_confirmation for each in history] == [True, False]
    assert len({each.officer_id for each in history}) == 2


async def test_the_candidate_does_not_hear_of_a_first_approval(server: RegistrationServer) -> None:
    """It may still be rejected: pending review is all that is said."""
    candidate, candidate_id = await pending_candidate(server)
    officer = await new_officer(server)
    await officer.call(lease_request())
    await officer.call(approval(candidate_id))
    seen = (await candidate.call(registration.GetRegistrationRequest())).registration
    assert seen.state == types.REGISTRATION_STATE_PENDING_REVIEW
    assert not seen.HasField("last_decision")


async def test_a_second_officer_rejects(server: RegistrationServer) -> None:
    """The second look counts; what is corrected needs two approvals again."""
    candidate, candidate_id = await pending_candidate(server)
    first, second = await new_officer(server), await new_officer(server, name="colleague")
    await first.call(lease_request())
    await first.call(approval(candidate_id))
    await second.call(lease_request())
    answer = await second.call(rejection(candidate_id, "照片不清楚"))
    assert answer.state == types.REGISTRATION_STATE_REJECTED
    seen = (await candidate.call(registration.GetRegistrationRequest())).registration
    assert seen.last_decision.comment == "照片不清楚"
    await candidate.call(submit_request())
    await first.call(lease_request())
    assert (await first.call(approval(candidate_id))).needs_confirmation


async def test_new_material_ends_a_first_approval(server: RegistrationServer) -> None:
    """What the first officer has not seen is not half approved: the first may look again."""
    candidate, candidate_id = await pending_candidate(server)
    officer = await new_officer(server)
    await officer.call(lease_request())
    await officer.call(approval(candidate_id))
    await candidate.call(material_request(material()))
    assert len((await officer.call(lease_request())).registrations) == 1
    assert (await officer.call(approval(candidate_id))).needs_confirmation


async def test_a_first_approval_does_not_replace_material(server: RegistrationServer) -> None:
    """What still lacks its material at the deadline ends, half approved or not."""
    candidate = await new_candidate(server)
    await candidate.call(update_request(personal_data()))
    await candidate.call(photo_request(photo()))
    submitted = await candidate.call(submit_request())
    officer = await new_officer(server)
    await officer.call(lease_request())
    await officer.call(approval(submitted.registration.candidate_id))
    await server.move_clock(MATERIAL_CLOSES)

    async def ended() -> bool:
        rows = await server.rows("SELECT state FROM registration.candidate")
        return [row["state"] for row in rows] == ["abandoned"]

    assert await until(ended)


async def test_nobody_is_drawn_without_the_setting(server: RegistrationServer) -> None:
    """With a share of nothing one officer is enough."""
    await apply_session(server)
    _, candidate_id = await pending_candidate(server)
    officer = await new_officer(server)
    await officer.call(lease_request())
    assert (await officer.call(approval(candidate_id))).ticket_number


async def test_the_invariant_tells_two_reviews_apart(server: RegistrationServer) -> None:
    """An officer may decide what is reviewed anew; who approves the same twice is reported."""
    candidate, candidate_id = await pending_candidate(server)
    officer = await new_officer(server)
    await officer.call(lease_request())
    assert (await officer.call(approval(candidate_id))).needs_confirmation
    await candidate.call(material_request(material()))
    await apply_session(server)
    await officer.call(lease_request())
    assert (await officer.call(approval(candidate_id))).ticket_number
    assert await violations(server) == {}
    for needs_confirmation in (True, False):
        await server.rows(
            """INSERT INTO registration.decision (candidate_id, session_code, county_code,
                submitted_at, officer_id, approved, needs_confirmation, reasons, comment,
                decided_at)
            SELECT candidate_id, session_code, county_code, submitted_at, officer_id, true, $1,
                '{}', '', decided_at + interval '1 minute'
            FROM registration.decision LIMIT 1""",
            needs_confirmation,
        )
    assert await violations(server) == {"registration_two_officers_where_two_are_needed": 1}
