"""Offices complete records, merge and cancel ticket numbers."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.registration_older import (
    OLDER_NAME,
    activation_request,
    completion_request,
    import_rows,
    merge_request,
    older_number,
    older_photo,
    older_row,
)
from support.registration_people import (
    JINJIANG,
    WUHOU,
    apply_session,
    document_number,
    log_in,
    material,
    new_officer,
    session_part,
)
from support.registration_server import (
    OPENS,
    RegistrationServer,
    registration_server,
)
from support.service import Caller, new_id
from support.service_databases import MakeDatabase
from zikao.options.v1 import options_pb2
from zikao.registration.v1 import account_service_pb2 as accounts
from zikao.registration.v1 import candidate_feed_service_pb2 as feed
from zikao.registration.v1 import older_record_service_pb2 as records
from zikao.registration.v1 import registration_service_pb2 as registration
from zikao.registration.v1 import session_service_pb2 as session
from zikao.registration.v1 import study_record_service_pb2 as study
from zikao.registration.v1 import ticket_number_service_pb2 as numbers
from zikao_kit.convert import time_to_pb
from zikao_registration.domain.older_records import read_photo

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


async def known_elsewhere(server: RegistrationServer, candidate_id: str) -> feed.Candidate:
    """The candidate as enrollment knows it."""
    enrollment = await server.caller("enrollment")
    answer = await enrollment.call(feed.GetCandidateRequest(candidate_id=candidate_id))
    candidate: feed.Candidate = answer.candidate
    return candidate


def photo_of(original: bytes) -> bytes:
    """The SHA-256 of an older photo as it is kept."""
    return read_photo(original).sha256


async def statuses(server: RegistrationServer) -> dict[str, str]:
    """Every ticket number with its status."""
    rows = await server.rows("SELECT ticket_number, status FROM registration.ticket_number")
    return {row["ticket_number"]: row["status"] for row in rows}


async def listed(officer: Caller, filter_by: Any, code: str = JINJIANG) -> list[str]:
    """Ticket numbers of records that wait for something."""
    request = records.ListOlderRecordsRequest(county_code=code, filter=filter_by)
    return [each.ticket_number for each in (await officer.call(request)).records]


async def test_an_office_completes_a_record(server: RegistrationServer) -> None:
    """What was missing is filled in, and the candidate activates."""
    await enter(server, older_row(1, document_number="", photo_jpeg=b""), older_row(2))
    officer = await new_officer(server)
    incomplete = records.OLDER_RECORD_FILTER_INCOMPLETE
    assert await listed(officer, incomplete) == [older_number(1)]
    request = completion_request(1, document_number=document_number(1), photo_jpeg=older_photo())
    record = (await officer.call(request)).record
    assert (record.document_number, record.has_photo) == (document_number(1), True)
    assert await listed(officer, incomplete) == []
    assert len(await listed(officer, records.OLDER_RECORD_FILTER_UNSPECIFIED)) == 2
    again = await officer.refused(completion_request(1, photo_jpeg=older_photo()))
    assert (again.reason, again.fields[0].field) == ("INVALID_REQUEST", "photo_jpeg")
    await activate(server)


async def test_a_completed_record_stays_when_the_file_comes_again(
    server: RegistrationServer,
) -> None:
    """No import takes away what an office has filled in since, also one that replaces."""
    row = older_row(1, document_number="", name="李二")
    await enter(server, row)
    officer = await new_officer(server)
    await officer.call(completion_request(1, document_number=document_number(1)))
    operator = await server.caller("operator")
    again = await import_rows(operator, row, replace=True)
    assert again.progress.unchanged == 1
    renamed = older_row(1, document_number="", photo_jpeg=b"")
    for outcome in ("replaced", "unchanged"):
        answer = await import_rows(operator, renamed, replace=True)
        assert getattr(answer.progress, outcome) == 1
    await activate(server)


async def test_a_completion_must_fit(server: RegistrationServer) -> None:
    """Another's document, a woman's number for a man and a picture of another shape are refused."""
    await enter(server, older_row(1, document_number="", photo_jpeg=b""), older_row(2))
    officer = await new_officer(server)
    taken = completion_request(1, document_number=document_number(2))
    assert (await officer.refused(taken)).reason == "DOCUMENT_OF_ANOTHER"
    woman = completion_request(1, document_number="11010519491231002X")
    assert (await officer.refused(woman)).fields[0].field == "document_number"
    no_photo = completion_request(1, photo_jpeg=material())
    assert (await officer.refused(no_photo)).reason == "PHOTO_REFUSED"
    nothing = completion_request(1)
    assert (await officer.refused(nothing)).reason == "INVALID_REQUEST"


async def test_who_had_an_account_has_it_once_complete(server: RegistrationServer) -> None:
    """The document number makes the account, the photo lets its owner in."""
    await enter(server, older_row(1, document_number="", photo_jpeg=b"", has_account=True))
    officer = await new_officer(server)
    await officer.call(completion_request(1, document_number=document_number(1)))
    rows = await server.rows("SELECT candidate_id FROM registration.candidate")
    candidate_id = str(rows[0]["candidate_id"])
    assert (await known_elsewhere(server, candidate_id)).photo_sha256 == b""
    portal, number = await server.caller("portal"), document_number(1)
    right = accounts.LogInRequest(login_name=number, password=number[-6:])
    assert (await portal.refused(right)).reason == "RECORD_INCOMPLETE"
    wrong = accounts.LogInRequest(login_name=number, password="123456")
    assert (await portal.refused(wrong)).reason == "LOGIN_FAILED"
    incomplete = records.OLDER_RECORD_FILTER_INCOMPLETE
    assert await listed(officer, incomplete) == [older_number(1)]
    await officer.call(completion_request(1, photo_jpeg=older_photo()))
    assert (await known_elsewhere(server, candidate_id)).photo_sha256 != b""
    logged_in = await portal.call(right)
    assert logged_in.tokens.subject == candidate_id
    assert await listed(officer, incomplete) == []


async def test_lists_are_masked_and_views_audited(server: RegistrationServer) -> None:
    """A list shows enough to recognise; who looks at a record in full is written down."""
    await enter(server, older_row(1))
    officer = await new_officer(server)
    request = records.ListOlderRecordsRequest(county_code=JINJIANG)
    (record,) = (await officer.call(request)).records
    assert (record.name, record.document_number[6:14]) == ("王****", "********")
    full = await officer.call(records.GetOlderRecordRequest(ticket_number=older_number(1)))
    assert (full.record.name, full.record.document_number) == (OLDER_NAME, document_number(1))
    assert full.photo_jpeg.startswith(b"\xff\xd8")
    rows = await server.rows(
        "SELECT county_code FROM registration.audit WHERE action = 'view_older_record'"
    )
    assert [row["county_code"] for row in rows] == [JINJIANG]


async def test_records_come_in_pages(server: RegistrationServer) -> None:
    """A county's records are read page by page, each once."""
    await enter(server, *(older_row(number) for number in range(1, 6)))
    officer, found, token = await new_officer(server), [], ""
    while True:
        request = records.ListOlderRecordsRequest(
            county_code=JINJIANG, page_size=2, page_token=token
        )
        page = await officer.call(request)
        found += [each.ticket_number for each in page.records]
        token = page.next_page_token
        if not token:
            break
    assert found == [older_number(number) for number in range(1, 6)]


