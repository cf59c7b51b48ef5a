"""Contacts and security questions of candidates, and what is recovered with them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from support.registration_outside import Outside, outside
from support.registration_people import (
    MOBILE,
    PASSWORD,
    apply_session,
    document_number,
    log_in,
    new_candidate,
)
from support.registration_recoveries import (
    EMAIL,
    NEW_PASSWORD,
    NOBODY,
    RESIDENT_ID,
    approved_candidate,
    finish,
    start,
    until_nothing_waits,
)
from support.registration_server import NOON, RegistrationServer, registration_server
from support.service import new_id
from support.service_databases import MakeDatabase
from zikao.registration.v1 import account_service_pb2 as accounts
from zikao.registration.v1 import contact_service_pb2 as pb
from zikao.registration.v1 import login_service_pb2 as logins
from zikao.registration.v1 import recovery_service_pb2 as recovery
from zikao.registration.v1 import registration_service_pb2 as registration

QUESTION = recovery.SECURITY_QUESTION_FIRST_EMPLOYER
NEW_MOBILE, NEW_EMAIL = "13900001111", "new@example.com"


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


def contact(password: str = PASSWORD, mobile: str = NEW_MOBILE) -> pb.UpdateContactRequest:
    """Another mobile number and address."""
    return pb.UpdateContactRequest(
        request_id=new_id(), password=password, mobile=mobile, email=NEW_EMAIL
    )


def question(answer: str = "成都 第一机床厂", **changes: Any) -> pb.SetSecurityQuestionRequest:
    """Choose a question."""
    fields: dict[str, Any] = {"request_id": new_id(), "password": PASSWORD, "question": QUESTION}
    return pb.SetSecurityQuestionRequest(answer=answer, **fields | changes)


def asked(number: int, ticket_number: str) -> recovery.GetSecurityQuestionRequest:
    """Ask for the question."""
    return recovery.GetSecurityQuestionRequest(
        document_type=RESIDENT_ID,
        document_number=document_number(number),
        ticket_number=ticket_number,
    )


def answered(number: int, ticket_number: str, answer: str, **changes: Any) -> Any:
    """Answer it."""
    fields = {"request_id": new_id(), "new_password": NEW_PASSWORD} | changes
    return recovery.RecoverWithSecurityAnswerRequest(
        document_type=RESIDENT_ID,
        document_number=document_number(number),
        ticket_number=ticket_number,
        answer=answer,
        **fields,
    )


async def test_contacts_are_replaced(server: RegistrationServer, peers: Outside) -> None:
    """After approval contacts may change; the old ones are told, and get no code any more."""
    candidate, ticket_number = await approved_candidate(server)
    portal = await server.caller("portal")
    begun = await portal.call(start(1, ticket_number))
    await peers.until_sms()
    await candidate.call(contact())
    personal = (await candidate.call(registration.GetRegistrationRequest())).registration.personal
    assert (personal.mobile, personal.email) == (NEW_MOBILE, NEW_EMAIL)
    await peers.until_sms(2)
    await peers.until_mail()
    assert "联系方式已更改" in peers.sms.arrived[1].text
    assert (peers.sms.arrived[1].mobile, peers.mail.mails[0]["To"]) == (MOBILE, EMAIL)
    old_code = finish(begun.recovery_id, peers.sms_code(MOBILE))
    assert (await portal.refused(old_code)).reason == "RECOVERY_FAILED"
    begun = await portal.call(start(1, ticket_number))
    await peers.until_sms(3)
    await portal.call(finish(begun.recovery_id, peers.sms_code(NEW_MOBILE)))


async def test_the_same_contacts_tell_nobody(server: RegistrationServer, peers: Outside) -> None:
    """Nothing is changed, audited or sent when the contacts are the ones on record."""
    candidate, _ = await approved_candidate(server)
    same = pb.UpdateContactRequest(
        request_id=new_id(), password=PASSWORD, mobile=MOBILE, email=EMAIL
    )
    await candidate.call(same)
    await until_nothing_waits(server)
    rows = await server.rows("SELECT 1 FROM registration.audit WHERE action = 'update_contact'")
    assert (rows, peers.sms.arrived, peers.mail.mails) == ([], [], [])


async def test_nobodys_phone_rings_all_day(server: RegistrationServer, peers: Outside) -> None:
    """Contacts change three times a day; who is told is who was on record until then."""
    candidate, _ = await approved_candidate(server)
    mobiles = [f"1390000000{last}" for last in range(4)]
    for mobile in mobiles[:3]:
        await candidate.call(contact(mobile=mobile))
    refused = await candidate.refused(contact(mobile=mobiles[3]))
    assert refused.reason == "CONTACT_CHANGES_LIMITED"
    assert refused.retry_after is not None
    assert timedelta(hours=23) < refused.retry_after <= timedelta(days=1)
    await candidate.call(contact(mobile=mobiles[2]))  # which changes nothing
    await until_nothing_waits(server)
    assert {sms.mobile for sms in peers.sms.arrived} == {MOBILE, *mobiles[:2]}
    assert len(peers.sms.arrived) == 3
    await server.move_clock(NOON + timedelta(days=1, minutes=1))
    later = await log_in(server, document_number(1))
    await later.call(contact(mobile=mobiles[3]))


async def test_the_owner_is_told(server: RegistrationServer, peers: Outside) -> None:
    """A question that is set and a password that is changed go to the contacts, not for ever."""
    candidate, _ = await approved_candidate(server)
    await candidate.call(question())
    await peers.until_sms()
    assert "密保问题已设置" in peers.sms.arrived[0].text
    passwords = [PASSWORD, *(f"another password {each}" for each in range(4))]
    for old, new in pairwise(passwords):
        await candidate.call(
            logins.ChangePasswordRequest(request_id=new_id(), old_password=old, new_password=new)
        )
    await until_nothing_waits(server)
    told = [sms.text for sms in peers.sms.arrived]
    assert len(told) == len(peers.mail.mails) == 3
    assert all("登录密码已修改" in text for text in told[1:])
    assert "登录密码已修改" in peers.mail.mails[-1]["Subject"]


async def test_the_password_is_asked_for_again(server: RegistrationServer) -> None:
    """A stolen session changes nothing, and cannot guess the password for ever."""
    candidate, _ = await approved_candidate(server)
    for _ in range(5):
        assert (await candidate.refused(contact("not it"))).reason == "LOGIN_FAILED"
    assert (await candidate.refused(question(password="not it"))).reason == "LOGIN_LOCKED"
    assert (await candidate.refused(contact())).reason == "LOGIN_LOCKED"
    assert (await log_in(server, document_number(1))).token


async def test_contacts_before_approval_are_the_applications(server: RegistrationServer) -> None:
    """A draft's contacts are changed with the draft."""
    candidate = await new_candidate(server)
    assert (await candidate.refused(contact())).reason == "STATE_NOT_ALLOWED"


