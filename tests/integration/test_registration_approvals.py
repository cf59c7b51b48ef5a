"""Many approvals at once: batches, bulk and replicas; dense serials whatever happens."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from support.races import meet
from support.registration_invariants import violations
from support.registration_older import import_rows, older_row
from support.registration_people import (
    JINJIANG,
    SESSION_CODE,
    WUHOU,
    apply_session,
    approval,
    lease_request,
    new_officer,
    rejection,
)
from support.registration_seeding import seed_pending
from support.registration_server import NOON, RegistrationServer, registration_server
from support.service import Caller, new_id, until
from support.service_databases import MakeDatabase
from zikao.options.v1 import options_pb2
from zikao.registration.v1 import review_service_pb2 as review
from zikao.registration.v1 import types_pb2 as types
from zikao_ctl.faults.proxy import CuttingProxy, Moment
from zikao_kit.crypto import KeyRing

OFFICERS, APPLICATIONS = 20, 400


@pytest.fixture
async def server(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[RegistrationServer]:
    """A running service with the session applied, in its registration window."""
    async with registration_server(await make_database("registration"), tmp_path) as running:
        await apply_session(running)
        yield running


async def seeded(
    server: RegistrationServer, folder: Path, count: int, county: str = JINJIANG
) -> Sequence[UUID]:
    """Registrations that wait in a county."""
    keys = KeyRing.from_file(folder / "keys.yaml")
    at = NOON - timedelta(hours=2)
    return await seed_pending(
        server.dsn, keys, count, session_code=SESSION_CODE, county_code=county, submitted_at=at
    )


async def approve_all(officer: Caller) -> int:
    """Lease and approve, all of a lease at once, until nothing is left; how many."""
    done = 0
    while leased := (await officer.call(lease_request(count=7))).registrations:
        await asyncio.gather(*(officer.call(approval(each.candidate_id)) for each in leased))
        done += len(leased)
    return done


async def require_dense(server: RegistrationServer, count: int, county: str = JINJIANG) -> None:
    """Serials 1 to `count`, each once, each the number of its candidate, who is in the feed."""
    rows = await server.rows(
        """SELECT serial, candidate.ticket_number = ticket_number.ticket_number AS is_own
        FROM registration.ticket_number JOIN registration.candidate USING (candidate_id)
        WHERE ticket_number.county_code = $1 AND status = 'current' ORDER BY serial""",
        county,
    )
    assert [row["serial"] for row in rows] == list(range(1, count + 1))
    assert all(row["is_own"] for row in rows)
    last = await server.rows(
        "SELECT last_serial FROM registration.ticket_serial WHERE county_code = $1", county
    )
    assert [row["last_serial"] for row in last] == ([count] if count else [])


async def test_officers_of_one_county_over_two_replicas(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    """Twenty officers at two processes: no gap, no duplicate, one event and one trace of each."""
    dsn = await make_database("registration")
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(registration_server(dsn, tmp_path))
        second = await stack.enter_async_context(registration_server(dsn, tmp_path))
        await apply_session(first)
        await seeded(first, tmp_path, APPLICATIONS)
        officers = []
        for number in range(OFFICERS):
            officer = await new_officer(first, name=f"officer{number}")
            portal = await (first, second)[number % 2].caller("portal")
            officers.append(portal.with_token(officer.token))
        approved = await asyncio.gather(*map(approve_all, officers))
        assert sum(approved) == APPLICATIONS
        await require_dense(first, APPLICATIONS)
        for what in (
            "SELECT event_key FROM registration.outbox",
            "SELECT candidate_id FROM registration.decision",
            "SELECT candidate_id FROM registration.audit WHERE action = 'decide_registration'",
        ):
            keys = [str(row[0]) for row in await first.rows(what)]
            assert len(keys) == len(set(keys)) == APPLICATIONS


async def test_bulk_approval(server: RegistrationServer, tmp_path: Path) -> None:
    """Each is told what became of it; those that are refused stop no other and use no serial."""
    ids = [str(each) for each in await seeded(server, tmp_path, 12)]
    officer = await new_officer(server)
    await officer.call(lease_request(count=10))
    await officer.call(rejection(ids[3]))
    stranger = str(uuid4())
    request = review.ApproveRegistrationsRequest(
        request_id=new_id(), candidate_ids=[stranger, *reversed(ids)]
    )
    results = (await officer.call(request)).results
    assert [each.candidate_id for each in results] == list(request.candidate_ids)
    reasons = {each.candidate_id: each.error_reason for each in results if each.error_reason}
    assert reasons == {
        stranger: "NOT_FOUND",
        ids[11]: "LEASE_LOST",
        ids[10]: "LEASE_LOST",
        ids[3]: "STATE_NOT_ALLOWED",
    }
    assert results[-1 - 3].error_message == "当前状态（审核未通过）不能进行此操作"
    numbers = [each.ticket_number for each in results if each.ticket_number]
    assert numbers == [f"01042210000{serial}" for serial in range(1, 10)]
    assert (await officer.call(request)).results == results
    await require_dense(server, 9)


async def test_bulk_keeps_to_the_scope(server: RegistrationServer, tmp_path: Path) -> None:
    """Of many, those of another county are refused for that alone; the officer's own go on."""
    (own,) = await seeded(server, tmp_path, 1, WUHOU)
    elsewhere = await seeded(server, tmp_path, 2)
    officer = await new_officer(server, WUHOU)
    await officer.call(lease_request(WUHOU))
    ids = [str(each) for each in (*elsewhere, own)]
    request = review.ApproveRegistrationsRequest(request_id=new_id(), candidate_ids=ids)
    results = (await officer.call(request)).results
    assert [each.error_reason for each in results] == ["OUT_OF_SCOPE", "OUT_OF_SCOPE", ""]
    await require_dense(server, 1, WUHOU)
    await require_dense(server, 0)


