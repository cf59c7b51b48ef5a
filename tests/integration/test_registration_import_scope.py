"""What an import may not take: persons who are waited for elsewhere, and numbers of others."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.registration_older import completion_request, import_rows, older_number, older_row
from support.registration_people import (
    WUHOU,
    apply_session,
    document_number,
    log_in,
    new_officer,
    session_part,
)
from support.registration_server import RegistrationServer, registration_server
from support.service import new_id
from support.service_databases import MakeDatabase
from zikao.options.v1 import options_pb2
from zikao.registration.v1 import account_service_pb2 as logins
from zikao.registration.v1 import older_record_service_pb2 as records
from zikao.registration.v1 import session_service_pb2 as session


@pytest.fixture
async def server(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[RegistrationServer]:
    """A running service with the session applied, in its registration window."""
    async with registration_server(await make_database("registration"), tmp_path) as running:
        await apply_session(running)
        yield running


async def test_only_the_province_makes_accounts(server: RegistrationServer) -> None:
    """An office below it knew the initial passwords of whomever it entered."""
    row = older_row(1, has_account=True)
    city = await new_officer(server, "5101", options_pb2.ROLE_CITY_OFFICER, name="city")
    for officer in (await new_officer(server), city):
        refused = await import_rows(officer, row)
        assert list(refused.problems[0].problems) == ["已有账号的考生应由省级考试机构导入"]
    province = await new_officer(server, "51", options_pb2.ROLE_PROVINCE_OFFICER, name="province")
    assert (await import_rows(province, row)).progress.entered == 1
    await log_in(server, document_number(1), document_number(1)[-6:])


async def accounts(server: RegistrationServer) -> int:
    """How many candidates have accounts."""
    rows = await server.rows("SELECT * FROM registration.account WHERE kind = 'candidate'")
    return len(rows)


async def test_a_person_with_two_numbers_gets_no_account(server: RegistrationServer) -> None:
    """Nobody logs in as somebody whose own number waits elsewhere; which one stays is decided."""
    operator, person = await server.caller("operator"), document_number(1)
    await import_rows(operator, older_row(1, county_code=WUHOU))
    same = [older_row(n, has_account=True, document_number=person) for n in (2, 3)]
    for row in same:
        assert (await import_rows(operator, row)).progress.entered == 1
    twins = [older_row(n, has_account=True, document_number=document_number(4)) for n in (4, 5)]
    assert (await import_rows(operator, *twins)).progress.entered == 2
    assert await accounts(server) == 0
    wrong = logins.LogInRequest(login_name=person, password=person[-6:])
    assert (await (await server.caller("portal")).refused(wrong)).reason == "LOGIN_FAILED"
    officer = await new_officer(server, "51", options_pb2.ROLE_PROVINCE_OFFICER)
    request = records.ListOlderRecordsRequest(
        county_code="51", filter=records.OLDER_RECORD_FILTER_TO_MERGE
    )
    listed = (await officer.call(request)).records
    assert [each.ticket_number for each in listed] == [older_number(n) for n in (1, 2, 3, 4, 5)]


async def test_no_completion_takes_a_person_over(server: RegistrationServer) -> None:
    """Whose own number waits elsewhere gets no account by a document that an office fills in."""
    operator, person = await server.caller("operator"), document_number(1)
    theirs = older_row(1, county_code=WUHOU)
    await import_rows(operator, theirs, older_row(2, has_account=True, document_number=""))
    officer = await new_officer(server)
    completed = completion_request(2, document_number=person, same_person=True)
    await officer.call(completed)
    assert await accounts(server) == 0


async def test_a_number_is_of_the_offices_area(server: RegistrationServer) -> None:
    """Numbers of other counties are entered by whoever is above both; a person may have moved."""
    elsewhere = "010712300001"
    moved = older_row(1, ticket_number=elsewhere)
    officer = await new_officer(server)
    refused = await import_rows(officer, moved)
    assert list(refused.problems[0].problems) == [
        "准考证号的区县段不属于本单位管辖，应由上级考试机构导入"
    ]
    city = await new_officer(server, "5101", options_pb2.ROLE_CITY_OFFICER, name="city")
    assert (await import_rows(city, moved)).progress.entered == 1
    # An abolished county of the city; another city's.
    others = [
        older_row(n, ticket_number=f"{area}12300001") for n, area in ((2, "0199"), (3, "0202"))
    ]
    answer = await import_rows(city, *others)
    assert [each.line for each in answer.problems] == [3]


async def test_no_import_stops_a_session(server: RegistrationServer) -> None:
    """Numbers that sessions to come will give out cannot be entered, by nobody."""
    operator, officer = await server.caller("operator"), await new_officer(server)
    for office in (operator, officer):
        for digits in ("222", "231", "700"):
            row = older_row(1, ticket_number=f"0104{digits}00001")
            assert (await import_rows(office, row)).progress.refused == 1
    # Of the last century.
    assert (await import_rows(officer, older_row(1, ticket_number="010498100001"))).progress.entered
    part = session_part(code="22.2", ticket_number_session="222")
    await operator.call(session.ApplySessionRequest(request_id=new_id(), session=part))