async def test_other_offices_see_nothing(server: RegistrationServer) -> None:
    """Records and numbers are of their county's office."""
    await enter(server, older_row(1), older_row(2, document_number=document_number(1)))
    other = await new_officer(server, WUHOU)
    number = older_number(1)
    for request in (
        records.GetOlderRecordRequest(ticket_number=number),
        records.ListOlderRecordsRequest(county_code=JINJIANG),
        completion_request(1, mobile="13812345678"),
        merge_request(1, 2),
        numbers.ListTicketNumbersRequest(ticket_number=number),
    ):
        assert (await other.refused(request)).reason == "OUT_OF_SCOPE"


async def test_numbers_of_one_person_become_one(server: RegistrationServer) -> None:
    """The kept one is activated, the others are cancelled for ever, and both are the person's."""
    person = document_number(1)
    await enter(server, older_row(1), older_row(2, document_number=person))
    officer = await new_officer(server)
    assert await listed(officer, records.OLDER_RECORD_FILTER_TO_MERGE) == [
        older_number(1),
        older_number(2),
    ]
    merged = (await officer.call(merge_request(2, 1))).ticket_numbers
    assert [(each.number, each.status) for each in merged] == [
        (older_number(2), study.TICKET_NUMBER_STATUS_OLDER),
        (older_number(1), study.TICKET_NUMBER_STATUS_CANCELLED),
    ]
    portal = await server.caller("portal")
    assert (await portal.refused(activation_request(1))).reason == "TICKET_NUMBER_ENDED"
    await activate(server, 2, document_number=person)
    assert (await portal.refused(activation_request(1))).reason == "TICKET_NUMBER_ENDED"
    request = numbers.ListTicketNumbersRequest(ticket_number=older_number(2), page_size=1)
    first = await officer.call(request)
    request.page_token = first.next_page_token
    second = await officer.call(request)
    found = [each.number for page in (first, second) for each in page.ticket_numbers]
    assert found == [older_number(1), older_number(2)]
    again = await officer.refused(merge_request(2, 1))
    assert again.reason == "TICKET_NUMBER_ENDED"


