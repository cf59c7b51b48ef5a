"""Lost ticket numbers and passwords, recovered over mutual TLS, real SMTP and real HTTPS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from support.registration_older import OLDER_NAME, import_rows, older_number, older_row
from support.registration_outside import Outside, code_in, outside
from support.registration_people import (
    MOBILE,
    NAME,
    PASSWORD,
    apply_session,
    complete,
    document_number,
    log_in,
    new_candidate,
)
from support.registration_recoveries import (
    EMAIL,
    MAIL,
    NEW_PASSWORD,
    NOBODY,
    SMS,
    approved_candidate,
    find,
    finish,
    portal_of,
    start,
    until_nothing_waits,
)
from support.registration_server import NOON, RegistrationServer, registration_server
from support.service import until
from support.service_databases import MakeDatabase
from zikao.registration.v1 import account_service_pb2 as accounts


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


def another(code: str) -> str:
    """A wrong code."""
    return f"{(int(code) + 1) % 10**6:06}"


async def test_ticket_number_is_found(server: RegistrationServer) -> None:
    """Document in any form and name as typed give the number; anything else an empty answer."""
    ticket_number = await approved(server)
    portal = await portal_of(server)
    dotted = find(1, name=" " + NAME.replace("·", "•"))
    assert (await portal.call(dotted)).ticket_number == ticket_number
    assert (await portal.call(find(1, name="别人"))).ticket_number == ""
    assert (await portal.call(find(NOBODY))).ticket_number == ""


async def test_older_numbers_are_found(server: RegistrationServer) -> None:
    """A number that waits to be activated is found with its document and name."""
    office = await server.caller("operator")
    await import_rows(office, older_row(3))
    portal = await portal_of(server)
    assert (await portal.call(find(3, OLDER_NAME))).ticket_number == older_number(3)
    assert (await portal.call(find(3, "别人"))).ticket_number == ""


async def test_password_by_sms(server: RegistrationServer, peers: Outside) -> None:
    """The code that arrives sets a new password, once, and ends all logins."""
    ticket_number = await approved(server)
    portal = await portal_of(server)
    begun = await portal.call(start(1, ticket_number))
    await peers.until_sms()
    code = peers.sms_code(MOBILE)
    assert document_number(1) not in peers.sms.arrived[0].text
    used = finish(begun.recovery_id, code)
    assert await portal.call(used) == await portal.call(used)
    again = finish(begun.recovery_id, code)
    assert (await portal.refused(again)).reason == "RECOVERY_FAILED"
    old = accounts.LogInRequest(login_name=document_number(1), password=PASSWORD)
    assert (await portal.refused(old)).reason == "LOGIN_FAILED"
    assert (await log_in(server, document_number(1), NEW_PASSWORD)).token
    await peers.until_sms(2)
    assert "已重置" in peers.sms.arrived[1].text
    assert await until(
        lambda: server.rows("SELECT 1 WHERE NOT EXISTS (TABLE registration.message)")
    )
    (audited,) = await server.rows(
        "SELECT actor, after::text FROM registration.audit WHERE action = 'reset_password'"
    )
    assert (audited["actor"], audited["after"]) == ("portal", '{"by": "code: sms"}')


async def test_password_by_mail(server: RegistrationServer, peers: Outside) -> None:
    """The code arrives over STARTTLS with the server's password; a busy server is asked again."""
    ticket_number = await approved(server)
    peers.mail.answers.append("451 4.3.0 try again later")
    portal = await portal_of(server)
    begun = await portal.call(start(1, ticket_number, MAIL))
    await peers.until_mail()
    mail = peers.mail.mails[0]
    assert (mail["To"], mail["From"]) == (EMAIL, "no-reply@zikao.example")
    await portal.call(finish(begun.recovery_id, code_in(mail.get_content())))
    assert (await log_in(server, document_number(1), NEW_PASSWORD)).token


async def test_a_draft_is_recovered_without_number(
    server: RegistrationServer, peers: Outside
) -> None:
    """Who has no ticket number yet names none; who has one must name it."""
    candidate = await new_candidate(server, 2)
    await complete(candidate)
    portal = await portal_of(server)
    begun = await portal.call(start(2))
    await peers.until_sms()
    await portal.call(finish(begun.recovery_id, peers.sms_code(MOBILE)))
    await approved(server, 3)
    await portal.call(start(3))
    await portal.call(start(2, "510104220001"))
    await asyncio.sleep(0.5)
    assert len([sms for sms in peers.sms.arrived if "验证码为" in sms.text]) == 1


async def test_codes_are_tried_five_times(server: RegistrationServer, peers: Outside) -> None:
    """After five wrong codes the right one is worth nothing, and guesses in parallel count."""
    ticket_number = await approved(server)
    portal = await portal_of(server)
    begun = await portal.call(start(1, ticket_number))
    await peers.until_sms()
    code = peers.sms_code(MOBILE)
    guesses = (portal.refused(finish(begun.recovery_id, another(code))) for _ in range(5))
    assert {refused.reason for refused in await asyncio.gather(*guesses)} == {"RECOVERY_FAILED"}
    assert (await portal.refused(finish(begun.recovery_id, code))).reason == "RECOVERY_FAILED"


