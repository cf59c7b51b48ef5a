"""Profile changes over mutual TLS: asked for, decided, and in effect after the session."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from support.registration_changes import (
    APPLIED,
    EFFECTIVE_AT,
    FAILED,
    HOUR,
    NEW_NAME,
    OTHER_NUMBER,
    RESIDENT_ID,
    WINDOW_CLOSES,
    approved_change,
    decision,
    evidence,
    is_in,
    logged_in,
    open_changes,
    other_document,
    state_of,
    wanted,
    withdrawal,
)
from support.registration_older import import_rows, older_row
from support.registration_people import (
    JINJIANG,
    NAME,
    PASSWORD,
    STAFF_PASSWORD,
    WUHOU,
    account_request,
    apply_session,
    document_number,
    log_in,
    new_candidate,
    new_officer,
    photo,
    session_part,
)
from support.registration_records import approved_candidate, published
from support.registration_server import NOON, RegistrationServer, registration_server
from support.service import new_id, until
from support.service_databases import MakeDatabase
from zikao.registration.v1 import account_service_pb2 as accounts
from zikao.registration.v1 import profile_change_service_pb2 as changes
from zikao.registration.v1 import registration_service_pb2 as registration
from zikao.registration.v1 import session_service_pb2 as session
from zikao.registration.v1 import types_pb2 as types

WORK = "profile changes"


@pytest.fixture
async def dsn(make_database: MakeDatabase) -> str:
    """Registration's database."""
    return await make_database("registration")


@pytest.fixture
async def server(dsn: str, tmp_path: Path) -> AsyncIterator[RegistrationServer]:
    """Registration, which takes profile changes."""
    async with registration_server(dsn, tmp_path) as running:
        await open_changes(running)
        yield running


def failures() -> float:
    """How often the work on changes has failed."""
    return REGISTRY.get_sample_value("zikao_background_failures_total", {"work": WORK}) or 0


async def test_the_whole_way(server: RegistrationServer) -> None:
    """Asked, proven, seen in full and approved; in effect after the session and not before."""
    officer = await new_officer(server)
    candidate, who = await approved_candidate(server, officer)
    request = wanted(name=NEW_NAME, document_type=RESIDENT_ID, document_number=OTHER_NUMBER)
    asked = (await candidate.call(request)).change
    assert asked.state == changes.PROFILE_CHANGE_STATE_AWAITING_EVIDENCE
    assert (await candidate.call(evidence())).change.state == changes.PROFILE_CHANGE_STATE_PENDING
    seen = await officer.call(changes.GetProfileChangeForReviewRequest(change_id=asked.change_id))
    assert (seen.current.name, seen.current.document_number) == (NAME, document_number(1))
    assert (seen.change.changes.name, seen.document_taken) == (NEW_NAME, False)
    assert seen.evidence_jpeg[:3] == b"\xff\xd8\xff"
    await officer.call(decision(asked.change_id))
    before = await published(server, who)
    await server.move_clock(EFFECTIVE_AT - HOUR)
    candidate = await log_in(server, document_number(1))
    assert await state_of(candidate) == changes.PROFILE_CHANGE_STATE_APPROVED
    assert await published(server, who) == before
    assert (before.name, before.document_number) == (NAME, document_number(1))
    await server.move_clock(EFFECTIVE_AT)
    candidate = await until(lambda: logged_in(server, OTHER_NUMBER))
    assert await is_in(candidate, APPLIED)
    after = await published(server, who)
    assert (after.name, after.document_number) == (NEW_NAME, OTHER_NUMBER)
    assert (after.ticket_number, after.standing) == (before.ticket_number, before.standing)
    own = (await candidate.call(registration.GetRegistrationRequest())).registration
    assert (own.personal.name, own.document_number) == (NEW_NAME, OTHER_NUMBER)