async def test_an_older_candidate_among_them(server: RegistrationServer, tmp_path: Path) -> None:
    """Whom no session has registered is refused like whoever is decided, and stops no other."""
    await import_rows(await server.caller("operator"), older_row(1, has_account=True))
    (row,) = await server.rows("SELECT candidate_id FROM registration.candidate")
    older = str(row["candidate_id"])
    ids = [str(each) for each in await seeded(server, tmp_path, 2)]
    officer = await new_officer(server)
    await officer.call(lease_request())
    request = review.ApproveRegistrationsRequest(
        request_id=new_id(), candidate_ids=[ids[0], older, ids[1]]
    )
    results = (await officer.call(request)).results
    assert [each.error_reason for each in results] == ["", "STATE_NOT_ALLOWED", ""]
    assert (await officer.refused(approval(older))).reason == "STATE_NOT_ALLOWED"
    stranger = await new_officer(server, WUHOU)
    assert (await stranger.refused(approval(older))).reason == "OUT_OF_SCOPE"


async def test_a_number_that_is_taken_is_passed_over(
    server: RegistrationServer, tmp_path: Path
) -> None:
    """A county goes on where numbers were entered by hand, and the gap is seen."""
    ids = [str(each) for each in await seeded(server, tmp_path, 2)]
    await server.rows(
        """INSERT INTO registration.ticket_number
            (ticket_number, candidate_id, status, reason, assigned_at)
        SELECT number, NULL, 'older', '', now()
        FROM unnest(ARRAY['010422100001', '010422100003']) AS number"""
    )
    officer = await new_officer(server)
    await officer.call(lease_request())
    request = review.ApproveRegistrationsRequest(request_id=new_id(), candidate_ids=ids)
    results = (await officer.call(request)).results
    assert [each.ticket_number for each in results] == ["010422100002", "010422100004"]
    assert await violations(server) == {"registration_serials_are_dense": 1}


async def test_500_in_one_call(server: RegistrationServer, tmp_path: Path) -> None:
    """A whole list is approved at once; one more breaks the contract, and so does a repetition."""
    ids = [str(each) for each in await seeded(server, tmp_path, 500)]
    officer = await new_officer(server)
    await officer.call(lease_request(count=500))
    for wrong in ([*ids, new_id()], [ids[0], ids[0]], []):
        request = review.ApproveRegistrationsRequest(request_id=new_id(), candidate_ids=wrong)
        assert (await officer.refused(request)).reason == "INVALID_REQUEST"
    request = review.ApproveRegistrationsRequest(request_id=new_id(), candidate_ids=ids)
    results = (await officer.call(request)).results
    assert {each.error_reason for each in results} == {""}
    await require_dense(server, 500)


