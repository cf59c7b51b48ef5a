"""The office's list: masked, filtered, stable while rows move; full views are audited."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from google.protobuf.message import Message
from support.registration_people import (
    JINJIANG,
    NAME,
    SESSION_CODE,
    WUHOU,
    apply_session,
    approval,
    document_number,
    lease_request,
    new_candidate,
    new_officer,
    pending_candidate,
    rejection,
    submit_request,
)
from support.registration_seeding import seed_pending
from support.registration_server import (
    NOON,
    REVIEW_CLOSES,
    RegistrationServer,
    registration_server,
)
from support.service import Caller, new_id
from support.service_databases import MakeDatabase
from zikao.options.v1 import options_pb2
from zikao.registration.v1 import review_service_pb2 as review
from zikao.registration.v1 import types_pb2 as types
from zikao.registration.v1 import work_list_service_pb2 as work_lists
from zikao_kit.convert import time_to_pb
from zikao_kit.crypto import KeyRing

SEEDED_AT = NOON - timedelta(hours=2)


@pytest.fixture
async def server(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[RegistrationServer]:
    """A running service with the session applied, in its registration window."""
    async with registration_server(await make_database("registration"), tmp_path) as running:
        await apply_session(running)
        yield running


async def seeded(
    server: RegistrationServer, folder: Path, count: int, **where: Any
) -> Sequence[UUID]:
    """Registrations that wait."""
    keys = KeyRing.from_file(folder / "keys.yaml")
    fields: dict[str, Any] = {
        "session_code": SESSION_CODE,
        "county_code": JINJIANG,
        "submitted_at": SEEDED_AT,
    }
    return await seed_pending(server.dsn, keys, count, **(fields | where))


def asked(code: str = JINJIANG, **filters: Any) -> work_lists.ListRegistrationsRequest:
    """Ask for a list."""
    return work_lists.ListRegistrationsRequest(county_code=code, **filters)


async def listed(officer: Caller, code: str = JINJIANG, **filters: Any) -> list[str]:
    """The candidates of all pages."""
    request, found = asked(code, **filters), []
    while True:
        page = await officer.call(request)
        found += [each.candidate_id for each in page.registrations]
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


async def test_lists_are_masked(server: RegistrationServer) -> None:
    """What a list shows is enough to recognise a person, and no more."""
    _, candidate_id = await pending_candidate(server, 5)
    officer = await new_officer(server)
    (shown,) = (await officer.call(asked())).registrations
    number = document_number(5)
    assert (shown.candidate_id, shown.masked_name, shown.masked_mobile) == (
        candidate_id,
        "阿****",
        "138****5678",
    )
    assert shown.masked_document_number == f"510104********{number[-4:]}"
    assert (shown.state, shown.has_identity_material) == (
        types.REGISTRATION_STATE_PENDING_REVIEW,
        True,
    )
    assert NAME not in str(shown)
    assert number not in str(shown)
    looks = """SELECT 1 FROM registration.audit
        WHERE action IN ('view_registration', 'find_registration')"""
    assert await server.rows(looks) == []


async def test_a_full_view_is_audited(server: RegistrationServer) -> None:
    """An officer in scope sees all without a lease, and leaves a trace; others see nothing."""
    _, candidate_id = await pending_candidate(server)
    officer, other = await new_officer(server), await new_officer(server, WUHOU)
    look = work_lists.GetRegistrationForReviewRequest(candidate_id=candidate_id)
    assert (await other.refused(look)).reason == "OUT_OF_SCOPE"
    full = await officer.call(look)
    assert full.registration.personal.name == NAME
    assert not full.HasField("leased_until")
    await officer.call(lease_request())
    assert (await officer.call(look)).leased_to_me
    audited = await server.rows(
        """SELECT candidate_id, county_code FROM registration.audit
        WHERE action = 'view_registration'"""
    )
    assert [(str(row[0]), row[1]) for row in audited] == [(candidate_id, JINJIANG)] * 2


async def test_each_row_once_while_rows_move(server: RegistrationServer, tmp_path: Path) -> None:
    """Between the pages some are approved, some rejected and handed in again: none twice.

    Those that stayed are all there, those that are handed in again are in the next list.
    """
    ids = [str(each) for each in await seeded(server, tmp_path, 30)]
    officer = await new_officer(server)
    request, seen = asked(page_size=7, state=types.REGISTRATION_STATE_PENDING_REVIEW), []
    for moved in (ids[0:4], ids[3:14], ids[20:22], ids[28:]):
        page = await officer.call(request)
        seen += [each.candidate_id for each in page.registrations]
        request.page_token = page.next_page_token
        await hand_in_again(server, moved)
    while request.page_token:
        page = await officer.call(request)
        seen += [each.candidate_id for each in page.registrations]
        request.page_token = page.next_page_token
    assert len(seen) == len(set(seen))
    stayed = set(ids) - {*ids[0:4], *ids[3:14], *ids[20:22], *ids[28:]}
    assert stayed <= set(seen)
    await server.move_clock(NOON + timedelta(minutes=1))
    assert set(await listed(officer, page_size=7)) == set(ids)


async def hand_in_again(server: RegistrationServer, candidate_ids: Sequence[str]) -> None:
    """As SubmitRegistration does, a second after the first page."""
    await server.rows(
        """UPDATE registration.candidate SET submitted_at = $2, updated_at = $2
        WHERE candidate_id = ANY ($1::uuid[])""",
        candidate_ids,
        NOON + timedelta(seconds=30),
    )


async def test_areas(server: RegistrationServer, tmp_path: Path) -> None:
    """A county's list has the county's, the city's both, in one order; out of scope none."""
    here = await seeded(server, tmp_path, 5)
    later = SEEDED_AT + timedelta(seconds=2, milliseconds=500)
    there = await seeded(server, tmp_path, 5, county_code=WUHOU, submitted_at=later)
    officer = await new_officer(server)
    city = await new_officer(server, "5101", options_pb2.ROLE_CITY_OFFICER)
    assert await listed(officer) == [str(each) for each in here]
    assert (await officer.refused(asked(WUHOU))).reason == "OUT_OF_SCOPE"
    assert (await officer.refused(asked("5101"))).reason == "OUT_OF_SCOPE"
    both = await listed(city, "5101", page_size=3)
    assert both[:4] == [str(each) for each in (*here[:3], there[0])]
    assert set(both) == {str(each) for each in (*here, *there)}
    assert await listed(city, WUHOU) == [str(each) for each in there]