async def test_codes_lapse(server: RegistrationServer, peers: Outside) -> None:
    """After ten minutes a code is worth nothing."""
    ticket_number = await approved(server)
    portal = await portal_of(server)
    begun = await portal.call(start(1, ticket_number))
    await peers.until_sms()
    # The clock has gone on since noon, for as long as all before has taken.
    await server.move_clock(NOON + timedelta(minutes=11))
    used = finish(begun.recovery_id, peers.sms_code(MOBILE))
    assert (await portal.refused(used)).reason == "RECOVERY_FAILED"


async def test_two_with_the_right_code(server: RegistrationServer, peers: Outside) -> None:
    """Of two that use a code at once, one sets the password."""
    ticket_number = await approved(server)
    portal = await portal_of(server)
    begun = await portal.call(start(1, ticket_number))
    await peers.until_sms()
    code = peers.sms_code(MOBILE)
    both = [portal.start(finish(begun.recovery_id, code), 20) for _ in range(2)]
    done = await asyncio.gather(*both, return_exceptions=True)
    assert len([each for each in done if not isinstance(each, BaseException)]) == 1


async def test_another_code_is_void_after_one_was_used(
    server: RegistrationServer, peers: Outside
) -> None:
    """A code that is still under way opens nothing once the password was set with another."""
    ticket_number = await approved(server)
    portal = await portal_of(server)
    one = await portal.call(start(1, ticket_number))
    await peers.until_sms(1)
    first = peers.sms_code(MOBILE)
    two = await portal.call(start(1, ticket_number))
    await peers.until_sms(2)
    await portal.call(finish(two.recovery_id, peers.sms_code(MOBILE)))
    assert (await portal.refused(finish(one.recovery_id, first))).reason == "RECOVERY_FAILED"


async def test_weak_passwords_are_refused(server: RegistrationServer, peers: Outside) -> None:
    """A common password is refused to everybody, one's own document number with the code."""
    ticket_number = await approved(server)
    portal = await portal_of(server)
    begun = await portal.call(start(1, ticket_number))
    await peers.until_sms()
    code = peers.sms_code(MOBILE)
    for weak in ("12345678", document_number(1)):
        refused = await portal.refused(finish(begun.recovery_id, code, new_password=weak))
        assert refused.reason == "PASSWORD_REFUSED"
    await portal.call(finish(begun.recovery_id, code))


async def test_strangers_are_answered_alike(server: RegistrationServer, peers: Outside) -> None:
    """For nobody, and for a wrong number, answers and rows are as for somebody; nothing is sent."""
    ticket_number = await approved(server)
    portal = await portal_of(server)
    known = await portal.call(start(1, ticket_number))
    await peers.until_sms()
    wrong = await portal.call(start(1, "510104229999"))
    unknown = await portal.call(start(NOBODY, ticket_number))
    assert known.ByteSize() == wrong.ByteSize() == unknown.ByteSize()
    await until_nothing_waits(server)
    assert len(peers.sms.arrived) == 1
    for begun in (known, wrong, unknown):
        refused = await portal.refused(finish(begun.recovery_id, "000000"))
        assert (refused.reason, refused.metadata) == ("RECOVERY_FAILED", {})
    rows = await server.rows("SELECT count(*) FROM registration.password_recovery")
    assert rows[0]["count"] == 3


async def test_repeated_start_sends_nothing_again(
    server: RegistrationServer, peers: Outside
) -> None:
    """The same request id gets the first answer, counts once and sends once."""
    ticket_number = await approved(server)
    portal = await portal_of(server)
    asked = start(1, ticket_number)
    answers = [await portal.call(asked) for _ in range(5)]
    assert all(answer == answers[0] for answer in answers)
    await until_nothing_waits(server)
    assert len(peers.sms.arrived) == 1


async def test_channels_that_are_not_there(make_database: MakeDatabase, tmp_path: Path) -> None:
    """An installation without mail and SMS says so to everybody, and serves."""
    async with registration_server(await make_database("registration"), tmp_path) as server:
        portal = await portal_of(server)
        for channel in (SMS, MAIL):
            refused = await portal.refused(start(NOBODY, channel=channel))
            assert refused.reason == "CHANNEL_NOT_CONFIGURED"


async def test_nothing_of_a_recovery_is_logged(
    server: RegistrationServer, peers: Outside, capfd: pytest.CaptureFixture[str]
) -> None:
    """No log line holds a document number, a name, a contact, a code or a password."""
    ticket_number = await approved(server)
    portal = await portal_of(server)
    for number in (1, NOBODY):
        await portal.call(find(number))
        await portal.call(find(number, "别人"))
        await portal.call(find(number))
        await portal.refused(find(number))
    begun = await portal.call(start(1, ticket_number))
    await peers.until_sms()
    code = peers.sms_code(MOBILE)
    await portal.refused(finish(begun.recovery_id, another(code)))
    await portal.call(finish(begun.recovery_id, code))
    await until_nothing_waits(server)
    logged = "".join(capfd.readouterr())
    assert "reason=RECOVERY_LOCKED" in logged
    secrets = [document_number(1), document_number(NOBODY), NAME, "别人", MOBILE, EMAIL]
    assert not [each for each in [*secrets, code, NEW_PASSWORD, PASSWORD] if each in logged]
