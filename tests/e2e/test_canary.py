"""A known person's data goes through everything, and is then found nowhere in clear.

Real processes over their own PostgreSQL, which logs every statement with its parameters: what a
service sends it in clear is found, and so is what is left in any file of the cluster, WAL included.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import pytest
import pytest_asyncio
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from support.canary import Canary, Search, document_canaries
from support.contracts import methods
from support.exposition import scraped_text
from support.registration_older import activation_request, import_rows, older_row
from support.registration_people import (
    account_request,
    apply_session,
    approval,
    document_number,
    lease_request,
    log_in_through,
    material,
    material_request,
    new_officer,
    personal_data,
    photo,
    photo_request,
    submit_request,
    update_request,
)
from support.registration_server import NOON, RegistrationServer
from support.service import Caller, method_of, new_id, until
from support.service_databases import with_database
from zikao.registration.v1 import account_service_pb2 as accounts
from zikao.registration.v1 import candidate_feed_service_pb2 as feed
from zikao.registration.v1 import contact_service_pb2 as contact
from zikao.registration.v1 import privacy_service_pb2 as privacy
from zikao.registration.v1 import profile_change_service_pb2 as changes
from zikao.registration.v1 import recovery_service_pb2 as recovery
from zikao.registration.v1 import registration_service_pb2 as registration
from zikao.registration.v1 import review_service_pb2 as review
from zikao.registration.v1 import session_service_pb2 as session
from zikao.registration.v1 import types_pb2 as types
from zikao_ctl.embedded_postgres import EmbeddedPostgres
from zikao_ctl.installation import Installation, run_installation
from zikao_ctl.layout import Layout
from zikao_kit.convert import time_to_pb
from zikao_kit.error_table import problem_of
from zikao_kit.tls import DevelopmentCa

pytestmark = pytest.mark.asyncio(loop_scope="module")

NUMBER, NEW_NUMBER = document_number(251), document_number(252)
NAME, NEW_NAME = "欧阳金丝雀", "欧阳黄鹂鸟"
OLDER_DOCUMENT, OLDER_NAME = document_number(253), "欧阳画眉鸟"
MOBILE, EMAIL = "13987601234", "canary.qz7@jinsique.example"
OTHER_MOBILE, OTHER_EMAIL = "15987601235", "canary.qz8@huangli.example"
ANSWER = "金丝雀街十九号"
PASSWORD, WRONG = "金丝雀 sings at 4 o'clock", "金丝雀 sings at 5 o'clock"
SECRETS = [
    *document_canaries(NUMBER),
    *document_canaries(NEW_NUMBER),
    *document_canaries(OLDER_DOCUMENT),
    Canary("name", NAME),
    Canary("older name", OLDER_NAME),
    Canary("new name", NEW_NAME),
    Canary("mobile", MOBILE),
    Canary("e-mail", EMAIL),
    Canary("other mobile", OTHER_MOBILE),
    Canary("other e-mail", OTHER_EMAIL),
    Canary("security answer", ANSWER),
    Canary("password", PASSWORD),
    Canary("wrong password", WRONG),
]
LOGGED = {"log_statement": "all", "log_parameter_max_length": "-1", "log_connections": "on"}
HOUR = timedelta(hours=1)
FUZZ_SECONDS = 5.0


@dataclass
class World:
    """An installation on a cluster of its own, and the errors that callers were told."""

    installation: Installation
    server: RegistrationServer
    postgres: EmbeddedPostgres
    errors: list[str] = field(default_factory=list)

    async def refused(self, caller: Caller, request: Any) -> None:
        """Make a call that may fail, and remember all that is said of it."""
        try:
            await asyncio.wait_for(_finish(caller.start(request, FUZZ_SECONDS)), FUZZ_SECONDS)
        except grpc.aio.AioRpcError as error:
            told = problem_of(error)
            trailing = repr(list(error.trailing_metadata() or ()))
            self.errors.append(f"{error.details()} {told} {told.metadata} {trailing}")
        except TimeoutError:
            # A stream may have nothing to say; whoever else does not answer is at fault.
            if not method_of(request.DESCRIPTOR).server_streaming:
                raise

    async def search(self) -> Search:
        """Look everywhere."""
        search = Search(SECRETS)
        await search.look_into_tables(self.installation.admin_dsn)
        admin = await asyncpg.connect(self.installation.admin_dsn)
        await admin.execute("CHECKPOINT")
        await admin.close()
        search.look_into_files("cluster", self.postgres.data_dir)
        search.look_into_files("logs", self.installation.layout.logs)
        for name, port in self.installation.ports.items():
            if name.endswith("-metrics"):
                exposed = await asyncio.to_thread(scraped_text, port)
                search.look(name, exposed.encode())
        search.look("errors", "\n".join(self.errors).encode())
        return search


async def _finish(call: Any) -> None:
    if hasattr(call, "__aiter__"):
        async for _ in call:
            return
    else:
        await call


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Everything runs, and the canary has been through all of it."""
    folder = tmp_path_factory.mktemp("canary")
    async with AsyncExitStack() as stack:
        postgres = EmbeddedPostgres(folder / "postgres", settings={"fsync": "off", **LOGGED})
        stack.callback(postgres.stop)
        await asyncio.to_thread(postgres.start)
        installation = await stack.enter_async_context(
            run_installation(
                Layout(folder / "installation"),
                port_base=None,
                database_url=with_database(postgres.dsn(), "canary"),
                say=lambda _: None,
            )
        )
        server = RegistrationServer(
            installation.dsn("registration"),
            installation.ports["registration"],
            DevelopmentCa(installation.layout.certs),
            installation.clock_file,
            stack,
        )
        found = World(installation, server, postgres)
        await fly(found)
        yield found