async def test_a_current_number_may_give_way(server: RegistrationServer) -> None:
    """When the candidate's own number is cancelled the kept one follows, also in the feed."""
    await enter(server, older_row(1))
    candidate_id = await activate(server)
    await enter(server, older_row(2, document_number=document_number(1)))
    officer = await new_officer(server)
    await officer.call(merge_request(2, 1))
    assert (await known_elsewhere(server, candidate_id)).ticket_number == older_number(2)
    assert await statuses(server) == {older_number(1): "cancelled", older_number(2): "current"}
    candidate = await log_in(server, document_number(1))
    seen = (await candidate.call(registration.GetRegistrationRequest())).registration
    assert seen.ticket_number == older_number(2)


async def test_a_later_older_number_is_merged_into_the_current(server: RegistrationServer) -> None:
    """The candidate keeps the number in use; the one that was found is cancelled."""
    await enter(server, older_row(1))
    candidate_id = await activate(server)
    await enter(server, older_row(2, document_number=document_number(1)))
    officer = await new_officer(server)
    await officer.call(merge_request(1, 2))
    assert (await known_elsewhere(server, candidate_id)).ticket_number == older_number(1)
    assert await statuses(server) == {older_number(1): "current", older_number(2): "cancelled"}
    (record,) = await server.rows(
        "SELECT record_enc FROM registration.older_record WHERE ticket_number = $1",
        older_number(2),
    )
    assert record["record_enc"] is None


async def test_the_only_photo_stays_with_the_person(server: RegistrationServer) -> None:
    """A photo is not lost with the number that it came with, activated or not."""
    person = document_number(1)
    await enter(server, older_row(1, photo_jpeg=b""), older_row(2, document_number=person))
    officer = await new_officer(server)
    await officer.call(merge_request(1, 2))
    await activate(server)
    await enter(server, older_row(3, photo_jpeg=b"", has_account=True))
    await enter(server, older_row(4, document_number=document_number(3)))
    await officer.call(merge_request(3, 4))
    rows = await server.rows("SELECT photo.sha256 FROM registration.photo")
    assert len(rows) == 2
    rows = await server.rows("SELECT candidate_id FROM registration.candidate")
    for row in rows:
        known = await known_elsewhere(server, str(row["candidate_id"]))
        assert known.photo_sha256 == photo_of(older_photo())


async def test_only_one_persons_numbers_are_merged(server: RegistrationServer) -> None:
    """Other documents, other names and unknown documents are nobody's certain numbers."""
    same = document_number(1)
    await enter(
        server,
        older_row(1),
        older_row(2),
        older_row(3, document_number=same, name="李二"),
        older_row(4, document_number=""),
    )
    officer = await new_officer(server)
    assert (await officer.refused(merge_request(1, 2))).reason == "DIFFERENT_PERSONS"
    assert (await officer.refused(merge_request(1, 3))).reason == "DIFFERENT_PERSONS"
    assert (await officer.refused(merge_request(1, 4))).reason == "RECORD_INCOMPLETE"
    assert (await officer.refused(merge_request(1, 5))).reason == "NOT_FOUND"
    assert (await officer.refused(merge_request(1, 1))).reason == "INVALID_REQUEST"
    assert set((await statuses(server)).values()) == {"older"}


async def test_an_older_number_is_cancelled(server: RegistrationServer) -> None:
    """By the city or the province; it stays on the list and is never entered again."""
    await enter(server, older_row(1), older_row(2))
    city = await new_officer(server, "5101", options_pb2.ROLE_CITY_OFFICER)

    def cancellation(number: int) -> numbers.CancelTicketNumberRequest:
        return numbers.CancelTicketNumberRequest(
            request_id=new_id(), ticket_number=older_number(number), reason="误录"
        )

    county = await new_officer(server)
    assert (await county.refused(cancellation(1))).reason == "PERMISSION_DENIED"
    await city.call(cancellation(1))
    assert (await city.refused(cancellation(1))).reason == "TICKET_NUMBER_ENDED"
    await activate(server, 2)
    assert (await city.refused(cancellation(2))).reason == "TICKET_NUMBER_IN_USE"
    operator = await server.caller("operator")
    again = await import_rows(operator, older_row(1, name="李二"), replace=True)
    assert list(again.problems[0].problems) == ["准考证号已注销"]
    (reason,) = await server.rows(
        "SELECT reason FROM registration.ticket_number WHERE status = 'cancelled'"
    )
    assert reason["reason"] == "误录"


async def test_digits_of_older_numbers_are_not_a_sessions(server: RegistrationServer) -> None:
    """A session whose numbers would be those of older candidates is refused."""
    await enter(server, older_row(1))
    operator = await server.caller("operator")
    part = session_part(code="12.3", ticket_number_session="123")
    request = session.ApplySessionRequest(request_id=new_id(), session=part)
    refused = await operator.refused(request)
    assert refused.metadata["detail"] == "考次段123已有往届考生使用"
