"""Logins by a government's identity provider, a real issuer over HTTPS on loopback."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from support.registration_older import import_rows, older_row
from support.registration_outside import REDIRECT_URI, Outside, outside
from support.registration_people import (
    NAME,
    account_request,
    apply_session,
    document_number,
    new_candidate,
    personal_data,
    update_request,
)
from support.registration_server import NOON, RegistrationServer, registration_server
from support.service import Caller, new_id
from support.service_databases import MakeDatabase
from zikao.registration.v1 import identity_provider_service_pb2 as pb
from zikao.registration.v1 import registration_service_pb2 as registration
from zikao_kit.errors import DomainError
from zikao_registration.clients import identity_provider
from zikao_sandbox.identity_provider import Fault, Persona


@pytest.fixture
async def peers(tmp_path: Path) -> AsyncIterator[Outside]:
    """The provider, with one who is registered, in each way one can be."""
    async with outside(tmp_path) as running:
        running.provider.personas |= {
            "known": Persona(NAME, document_number(1)),
            "weak": Persona(NAME, document_number(1), acr="L1"),
            "other-name": Persona("别人", document_number(1)),
            "unknown": Persona(NAME, document_number(2)),
            "passport": Persona(NAME, "E12345678", document_type="passport"),
            "mistyped": Persona(NAME, "510104199112310000"),
        }
        yield running


@pytest.fixture
async def server(
    make_database: MakeDatabase, tmp_path: Path, peers: Outside
) -> AsyncIterator[RegistrationServer]:
    """A running service with the session applied, and a candidate who has written a name."""
    dsn = await make_database("registration")
    async with registration_server(dsn, tmp_path, **peers.settings) as running:
        await apply_session(running)
        candidate = await new_candidate(running)
        await candidate.call(update_request(personal_data()))
        yield running


def begin() -> pb.StartProviderLoginRequest:
    """Press the button."""
    return pb.StartProviderLoginRequest(request_id=new_id())


async def browse(peers: Outside, url: str, persona: str) -> dict[str, str]:
    """Be recognised at the provider as a browser does; what it comes back with."""
    certificates = peers.settings["identity_provider"].ca_file
    context = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=certificates))
    async with (
        aiohttp.ClientSession(connector=context) as session,
        session.get(f"{url}&persona={persona}", allow_redirects=False) as answer,
    ):
        assert answer.status == 302
        location = answer.headers["Location"]
    assert location.startswith(f"{REDIRECT_URI}?")
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


async def come_back(
    portal: Caller, peers: Outside, persona: str
) -> pb.CompleteProviderLoginRequest:
    """Go to the provider and back; what the portal then asks."""
    begun = await portal.call(begin())
    back = await browse(peers, begun.authorization_url, persona)
    assert back["state"] == begun.state
    return pb.CompleteProviderLoginRequest(**back)


async def refusal(server: RegistrationServer, peers: Outside, persona: str) -> DomainError:
    """Why somebody does not get in."""
    portal = await server.caller("portal")
    return await portal.refused(await come_back(portal, peers, persona))


async def test_the_known_get_in(server: RegistrationServer, peers: Outside) -> None:
    """Whom the provider has recognised has a token without a password, and it is audited."""
    portal = await server.caller("portal")
    answer = await portal.call(await come_back(portal, peers, "known"))
    candidate = portal.with_token(answer.tokens.access_token)
    found = await candidate.call(registration.GetRegistrationRequest())
    assert found.registration.candidate_id == answer.tokens.subject
    (audited,) = await server.rows(
        "SELECT after::text FROM registration.audit WHERE action = 'log_in'"
    )
    assert audited["after"] == '{"by": "identity_provider"}'


async def test_an_incomplete_record_lets_nobody_in(
    server: RegistrationServer, peers: Outside
) -> None:
    """An older candidate without a photo goes to the office first, recognised or not."""
    row = older_row(2, name=NAME, photo_jpeg=b"", has_account=True)
    await import_rows(await server.caller("operator"), row)
    assert (await refusal(server, peers, "unknown")).reason == "RECORD_INCOMPLETE"


@pytest.mark.parametrize(
    ("persona", "reason"),
    [
        ("weak", "ASSURANCE_TOO_LOW"),
        ("other-name", "PROVIDER_NAME_DIFFERS"),
        ("unknown", "PROVIDER_ACCOUNT_UNKNOWN"),
        ("passport", "PROVIDER_LOGIN_FAILED"),
        ("mistyped", "PROVIDER_LOGIN_FAILED"),
    ],
)
async def test_others_are_told_why_not(
    server: RegistrationServer, peers: Outside, persona: str, reason: str
) -> None:
    """Who has proven who they are learns what is missing."""
    assert (await refusal(server, peers, persona)).reason == reason


async def test_a_draft_without_name_is_known_by_document(
    server: RegistrationServer, peers: Outside
) -> None:
    """Who has written no name yet gets in by the document."""
    portal = await server.caller("portal")
    await portal.call(account_request(2))
    assert (await portal.call(await come_back(portal, peers, "unknown"))).tokens.access_token


FORGERIES = (
    Fault.WRONG_NONCE,
    Fault.WRONG_AUDIENCE,
    Fault.WRONG_ISSUER,
    Fault.EXPIRED,
    Fault.FROM_THE_FUTURE,
    Fault.UNSIGNED,
    Fault.SYMMETRIC,
    Fault.UNKNOWN_KEY,
    Fault.FORGED,
)


@pytest.mark.parametrize("fault", FORGERIES)
async def test_forgeries_are_refused(
    server: RegistrationServer, peers: Outside, fault: Fault
) -> None:
    """A token that is not this provider's answer to this login opens nothing."""
    peers.provider.fault = fault
    assert (await refusal(server, peers, "known")).reason == "PROVIDER_LOGIN_FAILED"