@pytest.mark.parametrize(
    "email",
    [
        "a@b@c",
        "a b@example.com",
        "a@example.com\r\nBcc: b@c.d",
        "a@",
        "=?utf-8?q?=0d=0aBcc?=@c.d",
        "a@example.com,b@c.d",
        ".a@c.d",
        "a..b@c.d",
        "a@c..d",
    ],
)
async def test_addresses_have_a_form(server: RegistrationServer, email: str) -> None:
    """Nothing but an address is taken, so that no header of a mail can be written by it."""
    candidate = await new_candidate(server)
    wrong = pb.UpdateContactRequest(
        request_id=new_id(), password=PASSWORD, mobile=NEW_MOBILE, email=email
    )
    refused = await candidate.refused(wrong)
    assert (refused.reason, [each.field for each in refused.fields]) == (
        "INVALID_REQUEST",
        ["email"],
    )


async def test_password_with_the_answer(server: RegistrationServer, peers: Outside) -> None:
    """The right answer, however it is typed, sets a new password and ends all logins."""
    candidate, ticket_number = await approved_candidate(server)
    await candidate.call(question())
    portal = await server.caller("portal")
    shown = await portal.call(asked(1, ticket_number))
    assert shown.question == QUESTION
    wrong = answered(1, ticket_number, "第二机床厂")
    assert (await portal.refused(wrong)).reason == "RECOVERY_FAILED"
    right = answered(1, ticket_number, "成都第一机床厂。")
    await portal.call(right)
    await portal.call(right)
    assert (await log_in(server, document_number(1), NEW_PASSWORD)).token
    refused = await candidate.refused(registration.GetRegistrationRequest())
    assert refused.reason == "TOKEN_INVALID"
    await peers.until_sms(2)
    assert "已重置" in peers.sms.arrived[1].text


async def test_answers_are_few(server: RegistrationServer) -> None:
    """Three answers a day, for somebody and for nobody; repeating a request is no attempt."""
    _, ticket_number = await approved_candidate(server)
    portal = await server.caller("portal")
    for number in (1, NOBODY):
        guesses = [answered(number, ticket_number, f"猜测{guess}") for guess in range(4)]
        reasons = [(await portal.refused(guess)).reason for guess in guesses]
        assert reasons == ["RECOVERY_FAILED"] * 3 + ["RECOVERY_LOCKED"]


async def test_questions_tell_nobody_apart(server: RegistrationServer) -> None:
    """Who has set none, who names a wrong number and who is nobody get plausible questions."""
    candidate, ticket_number = await approved_candidate(server)
    portal = await server.caller("portal")
    claims = [(1, ticket_number), (1, "510104229999"), (NOBODY, ticket_number)]
    before = [await portal.call(asked(*claim)) for claim in claims]
    assert {answer.ByteSize() for answer in before} == {2}
    await candidate.call(question())
    repeated = await portal.call(asked(NOBODY, ticket_number))
    assert repeated == before[2]
    many = [await portal.call(asked(number, "510104220001")) for number in range(10, 40)]
    assert len({answer.question for answer in many}) > 3


async def test_answers_hold_something(server: RegistrationServer) -> None:
    """An answer of punctuation is none; neither answer nor question can be read in the table."""
    candidate, _ = await approved_candidate(server)
    refused = await candidate.refused(question("……！"))
    assert (refused.reason, [each.field for each in refused.fields]) == (
        "INVALID_REQUEST",
        ["answer"],
    )
    await candidate.call(question("第一机床厂"))
    (row,) = await server.rows("TABLE registration.security_question")
    assert row["answer_hash"].startswith("$argon2id$")
    assert b"first_employer" not in row["question_enc"]


async def test_weak_passwords_are_refused_to_everybody(server: RegistrationServer) -> None:
    """The new password is judged before anybody is looked for."""
    portal = await server.caller("portal")
    weak = answered(NOBODY, "", "答案", new_password=document_number(NOBODY))
    assert (await portal.refused(weak)).reason == "PASSWORD_REFUSED"


async def test_old_password_is_gone(server: RegistrationServer) -> None:
    """After a recovery the forgotten password opens nothing."""
    candidate, ticket_number = await approved_candidate(server)
    await candidate.call(question())
    portal = await server.caller("portal")
    await portal.call(answered(1, ticket_number, "成都第一机床厂"))
    old = accounts.LogInRequest(login_name=document_number(1), password=PASSWORD)
    assert (await portal.refused(old)).reason == "LOGIN_FAILED"