async def test_the_new_number_logs_in(server: RegistrationServer) -> None:
    """In effect, the old number is nobody's login name, and free for its true owner."""
    officer = await new_officer(server)
    candidate, _ = await approved_candidate(server, officer)
    await approved_change(candidate, officer, other_document())
    await server.move_clock(EFFECTIVE_AT)
    portal = await server.caller("portal")
    await until(lambda: logged_in(server, OTHER_NUMBER))
    old = accounts.LogInRequest(login_name=document_number(1), password=PASSWORD)
    assert (await portal.refused(old)).reason == "LOGIN_FAILED"
    await server.move_clock(NOON)
    await portal.call(account_request(1))
    taken = await portal.refused(account_request(77))
    assert taken.reason == "LOGIN_NAME_TAKEN"


async def test_one_request_is_open_at_a_time(server: RegistrationServer) -> None:
    """A second one is refused until the first is withdrawn or decided against."""
    officer = await new_officer(server)
    candidate, _ = await approved_candidate(server, officer)
    request = wanted()
    first = await candidate.call(request)
    assert await candidate.call(request) == first
    assert (await candidate.refused(wanted())).reason == "PROFILE_CHANGE_OPEN"
    await candidate.call(withdrawal())
    assert (await candidate.refused(withdrawal())).reason == "PROFILE_CHANGE_STATE"
    await candidate.call(wanted())
    change_id = (await candidate.call(evidence())).change.change_id
    assert (await candidate.refused(evidence())).reason == "PROFILE_CHANGE_STATE"
    await officer.call(decision(change_id, approve=False))
    rejected = (await candidate.call(changes.GetProfileChangeRequest())).change
    assert list(rejected.decision.reasons) == [types.REJECTION_REASON_MATERIAL]
    assert (await officer.refused(decision(change_id))).reason == "PROFILE_CHANGE_STATE"
    await candidate.call(wanted())


async def test_requests_are_few_and_leave_nothing(server: RegistrationServer) -> None:
    """Three in a session, withdrawn ones too; the evidence goes with the request."""
    candidate, _ = await approved_candidate(server, await new_officer(server))
    for _ in range(3):
        await candidate.call(wanted())
        await candidate.call(evidence())
        assert (await candidate.refused(wanted())).reason == "PROFILE_CHANGE_OPEN"
        await candidate.call(withdrawal())
    refused = await candidate.refused(wanted())
    assert (refused.reason, refused.metadata["limit"]) == ("PROFILE_CHANGE_LIMIT", "3")
    rows = await server.rows("SELECT state, evidence_enc FROM registration.profile_change")
    assert [tuple(row) for row in rows] == [("withdrawn", None)] * 3


async def test_what_cannot_be_asked_for(server: RegistrationServer) -> None:
    """No approved registration, nothing new, fields that disagree, a number that is none."""
    officer = await new_officer(server)
    candidate, _ = await approved_candidate(server, officer)
    draft = await new_candidate(server, 2)
    assert (await draft.refused(wanted())).reason == "STATE_NOT_ALLOWED"
    same = await candidate.refused(wanted(name=NAME))
    assert [problem.field for problem in same.fields] == ["changes"]
    wrong = await candidate.refused(wanted(sex=types.SEX_FEMALE, birth_date="1991-02-30"))
    assert {problem.field for problem in wrong.fields} == {"changes.sex", "changes.birth_date"}
    invalid = await candidate.refused(other_document("510104199112310000"))
    assert invalid.reason == "DOCUMENT_INVALID"
    half = await candidate.refused(wanted(document_number=OTHER_NUMBER))
    assert half.reason == "INVALID_REQUEST"
    assert (await candidate.refused(evidence())).reason == "NOT_FOUND"