async def test_low_assurance_is_refused(server: RegistrationServer, peers: Outside) -> None:
    """A level below the accepted ones is not enough, and the answer says which is."""
    peers.provider.fault = Fault.LOW_ASSURANCE
    refused = await refusal(server, peers, "known")
    assert (refused.reason, refused.metadata) == ("ASSURANCE_TOO_LOW", {"required": "L3"})


async def test_keys_may_change(server: RegistrationServer, peers: Outside) -> None:
    """A key published since is found by asking once more; known ones are not asked for."""
    portal = await server.caller("portal")
    for _ in range(2):
        await portal.call(await come_back(portal, peers, "known"))
    assert peers.provider.keys_asked == 1
    peers.provider.rotate_key()
    await asyncio.sleep(0.2)
    await portal.call(await come_back(portal, peers, "known"))
    assert peers.provider.keys_asked == 2


async def test_unknown_keys_are_asked_for_rarely(
    make_database: MakeDatabase, tmp_path: Path, peers: Outside
) -> None:
    """Tokens that name keys which nobody has do not make us ask for keys each time."""
    patient = replace(peers.settings["identity_provider"], keys_pause_seconds=60.0)
    settings = peers.settings | {"identity_provider": patient}
    peers.provider.fault = Fault.UNKNOWN_KEY
    async with registration_server(
        await make_database("registration"), tmp_path, **settings
    ) as server:
        for _ in range(5):
            assert (await refusal(server, peers, "known")).reason == "PROVIDER_LOGIN_FAILED"
    assert peers.provider.keys_asked == 1


async def test_a_state_is_good_once_in_time_and_for_its_caller(
    server: RegistrationServer, peers: Outside
) -> None:
    """Neither again, nor through another caller, nor after ten minutes."""
    portal, other = await server.caller("portal"), await server.caller("other-portal")
    asked = await come_back(portal, peers, "known")
    assert (await other.refused(asked)).reason == "PROVIDER_LOGIN_FAILED"
    await portal.call(asked)
    assert (await portal.refused(asked)).reason == "PROVIDER_LOGIN_FAILED"
    late = await come_back(portal, peers, "known")
    await server.move_clock(NOON + timedelta(minutes=10, seconds=1))
    assert (await portal.refused(late)).reason == "PROVIDER_LOGIN_FAILED"


async def test_a_code_of_another_login_is_refused(
    server: RegistrationServer, peers: Outside
) -> None:
    """A code that somebody else has brought back does not fit this login's verifier."""
    portal = await server.caller("portal")
    mine, theirs = [await come_back(portal, peers, "known") for _ in range(2)]
    mixed = pb.CompleteProviderLoginRequest(state=mine.state, code=theirs.code)
    assert (await portal.refused(mixed)).reason == "PROVIDER_LOGIN_FAILED"