async def test_bulk_and_single_at_once(server: RegistrationServer, tmp_path: Path) -> None:
    """The same registrations approved in bulk and rejected one by one: each is decided once."""
    ids = [str(each) for each in await seeded(server, tmp_path, 200)]
    officer = await new_officer(server)
    await officer.call(lease_request(count=200))
    bulks = [
        review.ApproveRegistrationsRequest(request_id=new_id(), candidate_ids=ids[at : at + 50])
        for at in range(0, 200, 50)
    ]
    singles = [officer.call(rejection(each)) for each in reversed(ids)]
    await asyncio.gather(*map(officer.call, bulks), *singles, return_exceptions=True)
    decided = await server.rows(
        """SELECT candidate_id, approved, state FROM registration.decision
        JOIN registration.candidate USING (candidate_id)"""
    )
    assert len(decided) == 200
    assert all((row["state"] == "approved") == row["approved"] for row in decided)
    await require_dense(server, sum(row["approved"] for row in decided))


async def test_a_list_and_a_single_decision_meet(
    server: RegistrationServer, tmp_path: Path
) -> None:
    """An approval in a list and a rejection of the same person: the first counts, and alone."""
    (one,) = await seeded(server, tmp_path, 1)
    officer = await new_officer(server)
    await officer.call(lease_request())
    listed = officer.call(approvals([one]))
    single = officer.refused(rejection(str(one)))
    answers = await meet(server.dsn, ["SELECT FROM registration.candidate"], listed, single)
    assert [getattr(each, "reason", "approved") for each in answers] == [
        "approved",
        "STATE_NOT_ALLOWED",
    ]
    assert len(await server.rows("SELECT FROM registration.decision")) == 1
    await require_dense(server, 1)


async def test_two_lists_that_meet_are_numbered_in_turn(
    server: RegistrationServer, tmp_path: Path
) -> None:
    """Both want the county's next serial at the same moment: one begins where the other ends."""
    first, *others = await seeded(server, tmp_path, 5)
    officer = await new_officer(server)
    await officer.call(lease_request())
    await officer.call(approval(str(first)))
    lists = [officer.call(approvals(part)) for part in (others[:2], others[2:])]
    for answer in await meet(server.dsn, ["SELECT FROM registration.ticket_serial"], *lists):
        assert isinstance(answer, review.ApproveRegistrationsResponse), answer
        assert {each.error_reason for each in answer.results} == {""}
    await require_dense(server, 5)


def approvals(candidate_ids: Sequence[UUID]) -> review.ApproveRegistrationsRequest:
    """A list that an officer approves."""
    return review.ApproveRegistrationsRequest(
        request_id=new_id(), candidate_ids=map(str, candidate_ids)
    )


async def test_counties_have_their_own_serials(server: RegistrationServer, tmp_path: Path) -> None:
    """A batch over two counties numbers each from its own one on; the last serial is the last."""
    here = [str(each) for each in await seeded(server, tmp_path, 3)]
    there = [str(each) for each in await seeded(server, tmp_path, 3, WUHOU)]
    await server.rows(
        "INSERT INTO registration.ticket_serial VALUES ($1, $2, 99998)", SESSION_CODE, JINJIANG
    )
    officer = await new_officer(server, "5101", options_pb2.ROLE_CITY_OFFICER)
    await officer.call(lease_request("5101"))
    mixed = [each for pair in zip(here, there, strict=True) for each in pair]
    request = review.ApproveRegistrationsRequest(request_id=new_id(), candidate_ids=mixed)
    results = (await officer.call(request)).results
    assert [each.ticket_number or each.error_reason for each in results] == [
        "010422199999",
        "010722100001",
        "SERIALS_EXHAUSTED",
        "010722100002",
        "SERIALS_EXHAUSTED",
        "010722100003",
    ]
    pending = await server.rows(
        "SELECT candidate_id FROM registration.candidate WHERE state = 'pending_review'"
    )
    assert {str(row["candidate_id"]) for row in pending} == {here[1], here[2]}


@pytest.mark.parametrize("moment", list(Moment))
async def test_a_lost_commit_is_looked_up(
    make_database: MakeDatabase, tmp_path: Path, moment: Moment
) -> None:
    """Whether it happened or not, the request again gives one number, and no serial is lost."""
    dsn = await make_database("registration")
    async with CuttingProxy(dsn) as proxy, AsyncExitStack() as stack:
        running = registration_server(proxy.dsn, tmp_path, poll_seconds=60.0)
        server = await stack.enter_async_context(running)
        await apply_session(server)
        (candidate_id,) = await seeded(server, tmp_path, 1)
        officer = await new_officer(server)
        await officer.call(lease_request())
        request = approval(str(candidate_id))
        proxy.cut_at_commit(moment)
        first = await asyncio.gather(officer.call(request), return_exceptions=True)
        assert proxy.cuts == 1

        async def answered() -> Any:
            answers = await asyncio.gather(officer.call(request), return_exceptions=True)
            return None if isinstance(answers[0], BaseException) else answers[0]

        again = await until(answered)
        assert again.ticket_number == "010422100001"
        if moment is not Moment.BEFORE:
            assert list(first) == [again]
        await require_dense(server, 1)