async def test_only_in_its_window(server: RegistrationServer) -> None:
    """After it nothing is asked for, and what has no evidence lapses."""
    officer = await new_officer(server)
    candidate, _ = await approved_candidate(server, officer)
    await candidate.call(wanted())
    await server.move_clock(WINDOW_CLOSES)
    candidate = await log_in(server, document_number(1))
    await until(lambda: is_in(candidate, changes.PROFILE_CHANGE_STATE_LAPSED))
    closed = await candidate.refused(wanted())
    assert closed.reason == "PROFILE_CHANGE_CLOSED"
    await server.move_clock(NOON - 2 * HOUR)
    early = await (await log_in(server, document_number(1))).refused(wanted())
    assert WINDOW_CLOSES.isoformat() in early.metadata["detail"]


async def test_no_late_decision_changes_the_next_session(server: RegistrationServer) -> None:
    """What is undecided when changes take effect lapses, and nothing of the registration changed.

    An approval after that would be in effect at once, with tickets of the next session arranged.
    """
    officer = await new_officer(server)
    candidate, who = await approved_candidate(server, officer)
    change_id = (await candidate.call(other_document())).change.change_id
    await candidate.call(evidence())
    before = await published(server, who)
    await server.move_clock(EFFECTIVE_AT)
    officer = await log_in(server, f"officer-{JINJIANG}", STAFF_PASSWORD)
    late = await officer.refused(decision(change_id))
    assert (late.reason, late.metadata["state"]) == ("PROFILE_CHANGE_STATE", "已逾期")
    candidate = await log_in(server, document_number(1))
    await until(lambda: is_in(candidate, changes.PROFILE_CHANGE_STATE_LAPSED))
    assert (await officer.refused(decision(change_id))).reason == "PROFILE_CHANGE_STATE"
    assert await published(server, who) == before


async def test_what_cannot_be_read_keeps_no_other_back(server: RegistrationServer) -> None:
    """A damaged request is told and counted each time; all others take effect."""
    officer = await new_officer(server)
    people = [await approved_candidate(server, officer, number) for number in (1, 2, 3)]
    for candidate, _ in people:
        await approved_change(candidate, officer, wanted())
    (damaged,) = await server.rows(
        "UPDATE registration.profile_change SET values_enc = 'x' "
        "WHERE change_id = ("
        "SELECT change_id FROM registration.profile_change ORDER BY change_id LIMIT 1) "
        "RETURNING candidate_id::text"
    )
    before = failures()
    await server.move_clock(EFFECTIVE_AT)
    await until(lambda: failures() > before)
    states = await server.rows("SELECT candidate_id::text, state FROM registration.profile_change")
    assert {row["state"] for row in states if row["candidate_id"] != damaged[0]} == {"applied"}
    assert (damaged[0], "approved") in [tuple(row) for row in states]


async def test_a_session_keeps_the_time_of_open_changes(server: RegistrationServer) -> None:
    """While a change is open the operator may move the time of its effect, not take it away."""
    officer = await new_officer(server)
    candidate, _ = await approved_candidate(server, officer)
    await candidate.call(wanted())
    operator = await server.caller("operator")
    error = await operator.refused(
        session.ApplySessionRequest(request_id=new_id(), session=session_part())
    )
    assert error.reason == "SESSION_CHANGE_REFUSED"
    assert "考籍更改" in error.metadata["detail"]
    await candidate.call(withdrawal())
    assert await apply_session(server)


async def test_another_candidates_number(server: RegistrationServer) -> None:
    """The candidate is not told whose it is; the office sees it and cannot approve."""
    officer = await new_officer(server)
    candidate, _ = await approved_candidate(server, officer)
    await new_candidate(server, 77)
    asked = (await candidate.call(other_document())).change
    await candidate.call(evidence())
    seen = await officer.call(changes.GetProfileChangeForReviewRequest(change_id=asked.change_id))
    assert seen.document_taken
    assert (await officer.refused(decision(asked.change_id))).reason == "DOCUMENT_TAKEN"
    await officer.call(decision(asked.change_id, approve=False))


