"""The office's work list and decisions: scope, leases, and no decision twice."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from threading import current_thread, main_thread

import pytest
from support.registration_people import (
    JINJIANG,
    STAFF_PASSWORD,
    WUHOU,
    apply_session,
    approval,
    lease_request,
    log_in,
    new_officer,
    pending_candidate,
    rejection,
)
from support.registration_server import (
    NOON,
    REVIEW_CLOSES,
    RegistrationServer,
    registration_server,
)
from support.service import until
from support.service_databases import MakeDatabase
from zikao.options.v1 import options_pb2
from zikao.registration.v1 import candidate_feed_service_pb2 as feed
from zikao.registration.v1 import review_service_pb2 as review
from zikao.registration.v1 import types_pb2 as types
from zikao_kit.crypto import KeyRing


@pytest.fixture
async def server(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[RegistrationServer]:
    """A running service with the session applied, in its registration window."""
    async with registration_server(await make_database("registration"), tmp_path) as running:
        await apply_session(running)
        yield running


async def test_another_county_is_out_of_scope(server: RegistrationServer) -> None:
    """An officer neither leases, looks at nor decides what is another county's."""
    _, candidate_id = await pending_candidate(server)
    officer = await new_officer(server, WUHOU)
    assert (await officer.refused(lease_request(JINJIANG))).reason == "OUT_OF_SCOPE"
    assert (await officer.refused(lease_request("5101"))).reason == "OUT_OF_SCOPE"
    assert (await officer.call(lease_request(WUHOU))).registrations == []
    look = review.GetReviewMaterialRequest(candidate_id=candidate_id)
    for request in (look, approval(candidate_id), rejection(candidate_id)):
        assert (await officer.refused(request)).reason == "OUT_OF_SCOPE"
    audited = await server.rows("SELECT 1 FROM registration.audit WHERE action = 'view_material'")
    assert audited == []


@pytest.mark.parametrize(
    ("scope", "role"),
    [("5101", options_pb2.ROLE_CITY_OFFICER), ("51", options_pb2.ROLE_PROVINCE_OFFICER)],
)
async def test_city_and_province_review_their_counties(
    server: RegistrationServer, scope: str, role: options_pb2.Role.ValueType
) -> None:
    """Who is above a county decides in it."""
    _, candidate_id = await pending_candidate(server)
    officer = await new_officer(server, scope, role)
    assert len((await officer.call(lease_request(scope))).registrations) == 1
    assert (await officer.call(approval(candidate_id))).ticket_number