async def fly(world: World) -> None:
    """Register, be reviewed, change the profile, recover, and ask for everything there is."""
    server = world.server
    await server.move_clock(NOON)
    await apply_session(
        server,
        profile_change=session.SessionWindow(
            opens_at=time_to_pb(NOON - HOUR), closes_at=time_to_pb(NOON + HOUR)
        ),
        profile_changes_effective_at=time_to_pb(NOON + HOUR),
        activation=session.SessionWindow(
            opens_at=time_to_pb(NOON - HOUR), closes_at=time_to_pb(NOON + HOUR)
        ),
    )
    portal, officer = await server.caller("portal"), await new_officer(server)
    candidate, who = await register(world, portal)
    await world.refused(portal, accounts.LogInRequest(login_name=NUMBER, password=WRONG))
    await world.refused(portal, account_request(251, password=WRONG))
    await officer.call(lease_request())
    await officer.call(review.GetReviewMaterialRequest(candidate_id=who))
    number = (await officer.call(approval(who))).ticket_number
    await activate(world, portal, officer)
    await set_contacts(candidate)
    await recover(world, portal, number)
    # Recovered: all logins from before have ended.
    tokens = await log_in_through(portal, NUMBER, PASSWORD)
    candidate = portal.with_token(tokens.access_token)
    await change(world, candidate, officer)
    for token in (portal, candidate, officer, await server.caller("enrollment")):
        for method in methods():
            if method.containing_service.full_name.startswith("zikao.registration."):
                await fuzz(world, token, method)
    await server.move_clock(NOON + HOUR)
    await until(lambda: applied(server))
    await log_in_through(portal, NEW_NUMBER, PASSWORD)


