"""Messages to candidates: handed over at least once, whatever gateway and processes do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY
from support.registration_outside import SECRET, Outside, outside
from support.registration_people import MOBILE
from support.registration_server import NOON, RegistrationServer, registration_server
from support.service import free_port, until
from support.service_databases import MakeDatabase
from zikao_kit.config import CertFiles, DatabaseConfig
from zikao_kit.crypto import KeyRing
from zikao_kit.db import Database
from zikao_kit.queries import Queries
from zikao_kit.tls import DevelopmentCa
from zikao_registration.clients.mail import MailClient, MailConfig
from zikao_registration.domain.messages import Channel, NotSent, OutgoingMessage
from zikao_registration.stores.messages import MessageStore
from zikao_sandbox.mail_sink import MailSink, serving_mail
from zikao_sandbox.sms_gateway import SmsBehaviour

LATER = NOON + timedelta(hours=1)


@pytest.fixture
async def peers(tmp_path: Path) -> AsyncIterator[Outside]:
    """Mail server and SMS gateway."""
    async with outside(tmp_path) as running:
        yield running


@pytest.fixture
async def server(
    make_database: MakeDatabase, tmp_path: Path, peers: Outside
) -> AsyncIterator[RegistrationServer]:
    """A running service that reaches candidates."""
    dsn = await make_database("registration")
    async with registration_server(dsn, tmp_path, **peers.settings) as running:
        yield running


def sms(recipient: str = MOBILE) -> OutgoingMessage:
    """A message that lasts an hour."""
    return OutgoingMessage(uuid4(), Channel.SMS, recipient, "主题", "内容", LATER)


def metric(name: str, **labels: str) -> float:
    """What operators see."""
    return REGISTRY.get_sample_value(f"zikao_registration_messages_{name}", labels) or 0.0


@asynccontextmanager
async def store_of(server: RegistrationServer, folder: Path) -> AsyncIterator[MessageStore]:
    """The messages, in a transaction."""
    keys = KeyRing.from_file(folder / "keys.yaml")
    queries = Queries.load("zikao_registration")
    config = DatabaseConfig(dsn=server.dsn)
    async with await Database.connect(config, queries) as db, db.transaction() as tx:
        yield MessageStore(tx, keys)


async def put(server: RegistrationServer, folder: Path, *messages: OutgoingMessage) -> None:
    """Have messages sent, as a command does."""
    async with store_of(server, folder) as store:
        for message in messages:
            await store.insert(message)


async def until_gone(server: RegistrationServer) -> None:
    """Wait until every message is through."""
    await until(lambda: server.rows("SELECT 1 WHERE NOT EXISTS (TABLE registration.message)"))


async def make_due(server: RegistrationServer) -> None:
    """Let the pause before the next try pass."""
    await server.rows("UPDATE registration.message SET next_try_at = now()")


async def test_a_gateway_that_fails_is_asked_again(
    server: RegistrationServer, tmp_path: Path, peers: Outside
) -> None:
    """What the gateway could not do it is asked again for; the row goes once it could."""
    peers.sms.behaviour = SmsBehaviour(status=503)
    await put(server, tmp_path, sms())
    await until(lambda: peers.sms.asked == 1)
    assert await until(lambda: server.rows("SELECT 1 FROM registration.message WHERE tries = 1"))
    peers.sms.behaviour = SmsBehaviour()
    await make_due(server)
    await until_gone(server)
    assert [each.mobile for each in peers.sms.arrived] == [MOBILE]


@pytest.mark.parametrize("status", [400, 404])
async def test_a_refusal_is_final(
    server: RegistrationServer, tmp_path: Path, peers: Outside, status: int
) -> None:
    """A message that the gateway refuses is not sent again."""
    peers.sms.behaviour = SmsBehaviour(status=status)
    await put(server, tmp_path, sms())
    await until_gone(server)
    assert (peers.sms.asked, peers.sms.arrived) == (1, [])


@pytest.mark.parametrize(
    "address", ["=?utf-8?q?=0d=0aBcc?=@c.d", "a@example.com,b@c.d", "a..b@c.d"]
)
async def test_a_message_that_cannot_be_sent_stops_no_other(
    server: RegistrationServer,
    tmp_path: Path,
    peers: Outside,
    capfd: pytest.CaptureFixture[str],
    address: str,
) -> None:
    """What is no address is given up at once and counted; neither it nor why is in the log."""
    before = metric("ended_total", channel="email", outcome="failed")
    bad = OutgoingMessage(uuid4(), Channel.EMAIL, address, "主题", "内容", LATER)
    await put(server, tmp_path, *(replace(bad, message_id=uuid4()) for _ in range(40)), sms())
    await until_gone(server)
    assert (peers.mail.mails, [each.mobile for each in peers.sms.arrived]) == ([], [MOBILE])
    assert metric("ended_total", channel="email", outcome="failed") - before == 40
    logged = "".join(capfd.readouterr())
    assert "message not sent" in logged
    assert address not in logged
    assert "background work failed" not in logged


async def test_operators_see_what_waits(
    server: RegistrationServer, tmp_path: Path, peers: Outside
) -> None:
    """Messages that the gateway does not take are seen waiting, and no more once it has."""
    peers.sms.behaviour = SmsBehaviour(status=503)
    await put(server, tmp_path, sms(), sms())
    assert await until(lambda: metric("waiting", channel="sms") == 2)
    peers.sms.behaviour = SmsBehaviour()
    await make_due(server)
    assert await until(lambda: metric("waiting", channel="sms") == 0)


async def test_a_recipient_without_mailbox_is_final(
    server: RegistrationServer, tmp_path: Path, peers: Outside
) -> None:
    """A mailbox that there is not is not written to again, and its address is in no log."""
    peers.mail.answers.append("550 5.1.1 <gone@example.com> no such mailbox")
    mail = OutgoingMessage(uuid4(), Channel.EMAIL, "gone@example.com", "主题", "内容", LATER)
    await put(server, tmp_path, mail)
    await until_gone(server)
    assert peers.mail.mails == []


async def test_nothing_personal_is_logged_or_readable(
    server: RegistrationServer,
    tmp_path: Path,
    peers: Outside,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Neither logs nor the table show whom a message is for or what it says."""
    peers.sms.behaviour = SmsBehaviour(status=503)
    peers.mail.answers.append("550 5.1.1 <gone@example.com> no such mailbox")
    mail = OutgoingMessage(uuid4(), Channel.EMAIL, "gone@example.com", "主题", "内容", LATER)
    await put(server, tmp_path, sms(), mail)
    rows = await until(lambda: server.rows("SELECT * FROM registration.message WHERE tries = 1"))
    dumped = "".join(str(dict(row)) for row in rows)
    await until(lambda: peers.sms.asked == 1 and not peers.mail.answers)
    await asyncio.sleep(0.2)
    logged = "".join(capfd.readouterr())
    assert "message not sent" in logged
    for secret in (MOBILE, "gone@example.com", "内容", SECRET):
        assert secret not in logged
        assert secret.encode().hex() not in dumped