async def test_tokens_belong_to_their_list(server: RegistrationServer, tmp_path: Path) -> None:
    """A token of other filters, of somebody else, or changed by one character is refused."""
    await seeded(server, tmp_path, 5)
    officer, other = await new_officer(server), await new_officer(server, name="colleague")
    token = (await officer.call(asked(page_size=2))).next_page_token
    changed = token[:30] + ("A" if token[30] != "A" else "B") + token[31:]
    for caller, request in (
        (officer, asked(page_token=token, state=types.REGISTRATION_STATE_APPROVED)),
        (officer, asked(page_token=changed)),
        (officer, asked(page_token="a place")),
        (officer, asked(page_token="字")),
        (other, asked(page_token=token)),
    ):
        refused = await caller.refused(request)
        assert (refused.reason, refused.fields[0].field) == ("INVALID_REQUEST", "page_token")
    assert len((await officer.call(asked(page_token=token, page_size=4))).registrations) == 3


async def test_filters(server: RegistrationServer, tmp_path: Path) -> None:
    """Each filter leaves exactly what it names."""
    await apply_session(server, four_eyes_percent=100)
    _, with_material = await pending_candidate(server, 1)
    ids = [str(each) for each in await seeded(server, tmp_path, 6)]
    officer, other = await new_officer(server), await new_officer(server, name="colleague")
    await officer.call(lease_request(count=3))
    await officer.call(rejection(ids[0]))
    await officer.call(approval(ids[1]))
    free, leased = work_lists.LEASE_FILTER_FREE, work_lists.LEASE_FILTER_LEASED
    at = [time_to_pb(SEEDED_AT + timedelta(seconds=second)) for second in (2, 4)]
    for filters, expected in (
        ({"has_identity_material": True}, {with_material}),
        ({"has_identity_material": False}, set(ids)),
        ({"state": types.REGISTRATION_STATE_REJECTED}, {ids[0]}),
        ({"state": types.REGISTRATION_STATE_PENDING_REVIEW}, {*ids[1:], with_material}),
        ({"awaiting_confirmation": True}, {ids[1]}),
        ({"awaiting_confirmation": False}, {ids[0], *ids[2:], with_material}),
        ({"rejection_reason": types.REJECTION_REASON_PHOTO}, {ids[0]}),
        ({"rejection_reason": types.REJECTION_REASON_NAME}, set()),
        ({"lease": leased}, {ids[2]}),
        ({"lease": work_lists.LEASE_FILTER_MINE}, {ids[2]}),
        ({"lease": free}, {*ids, with_material} - {ids[2]}),
        ({"submitted_from": at[0], "submitted_to": at[1]}, {ids[2], ids[3]}),
        ({"session_code": SESSION_CODE}, {*ids, with_material}),
        ({"session_code": "22.2"}, set()),
    ):
        assert set(await listed(officer, **filters)) == expected, filters
    assert await listed(other, lease=work_lists.LEASE_FILTER_MINE) == []
    await server.move_clock(NOON + timedelta(minutes=16))
    later = await new_officer(server, name="later")
    assert len(await listed(later, lease=free)) == 7