async def register(world: World, portal: Caller) -> tuple[Caller, str]:
    """An account in another spelling, an application, and what is wrong with one."""
    await portal.call(account_request(251, password=PASSWORD))
    old_form = NUMBER[:6] + NUMBER[8:17]
    tokens = await log_in_through(portal, old_form, PASSWORD)
    candidate = portal.with_token(tokens.access_token)
    data = {"name": NAME, "mobile": MOBILE, "email": EMAIL}
    await world.refused(candidate, update_request(personal_data(**data, birth_date="1991-02-30")))
    await world.refused(candidate, update_request(personal_data(**data | {"mobile": NUMBER})))
    await candidate.call(update_request(personal_data(**data, sex=types.SEX_FEMALE)))
    await world.refused(candidate, submit_request())
    await candidate.call(update_request(personal_data(**data)))
    await candidate.call(photo_request(photo()))
    await candidate.call(material_request(material()))
    submitted = await candidate.call(submit_request())
    await candidate.call(registration.GetRegistrationRequest())
    return candidate, submitted.registration.candidate_id


async def activate(world: World, portal: Caller, officer: Caller) -> None:
    """Import an older candidate, with a bad row beside, and activate the number."""
    row = older_row(1, document_number=OLDER_DOCUMENT, name=OLDER_NAME)
    bad = older_row(2, document_number=f"{OLDER_DOCUMENT[:-1]}?", name=OLDER_NAME)
    await import_rows(officer, row, bad)
    right = {"document_number": OLDER_DOCUMENT, "mobile": OTHER_MOBILE, "new_password": PASSWORD}
    await world.refused(portal, activation_request(1, name=NAME, **right))
    await portal.call(activation_request(1, name=OLDER_NAME, **right))


async def set_contacts(candidate: Caller) -> None:
    """Another mobile number and address, and a security question."""
    await candidate.call(
        contact.UpdateContactRequest(
            request_id=new_id(), password=PASSWORD, mobile=OTHER_MOBILE, email=OTHER_EMAIL
        )
    )
    await candidate.call(
        contact.SetSecurityQuestionRequest(
            request_id=new_id(),
            password=PASSWORD,
            question=recovery.SECURITY_QUESTION_CHILDHOOD_STREET,
            answer=ANSWER,
        )
    )


async def recover(world: World, portal: Caller, ticket_number: str) -> None:
    """Find the ticket number, with the right name and a wrong one, and begin to recover."""
    document: dict[str, Any] = {
        "document_type": types.DOCUMENT_TYPE_RESIDENT_ID,
        "document_number": NUMBER,
    }
    found = await portal.call(recovery.FindTicketNumberRequest(name=NAME, **document))
    assert found.ticket_number == ticket_number
    await world.refused(portal, recovery.FindTicketNumberRequest(name=NEW_NAME, **document))
    await world.refused(
        portal,
        recovery.StartPasswordRecoveryRequest(
            request_id=new_id(),
            ticket_number=ticket_number,
            channel=recovery.RECOVERY_CHANNEL_SMS,
            **document,
        ),
    )
    for answer in (NAME, ANSWER):
        await world.refused(
            portal,
            recovery.RecoverWithSecurityAnswerRequest(
                request_id=new_id(),
                ticket_number=ticket_number,
                answer=answer,
                new_password=PASSWORD,
                **document,
            ),
        )


async def change(world: World, candidate: Caller, officer: Caller) -> None:
    """Ask for another name and document, be approved, and take a copy of everything."""
    values = changes.ProfileValues(
        name=NEW_NAME,
        document_type=types.DOCUMENT_TYPE_RESIDENT_ID,
        document_number=NEW_NUMBER,
    )
    request = changes.RequestProfileChangeRequest(request_id=new_id(), changes=values)
    change_id = (await candidate.call(request)).change.change_id
    evidence = changes.UploadChangeEvidenceRequest(request_id=new_id(), jpeg=material())
    await candidate.call(evidence)
    await officer.call(changes.GetProfileChangeForReviewRequest(change_id=change_id))
    await officer.call(
        changes.DecideProfileChangeRequest(request_id=new_id(), change_id=change_id, approve=True)
    )
    copy = candidate.start(privacy.ExportPersonalDataRequest(), timeout=10)
    assert NUMBER.encode() in b"".join([each.content async for each in copy])
    await world.refused(
        candidate, privacy.ErasePersonalDataRequest(request_id=new_id(), password=PASSWORD)
    )