async def test_messages_expire(
    make_database: MakeDatabase,
    tmp_path: Path,
    peers: Outside,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """What has expired is dropped without being sent, and operators see it; to nobody, not."""
    dsn = await make_database("registration")
    before = metric("ended_total", channel="sms", outcome="expired")
    after, late = LATER + timedelta(seconds=1), sms()
    async with registration_server(dsn, tmp_path, at=after, **peers.settings) as server:
        await put(server, tmp_path, late, sms(recipient=""))
        await until_gone(server)
    assert peers.sms.asked == 0
    assert metric("ended_total", channel="sms", outcome="expired") - before == 1
    logged = "".join(capfd.readouterr())
    assert logged.count("message expired") == 1
    assert str(late.message_id) in logged
    assert MOBILE not in logged


async def test_a_mail_server_that_hangs_holds_no_sms_up(
    server: RegistrationServer, tmp_path: Path, peers: Outside
) -> None:
    """An SMS behind forty mails arrives while none of them has."""
    peers.mail.delay_seconds = 5.0
    mail = OutgoingMessage(uuid4(), Channel.EMAIL, "a@example.com", "主题", "内容", LATER)
    await put(server, tmp_path, *(replace(mail, message_id=uuid4()) for _ in range(40)))
    assert await until(lambda: server.rows("SELECT 1 FROM registration.message WHERE tries = 1"))
    await put(server, tmp_path, sms())
    await peers.until_sms()
    assert peers.mail.mails == []


async def test_a_process_leaves_channels_that_it_lacks_to_others(
    make_database: MakeDatabase, tmp_path: Path, peers: Outside
) -> None:
    """While processes are changed for ones with an SMS gateway, the old ones eat no code."""
    dsn = await make_database("registration")
    mail = OutgoingMessage(uuid4(), Channel.EMAIL, "a@example.com", "主题", "内容", LATER)
    async with registration_server(dsn, tmp_path, mail=peers.settings["mail"]) as old:
        await put(old, tmp_path, sms(), mail)
        await peers.until_mail()
        assert await until(
            lambda: old.rows("SELECT 1 FROM registration.message HAVING count(*) = 1")
        )
    async with registration_server(dsn, tmp_path, **peers.settings) as new:
        await until_gone(new)
    assert [each.mobile for each in peers.sms.arrived] == [MOBILE]


async def test_what_cannot_be_decrypted_holds_nothing_up(
    server: RegistrationServer, tmp_path: Path, peers: Outside, capfd: pytest.CaptureFixture[str]
) -> None:
    """Messages under a key that this process does not have wait for another; the others go."""
    unreadable = "SELECT gen_random_uuid(), 'sms', '\\x0102', $1 FROM generate_series(1, 20)"
    await server.rows(
        "INSERT INTO registration.message (message_id, channel, content_enc, expires_at) "
        + unreadable,
        LATER,
    )
    await put(server, tmp_path, sms())
    await peers.until_sms()
    rows = await server.rows("SELECT tries FROM registration.message")
    assert [row["tries"] for row in rows] == [1] * 20
    assert "cannot be decrypted" in "".join(capfd.readouterr())


async def test_several_processes_send_each_message_once(
    make_database: MakeDatabase, tmp_path: Path, peers: Outside
) -> None:
    """A lease keeps one process from sending what another is sending now."""
    dsn = await make_database("registration")
    peers.sms.behaviour = SmsBehaviour(delay_seconds=0.3)
    async with (
        registration_server(dsn, tmp_path, **peers.settings) as server,
        registration_server(dsn, tmp_path, **peers.settings),
    ):
        await put(server, tmp_path, *(sms(f"1380000{number:04}") for number in range(60)))
        await until_gone(server)
    assert peers.sms.asked == 60
    assert len({each.mobile for each in peers.sms.arrived}) == 60


async def test_who_dies_while_sending_loses_nothing(
    server: RegistrationServer, tmp_path: Path, peers: Outside
) -> None:
    """When the lease of a process that is gone ends, another sends the message."""
    async with store_of(server, tmp_path) as store:
        await store.insert(sms())
        leased = await store.lease(Channel.SMS, NOON, 10, 60.0)
    assert len(leased) == 1
    await asyncio.sleep(0.5)
    assert peers.sms.arrived == []
    await make_due(server)
    await until_gone(server)
    assert len(peers.sms.arrived) == 1


def mail_config(files: CertFiles, port: int, folder: Path, **changes: Any) -> MailConfig:
    """A mail server on a port."""
    password_file = folder / "mail.password"
    password_file.write_text(SECRET)
    fields: dict[str, Any] = {
        "host": "localhost",
        "port": port,
        "sender": "no-reply@zikao.example",
        "ca_file": files.ca_file,
        "user": "registration",
        "password_file": password_file,
    }
    return MailConfig(**fields | changes)


MAIL = OutgoingMessage(uuid4(), Channel.EMAIL, "a@example.com", "主题", "内容", LATER)


async def test_mail_over_tls_at_once(tmp_path: Path) -> None:
    """A server that speaks TLS from the first byte is spoken to so."""
    files, port = DevelopmentCa(tmp_path / "certs").issue("mail"), free_port()
    sink = MailSink("registration", SECRET)
    client = MailClient(mail_config(files, port, tmp_path, security="tls"))
    async with serving_mail(sink, files, f"127.0.0.1:{port}", tls_at_once=True):
        await client.send(MAIL)
    assert [mail["Subject"] for mail in sink.mails] == ["主题"]
    assert str(MAIL.message_id) in sink.mails[0]["Message-ID"]


async def test_a_mail_server_of_another_authority_gets_nothing(tmp_path: Path) -> None:
    """Neither password nor message is given to a server that only says to be ours."""
    files, port = DevelopmentCa(tmp_path / "certs").issue("mail"), free_port()
    other = DevelopmentCa(tmp_path / "others").issue("mail")
    sink = MailSink("registration", SECRET)
    client = MailClient(mail_config(files, port, tmp_path))
    async with serving_mail(sink, other, f"127.0.0.1:{port}"):
        with pytest.raises(NotSent) as caught:
            await client.send(MAIL)
    assert (caught.value.final, sink.mails) == (False, [])


async def test_a_wrong_mail_password_is_no_verdict_on_the_message(tmp_path: Path) -> None:
    """What is wrong with our configuration is tried again: it will be put right."""
    files, port = DevelopmentCa(tmp_path / "certs").issue("mail"), free_port()
    client = MailClient(mail_config(files, port, tmp_path))
    async with serving_mail(MailSink("registration", "other"), files, f"127.0.0.1:{port}"):
        with pytest.raises(NotSent) as caught:
            await client.send(MAIL)
    assert not caught.value.final