async def test_photos_are_decrypted_beside_the_loop(
    server: RegistrationServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fifty photos at once keep no other call waiting."""
    _, candidate_id = await pending_candidate(server)
    decrypt, threads = KeyRing.decrypt, []

    def watched(ring: KeyRing, blob: bytes, context: str) -> bytes:
        if context == f"registration.photo:{candidate_id}":
            threads.append(current_thread())
        return decrypt(ring, blob, context)

    monkeypatch.setattr(KeyRing, "decrypt", watched)
    tickets = await server.caller("tickets")
    asked = feed.BatchGetPhotosRequest(candidate_ids=[candidate_id])
    assert len((await tickets.call(asked)).photos) == 1
    assert len(threads) == 1
    assert threads != [main_thread()]


async def test_auditors_and_candidates_do_not_review(server: RegistrationServer) -> None:
    """Only offices have a work list."""
    candidate, candidate_id = await pending_candidate(server)
    auditor = await new_officer(server, "51", options_pb2.ROLE_AUDITOR)
    for caller in (candidate, auditor):
        for request in (lease_request("51"), approval(candidate_id)):
            assert (await caller.refused(request)).reason == "PERMISSION_DENIED"


async def test_no_registration_is_leased_twice(server: RegistrationServer) -> None:
    """Officers who ask at once get disjoint work, the longest waiting first, and all of it."""
    ids = [(await pending_candidate(server, number))[1] for number in range(9)]
    officers = [await new_officer(server, name=f"officer{number}") for number in range(4)]
    answers = await asyncio.gather(*(officer.call(lease_request(count=2)) for officer in officers))
    leased = [each.candidate_id for answer in answers for each in answer.registrations]
    assert len(leased) == len(set(leased)) == 8
    assert set(leased) == set(ids[:8])


async def test_own_leases_come_again(server: RegistrationServer) -> None:
    """Who asks again gets what is held already, for longer; a repeated request its first answer."""
    _, candidate_id = await pending_candidate(server)
    officer = await new_officer(server)
    request = lease_request()
    first = await officer.call(request)
    await server.move_clock(NOON + timedelta(minutes=10))
    assert await officer.call(request) == first
    second = await officer.call(lease_request())
    assert [each.candidate_id for each in second.registrations] == [candidate_id]
    assert second.leased_until.ToDatetime() > first.leased_until.ToDatetime()


async def test_only_the_holder_looks_and_decides(server: RegistrationServer) -> None:
    """Without the lease there is no look and no decision, in the own county neither."""
    _, candidate_id = await pending_candidate(server)
    holder, other = await new_officer(server), await new_officer(server, name="colleague")
    await holder.call(lease_request())
    look = review.GetReviewMaterialRequest(candidate_id=candidate_id)
    for request in (look, approval(candidate_id)):
        assert (await other.refused(request)).reason == "LEASE_LOST"
    assert (await other.call(lease_request())).registrations == []
    assert (await holder.call(approval(candidate_id))).ticket_number


async def test_leases_end(server: RegistrationServer) -> None:
    """After 15 minutes the holder decides no more, and another may take the work."""
    _, candidate_id = await pending_candidate(server)
    await (await new_officer(server)).call(lease_request())
    # The clock has gone on since noon, on a slow machine for seconds.
    await server.move_clock(NOON + timedelta(minutes=16))
    late = await log_in(server, f"officer-{JINJIANG}", STAFF_PASSWORD)
    assert (await late.refused(approval(candidate_id))).reason == "LEASE_LOST"
    other = await new_officer(server, name="colleague")
    assert len((await other.call(lease_request())).registrations) == 1
    assert (await late.refused(approval(candidate_id))).reason == "LEASE_LOST"


async def test_one_decision_of_two_at_once(server: RegistrationServer) -> None:
    """Approval and rejection at once: one counts, the other is told the state."""
    _, candidate_id = await pending_candidate(server)
    officer = await new_officer(server)
    await officer.call(lease_request())
    requests = [approval(candidate_id), rejection(candidate_id), approval(candidate_id)]
    outcomes = await asyncio.gather(*map(officer.call, requests), return_exceptions=True)
    assert sum(isinstance(each, review.DecideRegistrationResponse) for each in outcomes) == 1
    assert len(await server.rows("SELECT 1 FROM registration.decision")) == 1


async def test_late_reviews(server: RegistrationServer) -> None:
    """What was handed in by its deadline is decided also after the end: the office was late.

    A rejection is the last word then, for corrections have ended; an approval is as any other.
    """
    ids = [(await pending_candidate(server, number))[1] for number in (1, 2)]
    await server.move_clock(REVIEW_CLOSES + timedelta(days=1))
    officer = await new_officer(server)
    late = (await officer.call(lease_request())).registrations
    assert [each.candidate_id for each in late] == ids
    assert (await officer.call(approval(ids[0]))).ticket_number == "010422100001"
    answer = await officer.call(rejection(ids[1]))
    assert answer.state == types.REGISTRATION_STATE_REJECTED

    async def abandoned() -> bool:
        states = await server.rows("SELECT state FROM registration.candidate ORDER BY state")
        return [row["state"] for row in states] == ["abandoned", "approved"]

    assert await until(abandoned)


async def test_decision_has_reasons_or_approves(server: RegistrationServer) -> None:
    """A rejection without a reason and an approval with one break the contract."""
    _, candidate_id = await pending_candidate(server)
    officer = await new_officer(server)
    await officer.call(lease_request())
    baseless, both = rejection(candidate_id), approval(candidate_id)
    del baseless.reasons[:]
    both.reasons.append(types.REJECTION_REASON_NAME)
    for request in (baseless, both):
        assert (await officer.refused(request)).reason == "INVALID_REQUEST"


async def test_unknown_candidates_are_not_found(server: RegistrationServer) -> None:
    """Nobody's registration is decided by nobody."""
    officer = await new_officer(server)
    request = approval("00000000-0000-4000-8000-000000000000")
    assert (await officer.refused(request)).reason == "NOT_FOUND"
