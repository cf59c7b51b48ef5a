"""The office gives a candidate the initial password, and who had the old one stays out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.registration_outside import Outside, outside
from support.registration_people import (
    JINJIANG,
    MOBILE,
    PASSWORD,
    WUHOU,
    account_request,
    apply_session,
    complete,
    document_number,
    log_in,
    new_officer,
)
from support.registration_recoveries import (
    MAIL,
    NEW_PASSWORD,
    NOBODY,
    RESIDENT_ID,
    SMS,
    approved_candidate,
    find,
    finish,
    portal_of,
    reset,
    start,
    until_nothing_waits,
)
from support.registration_server import RegistrationServer, registration_server
from support.service import new_id
from support.service_databases import MakeDatabase
from zikao.registration.v1 import account_service_pb2 as accounts
from zikao.registration.v1 import contact_service_pb2 as contacts
from zikao.registration.v1 import recovery_service_pb2 as pb


@pytest.fixture
async def peers(tmp_path: Path) -> AsyncIterator[Outside]:
    """Mail server and SMS gateway."""
    async with outside(tmp_path) as running:
        yield running


@pytest.fixture
async def server(
    make_database: MakeDatabase, tmp_path: Path, peers: Outside
) -> AsyncIterator[RegistrationServer]:
    """A running service with the session applied, that reaches candidates."""
    dsn = await make_database("registration")
    async with registration_server(dsn, tmp_path, **peers.settings) as running:
        await apply_session(running)
        yield running


async def approved(server: RegistrationServer, number: int = 1) -> str:
    """A candidate with a ticket number; return that."""
    return (await approved_candidate(server, number))[1]


async def test_officer_resets_in_person(server: RegistrationServer, peers: Outside) -> None:
    """Only an officer in scope finds whom to reset; the old password is gone, all is audited."""
    await approved(server)
    portal, stranger = await portal_of(server), await new_officer(server, WUHOU)
    for _ in range(3):
        await portal.call(find(1))
    wrong = accounts.LogInRequest(login_name=document_number(1), password="not the password")
    for _ in range(5):
        await portal.refused(wrong)
    assert (await portal.refused(wrong)).reason == "LOGIN_LOCKED"
    elsewhere, nowhere = [await stranger.refused(reset(number)) for number in (1, NOBODY)]
    assert (elsewhere.reason, elsewhere.metadata) == (nowhere.reason, nowhere.metadata)
    assert elsewhere.reason == "NOT_FOUND"
    officer = await new_officer(server, name="at-the-counter")
    assert (await officer.refused(reset(NOBODY))).reason == "NOT_FOUND"
    answer = await officer.call(reset(1))
    (account,) = await server.rows(
        "SELECT password_hash FROM registration.account WHERE account_id = $1::text::uuid",
        answer.candidate_id,
    )
    assert account["password_hash"] is None
    old = accounts.LogInRequest(login_name=document_number(1), password=PASSWORD)
    assert (await portal.refused(old)).reason == "LOGIN_FAILED"
    await portal.call(find(1))
    rows = await server.rows(
        "SELECT after::text FROM registration.audit WHERE action = 'reset_password'"
    )
    assert [row["after"] for row in rows] == ['{"by": "office: forgotten, contacts removed"}']


async def test_drafts_without_county_are_the_provinces(server: RegistrationServer) -> None:
    """Who has named no county is reset by the province and by nobody else."""
    await (await portal_of(server)).call(account_request(7))
    officer = await new_officer(server, JINJIANG)
    assert (await officer.refused(reset(7))).reason == "NOT_FOUND"
    province = await new_officer(server, "51", role=4)
    assert (await province.call(reset(7))).candidate_id


def question(answer: str) -> contacts.SetSecurityQuestionRequest:
    """Whoever has the password chooses one."""
    chosen = pb.SECURITY_QUESTION_FIRST_EMPLOYER
    return contacts.SetSecurityQuestionRequest(
        request_id=new_id(), password=PASSWORD, question=chosen, answer=answer
    )


async def test_a_thief_does_not_come_back(server: RegistrationServer, peers: Outside) -> None:
    """After a reset neither the thief's answer nor the thief's phone opens the account again."""
    stolen, ticket_number = await approved_candidate(server)
    thiefs = contacts.UpdateContactRequest(
        request_id=new_id(), password=PASSWORD, mobile="13900001111", email="thief@example.com"
    )
    await stolen.call(thiefs)
    await stolen.call(question("小偷"))
    await (await new_officer(server)).call(reset(1))
    portal = await portal_of(server)
    answered = pb.RecoverWithSecurityAnswerRequest(
        request_id=new_id(),
        document_type=RESIDENT_ID,
        document_number=document_number(1),
        ticket_number=ticket_number,
        answer="小偷",
        new_password=NEW_PASSWORD,
    )
    assert (await portal.refused(answered)).reason == "RECOVERY_FAILED"
    for channel in (SMS, MAIL):
        await portal.call(start(1, ticket_number, channel))
    await until_nothing_waits(server)
    told = [each.text for each in peers.sms.arrived]
    assert "已重置" in told[-1]
    assert not [text for text in told if "验证码" in text]
    assert not [mail for mail in peers.mail.mails if "验证码" in mail.get_content()]


async def test_confirmed_contacts_stay(server: RegistrationServer, peers: Outside) -> None:
    """Who has confirmed the contacts at the counter recovers with a code the next time."""
    ticket_number = await approved(server)
    await (await new_officer(server)).call(reset(1, contacts_confirmed=True))
    portal = await portal_of(server)
    begun = await portal.call(start(1, ticket_number))
    await peers.until_sms(2)
    await portal.call(finish(begun.recovery_id, peers.sms_code(MOBILE)))
    assert (await log_in(server, document_number(1), NEW_PASSWORD)).token


async def test_locks_of_a_chosen_name_are_lifted(server: RegistrationServer) -> None:
    """Whatever was tried under the candidate's own login name is forgotten at the counter."""
    portal = await portal_of(server)
    await portal.call(account_request(1, login_name="zhangsan"))
    await complete(await log_in(server, "zhangsan"))
    wrong = accounts.LogInRequest(login_name="zhangsan", password="not the password")
    for _ in range(5):
        await portal.refused(wrong)
    assert (await portal.refused(wrong)).reason == "LOGIN_LOCKED"
    await (await new_officer(server)).call(reset(1))
    assert (await log_in(server, "zhangsan", document_number(1)[-6:])).token