async def test_poison_fails_alone(server: RegistrationServer, tmp_path: Path) -> None:
    """A registration that cannot be read keeps none that come with it from being approved."""
    ids = [str(each) for each in await seeded(server, tmp_path, 5)]
    officer = await new_officer(server)
    await officer.call(lease_request())
    damage = "UPDATE registration.candidate SET personal_enc = $2 WHERE candidate_id = $1"
    await server.rows(damage, ids[2], b"damaged")
    answers = await asyncio.gather(
        *(officer.call(approval(each)) for each in ids), return_exceptions=True
    )
    refused = [n for n, each in enumerate(answers) if isinstance(each, BaseException)]
    assert refused == [2]
    await require_dense(server, 4)


async def test_one_id_for_two_decisions(server: RegistrationServer, tmp_path: Path) -> None:
    """The same request is answered once and for all; its id with another body is refused."""
    ids = [str(each) for each in await seeded(server, tmp_path, 2)]
    officer = await new_officer(server)
    await officer.call(lease_request())
    request = approval(ids[0])
    first, again = await asyncio.gather(officer.call(request), officer.call(request))
    assert first == again == await officer.call(request)
    other = review.DecideRegistrationRequest(
        request_id=request.request_id, candidate_id=ids[1], approve=True
    )
    assert (await officer.refused(other)).reason == "REQUEST_ID_REUSED"
    await require_dense(server, 1)
    stored = await server.rows(
        "SELECT response FROM registration.idempotency WHERE request_id = $1", request.request_id
    )
    assert first.ticket_number.encode() not in stored[0]["response"]


async def test_leases_are_given_back(server: RegistrationServer, tmp_path: Path) -> None:
    """What an officer gives back another has at once; nobody gives back another's work."""
    ids = [str(each) for each in await seeded(server, tmp_path, 4)]
    officer, other = await new_officer(server), await new_officer(server, name="colleague")
    await officer.call(lease_request())
    theirs = review.ReleaseLeasesRequest(request_id=new_id(), candidate_ids=ids)
    assert (await other.call(theirs)).candidate_ids == []
    some = review.ReleaseLeasesRequest(request_id=new_id(), candidate_ids=ids[:1])
    assert (await officer.call(some)).candidate_ids == ids[:1]
    leased = (await other.call(lease_request())).registrations
    assert [each.candidate_id for each in leased] == ids[:1]
    rest = review.ReleaseLeasesRequest(request_id=new_id())
    assert set((await officer.call(rest)).candidate_ids) == set(ids[1:])
    assert (await officer.refused(approval(ids[1]))).reason == "LEASE_LOST"
    audited = await server.rows("SELECT 1 FROM registration.audit WHERE action = 'release_lease'")
    assert len(audited) == 4


async def test_a_look_at_a_stored_answer_is_audited(
    server: RegistrationServer, tmp_path: Path
) -> None:
    """A lease that is asked for again shows the person again, and leaves a trace again."""
    await seeded(server, tmp_path, 2)
    officer = await new_officer(server)
    request = lease_request()
    first = await officer.call(request)
    assert await officer.call(request) == first
    audited = await server.rows(
        "SELECT action FROM registration.audit WHERE action IN ($1, $2) ORDER BY audit_id",
        "lease_registration",
        "view_leased_again",
    )
    assert [row["action"] for row in audited] == ["lease_registration"] * 2 + [
        "view_leased_again"
    ] * 2


async def test_a_rejection_in_a_batch_takes_no_serial(
    server: RegistrationServer, tmp_path: Path
) -> None:
    """Approvals and rejections that come together: as many serials as approvals."""
    ids = [str(each) for each in await seeded(server, tmp_path, 20)]
    officer = await new_officer(server)
    await officer.call(lease_request(count=20))
    decisions = [approval(each) if n % 2 else rejection(each) for n, each in enumerate(ids)]
    answers = await asyncio.gather(*map(officer.call, decisions))
    states = [each.state for each in answers]
    assert states == [types.REGISTRATION_STATE_REJECTED, types.REGISTRATION_STATE_APPROVED] * 10
    await require_dense(server, 10)