async def test_searching_for_one_person(server: RegistrationServer) -> None:
    """By document in any spelling, or by ticket number; audited, and only in scope."""
    _, candidate_id = await pending_candidate(server, 7)
    officer, other = await new_officer(server), await new_officer(server, WUHOU)
    await officer.call(lease_request())
    number = (await officer.call(approval(candidate_id))).ticket_number
    by_document: dict[str, Any] = {
        "document_type": types.DOCUMENT_TYPE_RESIDENT_ID,
        "document_number": document_number(7).lower(),
    }
    assert await listed(officer, **by_document) == [candidate_id]
    assert await listed(officer, ticket_number=number) == [candidate_id]
    assert await listed(officer, ticket_number="010422199999") == []
    assert await listed(other, WUHOU, **by_document) == []
    half = asked(document_number=document_number(7))
    assert (await officer.refused(half)).reason == "INVALID_REQUEST"
    wrong = asked(document_type=types.DOCUMENT_TYPE_RESIDENT_ID, document_number="1")
    assert (await officer.refused(wrong)).reason == "DOCUMENT_INVALID"
    audited = await server.rows(
        "SELECT candidate_id, after FROM registration.audit WHERE action = 'find_registration'"
    )
    assert [row["candidate_id"] for row in audited].count(UUID(candidate_id)) == 2
    assert len(audited) == 4
    assert document_number(7) not in str(audited)


async def test_candidates_and_auditors_have_no_list(server: RegistrationServer) -> None:
    """Only offices see lists, full views and counts."""
    candidate = await new_candidate(server)
    auditor = await new_officer(server, "51", options_pb2.ROLE_AUDITOR)
    requests: list[Message] = [
        asked("51"),
        work_lists.GetRegistrationForReviewRequest(candidate_id=new_id()),
        work_lists.GetReviewStatisticsRequest(county_code="51", session_code=SESSION_CODE),
        review.ApproveRegistrationsRequest(request_id=new_id(), candidate_ids=[new_id()]),
        review.ReleaseLeasesRequest(request_id=new_id()),
    ]
    for caller in (candidate, auditor):
        for request in requests:
            assert (await caller.refused(request)).reason == "PERMISSION_DENIED"


async def test_statistics(server: RegistrationServer, tmp_path: Path) -> None:
    """Counts by state and age, and how fast offices decide; first approvals are not counted."""
    await apply_session(server, four_eyes_percent=100)
    await new_candidate(server, 1)
    ages = (timedelta(minutes=30), timedelta(hours=2), timedelta(hours=20), timedelta(hours=40))
    for number, age in enumerate(ages):
        county = f"5101{number:02}" if number else JINJIANG
        if number == 0:
            ids = [str(each) for each in await seeded(server, tmp_path, 4, submitted_at=NOON - age)]
        else:
            await move_in(server, tmp_path, county, NOON - age)
    officer, other = await new_officer(server), await new_officer(server, name="colleague")
    await officer.call(lease_request())
    await officer.call(rejection(ids[0]))
    await officer.call(approval(ids[1]))
    await officer.call(approval(ids[2]))
    await other.call(lease_request())
    await other.call(approval(ids[1]))
    request = work_lists.GetReviewStatisticsRequest(county_code=JINJIANG, session_code=SESSION_CODE)
    (county,) = (await officer.call(request)).counties
    assert (county.pending, county.awaiting_confirmation, county.approved, county.rejected) == (
        5,
        1,
        1,
        1,
    )
    waiting = (
        county.waiting_under_1_hour,
        county.waiting_under_4_hours,
        county.waiting_under_24_hours,
        county.waiting_longer,
    )
    assert waiting == (2, 1, 1, 1)
    assert county.oldest_submitted_at.ToDatetime(NOON.tzinfo) == NOON - ages[-1]
    assert [(each.hours_ago, each.approved, each.rejected) for each in county.hours] == [(0, 1, 1)]
    assert timedelta(minutes=29) < county.median_decision_time.ToTimedelta() < timedelta(minutes=31)
    assert county.overdue == 0


async def move_in(server: RegistrationServer, folder: Path, county: str, submitted_at: Any) -> None:
    """One more that waits in Jinjiang, with an address elsewhere."""
    (candidate_id,) = await seeded(server, folder, 1, county_code=county, submitted_at=submitted_at)
    await server.rows(
        "UPDATE registration.candidate SET county_code = $2 WHERE candidate_id = $1",
        candidate_id,
        JINJIANG,
    )


async def test_overdue_and_drafts(server: RegistrationServer) -> None:
    """What no office decided in time is counted as overdue; drafts belong to no county yet."""
    await pending_candidate(server, 1)
    draft = await new_candidate(server, 2)
    assert (await draft.refused(submit_request())).reason == "REGISTRATION_INCOMPLETE"
    await server.move_clock(REVIEW_CLOSES)
    officer = await new_officer(server)
    request = work_lists.GetReviewStatisticsRequest(county_code=JINJIANG, session_code=SESSION_CODE)
    (county,) = (await officer.call(request)).counties
    assert (county.pending, county.overdue, county.drafts) == (1, 1, 0)
    unknown = work_lists.GetReviewStatisticsRequest(county_code=JINJIANG, session_code="9")
    assert (await officer.refused(unknown)).reason == "SESSION_UNKNOWN"
