"""One person, one number: those who have one already, whatever they come with."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.registration_changes import (
    EFFECTIVE_AT,
    OTHER_NUMBER,
    approved_change,
    logged_in,
    open_changes,
    other_document,
)
from support.registration_invariants import violations
from support.registration_older import (
    activation_request,
    import_rows,
    merge_request,
    older_number,
    older_row,
)
from support.registration_people import (
    NAME,
    apply_session,
    approval,
    document_number,
    lease_request,
    new_officer,
    pending_candidate,
)
from support.registration_records import approved_candidate, published
from support.registration_server import NOON, OPENS, RegistrationServer, registration_server
from support.service import Caller, new_id, until
from support.service_databases import MakeDatabase
from zikao.options.v1 import options_pb2
from zikao.registration.v1 import older_record_service_pb2 as records
from zikao.registration.v1 import review_service_pb2 as review
from zikao.registration.v1 import session_service_pb2 as session
from zikao.registration.v1 import ticket_number_service_pb2 as tickets
from zikao_kit.convert import time_to_pb

WINDOW = session.SessionWindow(
    opens_at=time_to_pb(OPENS), closes_at=time_to_pb(OPENS + timedelta(days=400))
)


@pytest.fixture
async def server(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[RegistrationServer]:
    """A running service with the session applied."""
    async with registration_server(await make_database("registration"), tmp_path) as running:
        await apply_session(running, activation=WINDOW)
        yield running


async def province_officer(server: RegistrationServer) -> Caller:
    """Who may merge and cancel."""
    return await new_officer(server, "51", options_pb2.ROLE_PROVINCE_OFFICER)


async def enter(server: RegistrationServer, *rows: Any) -> None:
    """Enter older candidates."""
    answer = await import_rows(await server.caller("operator"), *rows)
    assert list(answer.problems) == []


def cancellation(number: int) -> tickets.CancelTicketNumberRequest:
    """Withdraw an older number."""
    return tickets.CancelTicketNumberRequest(
        request_id=new_id(), ticket_number=older_number(number), reason="录入错误"
    )


async def approve(officer: Caller, candidate_id: str) -> Any:
    """In bulk, for the reason of a refusal; the result."""
    await officer.call(lease_request())
    request = review.ApproveRegistrationsRequest(request_id=new_id(), candidate_ids=[candidate_id])
    return (await officer.call(request)).results[0]


async def test_an_older_number_is_kept(server: RegistrationServer) -> None:
    """Who applies past an older number has it after approval, and no serial is used."""
    known: dict[str, Any] = {"name": NAME, "document_number": document_number(1)}
    await enter(server, older_row(1, **known), older_row(2, **known))
    officer, province = await new_officer(server), await province_officer(server)
    _, first = await pending_candidate(server, 1)
    _, second = await pending_candidate(server, 3)
    assert (await approve(officer, first)).error_reason == "TICKET_NUMBERS_TO_MERGE"
    await province.call(merge_request(1, 2))
    answer = await officer.call(approval(first))
    assert answer.ticket_number == older_number(1)
    assert (await officer.call(approval(second))).ticket_number == "010422100001"
    assert (await published(server, first)).ticket_number == older_number(1)
    portal = await server.caller("portal")
    again = await portal.refused(activation_request(1, name=NAME))
    assert again.reason == "ALREADY_ACTIVATED"
    assert await violations(server) == {}


async def test_an_older_number_of_another_name(server: RegistrationServer) -> None:
    """Whose it is somebody must say: the approval is refused, and the others are not."""
    await enter(server, older_row(1, name="另一人"))
    officer = await new_officer(server)
    _, candidate_id = await pending_candidate(server)
    assert (await approve(officer, candidate_id)).error_reason == "OLDER_NAME_DIFFERS"
    await (await province_officer(server)).call(cancellation(1))
    assert (await officer.call(approval(candidate_id))).ticket_number == "010422100001"
    assert await violations(server) == {}


async def test_a_former_document(server: RegistrationServer) -> None:
    """Whose document was changed gets no second number with the one before, on no way."""
    await open_changes(server)
    officer = await new_officer(server)
    candidate, _ = await approved_candidate(server, officer)
    await approved_change(candidate, officer, other_document())
    await server.move_clock(EFFECTIVE_AT)
    await until(lambda: logged_in(server, OTHER_NUMBER))
    await server.move_clock(NOON)
    await apply_session(server, activation=WINDOW)
    await enter(server, older_row(1, name=NAME, has_account=True))
    portal = await server.caller("portal")
    refused = await portal.refused(activation_request(1, name=NAME))
    assert refused.reason == "ACCOUNT_EXISTS"
    province = await province_officer(server)
    to_merge = records.ListOlderRecordsRequest(
        county_code="51", filter=records.OLDER_RECORD_FILTER_TO_MERGE
    )
    listed = (await province.call(to_merge)).records
    assert [each.ticket_number for each in listed] == [older_number(1)]
    await province.call(cancellation(1))
    _, second = await pending_candidate(server, 1)
    assert (await approve(officer, second)).error_reason == "PERSON_REGISTERED"
    numbers = await server.rows("SELECT 1 FROM registration.ticket_number WHERE status = 'current'")
    assert len(numbers) == 1