@pytest.mark.parametrize("fault", [Fault.AWAY, Fault.SLOW])
async def test_a_provider_that_does_not_answer(
    server: RegistrationServer, peers: Outside, fault: Fault
) -> None:
    """A provider that is away or slow is UNAVAILABLE, within a second here."""
    peers.provider.fault = fault
    assert (await refusal(server, peers, "known")).reason == "UNAVAILABLE"


async def test_a_provider_that_is_not_there(
    make_database: MakeDatabase, tmp_path: Path, peers: Outside
) -> None:
    """The service starts and serves without its provider; logins there are UNAVAILABLE."""
    nowhere = replace(peers.settings["identity_provider"], issuer="https://localhost:1")
    settings = peers.settings | {"identity_provider": nowhere}
    async with registration_server(
        await make_database("registration"), tmp_path, **settings
    ) as server:
        portal = await server.caller("portal")
        assert (await portal.refused(begin())).reason == "UNAVAILABLE"


async def test_slow_logins_hold_no_connection(
    make_database: MakeDatabase, tmp_path: Path, peers: Outside
) -> None:
    """While more wait for the provider than the pool has connections, others are served."""
    slow = replace(peers.settings["identity_provider"], timeout_seconds=3.0)
    settings = peers.settings | {"identity_provider": slow}
    async with registration_server(
        await make_database("registration"), tmp_path, **settings
    ) as server:
        portal = await server.caller("portal")
        waiting = [await come_back(portal, peers, "known") for _ in range(20)]
        peers.provider.fault = Fault.SLOW
        calls = [asyncio.ensure_future(portal.refused(each)) for each in waiting]
        await asyncio.sleep(0.5)
        await apply_session(server)
        assert not any(call.done() for call in calls)
        assert {(await call).reason for call in calls} == {"UNAVAILABLE"}


async def test_too_many_who_wait_are_sent_away(
    make_database: MakeDatabase,
    tmp_path: Path,
    peers: Outside,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Beyond the places for those who wait for the provider the answer is OVERLOADED, at once."""
    monkeypatch.setattr(identity_provider, "MAX_AT_ONCE", 2)
    async with registration_server(
        await make_database("registration"), tmp_path, **peers.settings
    ) as server:
        portal = await server.caller("portal")
        waiting = [await come_back(portal, peers, "known") for _ in range(5)]
        peers.provider.fault = Fault.SLOW
        refused = await asyncio.gather(*(portal.refused(each) for each in waiting))
    reasons = sorted(each.reason for each in refused)
    assert reasons == ["OVERLOADED"] * 3 + ["UNAVAILABLE"] * 2


async def test_starts_are_limited(
    make_database: MakeDatabase, tmp_path: Path, peers: Outside
) -> None:
    """A caller begins only so many logins in ten minutes; one that is repeated counts once."""
    few = replace(peers.settings["identity_provider"], starts_per_caller=3)
    settings = peers.settings | {"identity_provider": few}
    async with registration_server(
        await make_database("registration"), tmp_path, **settings
    ) as server:
        portal, first = await server.caller("portal"), begin()
        assert await portal.call(first) == await portal.call(first)
        for _ in range(2):
            await portal.call(begin())
        assert (await portal.refused(begin())).reason == "OVERLOADED"
        await server.move_clock(NOON + timedelta(minutes=11))
        assert (await portal.call(begin())).state


async def test_without_a_provider(make_database: MakeDatabase, tmp_path: Path) -> None:
    """An installation without a provider says so."""
    async with registration_server(await make_database("registration"), tmp_path) as server:
        portal = await server.caller("portal")
        assert (await portal.refused(begin())).reason == "PROVIDER_NOT_CONFIGURED"
        asked = pb.CompleteProviderLoginRequest(state="state", code="code")
        assert (await portal.refused(asked)).reason == "PROVIDER_NOT_CONFIGURED"


async def test_nothing_of_a_login_is_readable(
    server: RegistrationServer, peers: Outside, capfd: pytest.CaptureFixture[str]
) -> None:
    """State, nonce and verifier are neither in the database nor in the logs."""
    portal = await server.caller("portal")
    asked = await come_back(portal, peers, "known")
    (row,) = await server.rows("TABLE registration.provider_login")
    assert asked.state.encode() not in row["secrets_enc"] + row["state_index"]
    await portal.call(asked)
    logged = "".join(capfd.readouterr())
    assert not any(each in logged for each in (asked.state, asked.code, NAME, document_number(1)))