async def applied(server: RegistrationServer) -> bool:
    """Whether the profile change is in effect."""
    rows = await server.rows("SELECT state FROM registration.profile_change")
    return [row["state"] for row in rows] == ["applied"]


async def fuzz(world: World, caller: Caller, method: MethodDescriptor) -> None:
    """Call a method with the canary in every field of text, and in all but the request id."""
    if method.client_streaming or method.name == "WatchCandidates":
        return
    for request_id in (NUMBER, new_id()):
        request: Any = GetMessageClass(method.input_type)()
        fill(request, method.input_type, NUMBER)
        if "request_id" in method.input_type.fields_by_name:
            request.request_id = request_id
        await world.refused(caller, request)


def fill(message: Any, descriptor: Descriptor, text: str) -> None:
    """Put `text` into every field of text or bytes of a message, however deep."""
    for each in descriptor.fields:
        if each.message_type is not None:
            if each.message_type.full_name.startswith("google."):
                continue
            inner = getattr(message, each.name)
            fill(inner.add() if each.is_repeated else inner, each.message_type, text)
            if not each.is_repeated:
                inner.SetInParent()
        elif each.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
            value = text if each.type == FieldDescriptor.TYPE_STRING else text.encode()
            if each.is_repeated:
                getattr(message, each.name).append(value)
            else:
                setattr(message, each.name, value)


async def test_the_canary_is_found_nowhere(world: World) -> None:
    """In no table, no file of the cluster, no log, no metric, no activity and no error."""
    search = await world.search()
    assert search.found == set()
    looked = " ".join(search.searched)
    for place in ("pg_wal/", "server.log", "registration.log", "enrollment.log", "tickets.log"):
        assert place in looked
    assert search.searched["table registration.candidate"] > 100
    assert search.searched["table tickets.candidate"] > 100
    assert search.searched["registration-metrics"] > 1000
    assert len(world.errors) > 200


async def test_other_services_have_the_canary(world: World) -> None:
    """What was searched is not empty: the feed, which may have it, brings the name in full."""
    watcher = await world.server.caller("tickets")
    names = set()
    with suppress(grpc.aio.AioRpcError):
        async for page in watcher.start(feed.WatchCandidatesRequest(), timeout=10):
            names |= {event.candidate.name for event in page.events}
            if not page.events:
                break
    assert {NAME, NEW_NAME} <= names


async def test_a_canary_in_clear_is_found(world: World) -> None:
    """Negative control: planted in a table it is found there, in the cluster's files and log."""
    admin = await asyncpg.connect(world.installation.admin_dsn)
    await admin.execute("CREATE TABLE registration.planted (text text)")
    await admin.execute("INSERT INTO registration.planted VALUES ($1)", NUMBER)
    try:
        found = (await world.search()).found
    finally:
        await admin.execute("DROP TABLE registration.planted")
        await admin.close()
    places = {each.partition(":")[0] for each in found}
    assert "table registration.planted" in places
    assert "cluster server.log" in places
    assert any(place.startswith("cluster pgdata/pg_wal/") for place in places)
    assert any(place.startswith("cluster pgdata/base/") for place in places)


@pytest.mark.parametrize("form", list(Canary("", "x" * 9).needles))
async def test_every_form_is_found(form: str, tmp_path: Path) -> None:
    """Negative control: whatever a program makes of the text, the search sees it in a file."""
    canary = Canary("name", NAME)
    (tmp_path / "left.bin").write_bytes(b"before" + canary.needles[form] + b"after")
    search = Search([canary])
    search.look_into_files("folder", tmp_path)
    assert f"folder left.bin: name, {form}" in search.found
