"""The audit trail as auditors read it."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.registration_people import (
    JINJIANG,
    NAME,
    WUHOU,
    apply_session,
    approval,
    document_number,
    lease_request,
    new_officer,
    pending_candidate,
)
from support.registration_server import NOON, RegistrationServer, registration_server
from support.service import Caller
from support.service_databases import MakeDatabase
from zikao.options.v1 import options_pb2
from zikao.registration.v1 import audit_service_pb2 as audit
from zikao_kit.convert import time_to_pb


@pytest.fixture
async def server(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[RegistrationServer]:
    """A running service with the session applied, in its registration window."""
    async with registration_server(await make_database("registration"), tmp_path) as running:
        await apply_session(running)
        yield running


def asked(**filters: Any) -> audit.ListAuditEntriesRequest:
    """Ask for entries."""
    return audit.ListAuditEntriesRequest(**filters)


async def entries(auditor: Caller, **filters: Any) -> list[audit.AuditEntry]:
    """Those of all pages."""
    request, found = asked(**filters), []
    while True:
        page = await auditor.call(request)
        found += page.entries
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


async def new_auditor(server: RegistrationServer) -> Caller:
    """An auditor of the province."""
    return await new_officer(server, "51", options_pb2.ROLE_AUDITOR, name="auditor")


async def test_who_did_what_to_a_candidate(server: RegistrationServer) -> None:
    """The newest first, with states before and after, and without a word of the person."""
    _, candidate_id = await pending_candidate(server, 3)
    officer = await new_officer(server)
    await officer.call(lease_request())
    await officer.call(approval(candidate_id))
    auditor = await new_auditor(server)
    found = await entries(auditor, candidate_id=candidate_id)
    assert [each.action for each in found][:3] == [
        "decide_registration",
        "lease_registration",
        "submit_registration",
    ]
    decided = found[0]
    assert (decided.role, decided.county_code) == ("county_officer", JINJIANG)
    assert json.loads(decided.before_json) == {"state": "pending_review"}
    assert json.loads(decided.after_json) == {"state": "approved", "reasons": []}
    for secret in (NAME, document_number(3)):
        assert secret not in str(found)


async def test_filters(server: RegistrationServer) -> None:
    """By officer, by action, by county and by time."""
    _, here = await pending_candidate(server, 1)
    _, there = await pending_candidate(server, 2, county_code=WUHOU)
    officers = [await new_officer(server, code) for code in (JINJIANG, WUHOU)]
    await officers[0].call(lease_request(JINJIANG))
    await server.move_clock(NOON + timedelta(minutes=5))
    await officers[1].call(lease_request(WUHOU))
    auditor = await new_auditor(server)
    leases = await entries(auditor, action="lease_registration")
    assert [each.candidate_id for each in leases] == [there, here]
    by_actor = await entries(auditor, actor=leases[1].actor)
    assert {each.candidate_id for each in by_actor if each.candidate_id} == {here}
    for code, expected in ((JINJIANG, [here]), ("5101", [there, here]), ("5102", [])):
        found = await entries(auditor, action="lease_registration", county_code=code)
        assert [each.candidate_id for each in found] == expected
    middle = time_to_pb(NOON + timedelta(minutes=4))
    later = await entries(auditor, action="lease_registration", at_from=middle)
    assert [each.candidate_id for each in later] == [there]
    earlier = await entries(auditor, action="lease_registration", at_to=middle)
    assert [each.candidate_id for each in earlier] == [here]
    assert "apply_session" in {each.action for each in await entries(auditor)}


async def test_pages(server: RegistrationServer) -> None:
    """Every entry once, though reading leaves new ones; tokens are bound to their list."""
    for number in (1, 2, 3):
        await pending_candidate(server, number)
    auditor = await new_auditor(server)
    whole = await entries(auditor)
    paged = await entries(auditor, page_size=4)
    assert [each.audit_id for each in paged[1:]] == [each.audit_id for each in whole]
    assert paged[0].action == "list_audit_entries"
    token = (await auditor.call(asked(page_size=2))).next_page_token
    for wrong in (asked(page_token=token, action="submit_registration"), asked(page_token="x")):
        assert (await auditor.refused(wrong)).reason == "INVALID_REQUEST"


async def test_only_auditors_read(server: RegistrationServer) -> None:
    """Offices are those who are audited; an auditor reads of the own province alone."""
    officer = await new_officer(server)
    province = await new_officer(server, "51", options_pb2.ROLE_PROVINCE_OFFICER)
    for caller in (officer, province):
        assert (await caller.refused(asked())).reason == "PERMISSION_DENIED"
    auditor = await new_auditor(server)
    assert (await auditor.refused(asked(county_code="50"))).reason == "OUT_OF_SCOPE"


async def test_reading_is_audited(server: RegistrationServer) -> None:
    """Whom an auditor looked at, and by what."""
    _, candidate_id = await pending_candidate(server)
    auditor = await new_auditor(server)
    await auditor.call(asked(candidate_id=candidate_id))
    (latest, *_) = (await auditor.call(asked())).entries
    assert (latest.action, latest.candidate_id, latest.role) == (
        "list_audit_entries",
        candidate_id,
        "auditor",
    )