async def test_the_number_of_an_older_record(server: RegistrationServer) -> None:
    """Who has an older number under the new document merges it first: the office cannot approve."""
    officer = await new_officer(server)
    candidate, _ = await approved_candidate(server, officer)
    await import_rows(officer, older_row(77))
    asked = (await candidate.call(other_document())).change
    await candidate.call(evidence())
    seen = await officer.call(changes.GetProfileChangeForReviewRequest(change_id=asked.change_id))
    assert seen.document_taken
    assert (await officer.refused(decision(asked.change_id))).reason == "DOCUMENT_TAKEN"


async def test_a_number_that_is_taken_meanwhile(server: RegistrationServer) -> None:
    """Approved, then registered by its owner: the change fails, says why, and nothing changed."""
    officer = await new_officer(server)
    candidate, who = await approved_candidate(server, officer)
    await approved_change(candidate, officer, other_document())
    await new_candidate(server, 77)
    before = await published(server, who)
    await server.move_clock(EFFECTIVE_AT)
    candidate = await log_in(server, document_number(1))
    await until(lambda: is_in(candidate, FAILED))
    change = (await candidate.call(changes.GetProfileChangeRequest())).change
    assert change.failure == changes.PROFILE_CHANGE_FAILURE_DOCUMENT_TAKEN
    assert await published(server, who) == before


async def test_offices_see_their_own_masked(server: RegistrationServer) -> None:
    """Lists are masked, paged in order and of the scope; full views are of the scope, audited."""
    officer, other = await new_officer(server), await new_officer(server, WUHOU)
    asked = []
    for number in (1, 2, 3):
        candidate, _ = await approved_candidate(server, officer, number)
        asked.append((await candidate.call(wanted())).change.change_id)
    listing = changes.ListProfileChangesRequest(county_code=JINJIANG, page_size=2)
    first = await officer.call(listing)
    listing.page_token = first.next_page_token
    second = await officer.call(listing)
    found = [*first.changes, *second.changes]
    assert [summary.change_id for summary in found] == asked
    assert second.next_page_token == ""
    assert (found[0].masked_name, found[0].masked_document_number) == (
        "阿****",
        document_number(1)[:6] + "*" * 8 + document_number(1)[-4:],
    )
    assert list(found[0].changed_fields) == ["name"]
    none = changes.ListProfileChangesRequest(
        county_code=JINJIANG, state=changes.PROFILE_CHANGE_STATE_APPROVED
    )
    assert not (await officer.call(none)).changes
    assert (await other.refused(listing)).reason == "OUT_OF_SCOPE"
    view = changes.GetProfileChangeForReviewRequest(change_id=asked[0])
    assert (await other.refused(view)).reason == "OUT_OF_SCOPE"
    assert (await other.refused(decision(asked[0]))).reason == "OUT_OF_SCOPE"
    await officer.call(view)
    rows = await server.rows(
        "SELECT role FROM registration.audit WHERE action = 'view_profile_change'"
    )
    assert [row["role"] for row in rows] == ["county_officer"]


async def test_nothing_of_it_is_kept_in_clear(server: RegistrationServer) -> None:
    """Neither the request's row nor the audit holds a name, a number or a picture."""
    officer = await new_officer(server)
    candidate, _ = await approved_candidate(server, officer)
    await approved_change(candidate, officer, other_document())
    rows = await server.rows(
        "SELECT change::text FROM registration.profile_change AS change "
        "UNION ALL SELECT audit::text FROM registration.audit AS audit"
    )
    text = "\n".join(row[0] for row in rows)
    for secret in (OTHER_NUMBER, OTHER_NUMBER.encode().hex(), "ffd8ffe000104a464946"):
        assert secret not in text


async def test_evidence_must_be_a_picture(server: RegistrationServer) -> None:
    """What is no JPEG is refused, and the request still waits for its evidence."""
    officer = await new_officer(server)
    candidate, _ = await approved_candidate(server, officer)
    await candidate.call(wanted())
    error = await candidate.refused(evidence(photo()[:1000]))
    assert error.reason == "MATERIAL_REFUSED"
    assert await state_of(candidate) == changes.PROFILE_CHANGE_STATE_AWAITING_EVIDENCE
