"""Whatever shows an office personal data in full leaves an audit row; lists are masked."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor
from support.contracts import methods
from support.registration_older import completion_request, import_rows, older_number, older_row
from support.registration_people import (
    JINJIANG,
    MOBILE,
    NAME,
    apply_session,
    document_number,
    lease_request,
    material,
    new_officer,
    pending_candidate,
)
from support.registration_records import approved_candidate
from support.registration_server import NOON, RegistrationServer, registration_server
from support.service import Caller, new_id
from support.service_databases import MakeDatabase
from zikao.options.v1 import options_pb2
from zikao.registration.v1 import older_record_service_pb2 as records
from zikao.registration.v1 import profile_change_service_pb2 as changes
from zikao.registration.v1 import review_service_pb2 as review
from zikao.registration.v1 import session_service_pb2 as session
from zikao.registration.v1 import study_record_service_pb2 as study
from zikao.registration.v1 import ticket_number_service_pb2 as numbers
from zikao.registration.v1 import types_pb2 as types
from zikao.registration.v1 import work_list_service_pb2 as work
from zikao_kit.convert import time_to_pb

# Method -> the action of the audit row that a call leaves.
FULL_VIEWS = {
    "ReviewService.LeaseRegistrations": "lease_registration",
    "ReviewService.GetReviewMaterial": "view_material",
    "WorkListService.GetRegistrationForReview": "view_registration",
    "ProfileChangeService.GetProfileChangeForReview": "view_profile_change",
    "OlderRecordService.GetOlderRecord": "view_older_record",
    "OlderRecordService.CompleteOlderRecord": "complete_older_record",
}
MASKED = {
    "WorkListService.ListRegistrations",
    "OlderRecordService.ListOlderRecords",
    "ProfileChangeService.ListProfileChanges",
}
# What these show are the caller's own secrets, or names of staff.
OF_STAFF = {
    "LoginService.ChangePassword",
    "LoginService.BeginSecondFactor",
    "LoginService.ConfirmSecondFactor",
    "StaffService.ListStaffAccounts",
}
OFFICES = {
    options_pb2.ROLE_COUNTY_OFFICER,
    options_pb2.ROLE_CITY_OFFICER,
    options_pb2.ROLE_PROVINCE_OFFICER,
    options_pb2.ROLE_AUDITOR,
}
HOUR = timedelta(hours=1)


def is_sensitive(message: Descriptor, above: tuple[str, ...] = ()) -> bool:
    """Whether personal data or a secret is in a message, however deep."""
    inner: Iterator[Descriptor] = (
        each.message_type
        for each in message.fields
        if each.message_type is not None and each.message_type.full_name not in above
    )
    return any(
        each.GetOptions().Extensions[options_pb2.sensitive] for each in message.fields
    ) or any(is_sensitive(each, (*above, each.full_name)) for each in inner)


def test_every_method_that_shows_personal_data_is_known() -> None:
    """A new method with sensitive fields in its answer to staff is audited or masked, or fails."""
    found = {
        f"{method.containing_service.name}.{method.name}"
        for method in methods()
        if method.containing_service.file.package == "zikao.registration.v1"
        and OFFICES & set(method.GetOptions().Extensions[options_pb2.access].roles)
        and is_sensitive(method.output_type)
    }
    assert found == FULL_VIEWS.keys() | MASKED | OF_STAFF


@dataclass
class Office:
    """An officer, and what there is to look at."""

    server: RegistrationServer
    officer: Caller
    pending: str
    change: str

    async def actions(self) -> list[str]:
        """What the audit says was done, in order."""
        rows = await self.server.rows("SELECT action FROM registration.audit ORDER BY audit_id")
        return [row["action"] for row in rows]


@pytest.fixture
async def office(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[Office]:
    """A pending application, a profile change and an older record."""
    async with registration_server(await make_database("registration"), tmp_path) as server:
        await apply_session(
            server,
            profile_change=session.SessionWindow(
                opens_at=time_to_pb(NOON - HOUR), closes_at=time_to_pb(NOON + HOUR)
            ),
            profile_changes_effective_at=time_to_pb(NOON + HOUR),
        )
        officer = await new_officer(server)
        candidate, _ = await approved_candidate(server, officer)
        values = changes.ProfileValues(name=NAME + "江")
        asked = await candidate.call(
            changes.RequestProfileChangeRequest(request_id=new_id(), changes=values)
        )
        await candidate.call(
            changes.UploadChangeEvidenceRequest(request_id=new_id(), jpeg=material())
        )
        _, pending = await pending_candidate(server, 2)
        await import_rows(officer, older_row(3, document_number=""))
        yield Office(server, officer, pending, asked.change.change_id)


async def test_every_full_view_is_audited(office: Office) -> None:
    """Each of the methods, called once, leaves one row of its action."""
    calls: dict[str, Any] = {
        "ReviewService.LeaseRegistrations": lease_request(),
        "ReviewService.GetReviewMaterial": review.GetReviewMaterialRequest(
            candidate_id=office.pending
        ),
        "WorkListService.GetRegistrationForReview": work.GetRegistrationForReviewRequest(
            candidate_id=office.pending
        ),
        "ProfileChangeService.GetProfileChangeForReview": changes.GetProfileChangeForReviewRequest(
            change_id=office.change
        ),
        "OlderRecordService.GetOlderRecord": records.GetOlderRecordRequest(
            ticket_number=older_number(3)
        ),
        "OlderRecordService.CompleteOlderRecord": completion_request(
            3, document_number=document_number(3)
        ),
    }
    assert calls.keys() == FULL_VIEWS.keys()
    for name, request in calls.items():
        before = await office.actions()
        await office.officer.call(request)
        assert (await office.actions())[len(before) :] == [FULL_VIEWS[name]]


async def test_every_list_is_masked(office: Office) -> None:
    """Nobody's name, document number or mobile is in a list in full."""
    lists: dict[str, Any] = {
        "WorkListService.ListRegistrations": work.ListRegistrationsRequest(county_code=JINJIANG),
        "OlderRecordService.ListOlderRecords": records.ListOlderRecordsRequest(
            county_code=JINJIANG
        ),
        "ProfileChangeService.ListProfileChanges": changes.ListProfileChangesRequest(
            county_code=JINJIANG
        ),
    }
    assert lists.keys() == MASKED
    for request in lists.values():
        answer = (await office.officer.call(request)).SerializeToString()
        assert b"****" in answer
        for secret in (NAME, "王一", MOBILE, *map(document_number, (1, 2, 3))):
            assert secret.encode() not in answer


async def test_words_of_offices_hold_no_numbers_of_people(office: Office) -> None:
    """They are kept in clear: document, mobile and ticket numbers are refused, telephones not."""
    officer, who = office.officer, office.pending
    blocked, reject = types.STANDING_BLOCKED, [types.REJECTION_REASON_MATERIAL]
    number, other = older_number(1), older_number(2)
    requests: list[tuple[Any, str]] = [
        (review.DecideRegistrationRequest(candidate_id=who, reasons=reject), "comment"),
        (changes.DecideProfileChangeRequest(change_id=office.change, reasons=reject), "comment"),
        (study.SetStandingRequest(candidate_id=who, standing=blocked), "reason"),
        (numbers.MergeTicketNumbersRequest(keep=number, cancel=[other]), "reason"),
    ]
    province = await new_officer(office.server, "51", options_pb2.ROLE_PROVINCE_OFFICER)
    cancel = numbers.CancelTicketNumberRequest(ticket_number=number)
    calls = [*((officer, *each) for each in requests), (province, cancel, "reason")]
    for caller, request, field in calls:
        for secret in (MOBILE, document_number(1), number, "５１０１０４１９９００１"):
            request.request_id = new_id()
            setattr(request, field, f"与{secret}不符")
            refused = await caller.refused(request)
            assert [problem.field for problem in refused.fields] == [field], request
    await officer.call(lease_request())
    decision = review.DecideRegistrationRequest(request_id=new_id(), candidate_id=who)
    decision.reasons.extend(reject)
    decision.comment = "材料不清晰，咨询电话028-85250000"
    await officer.call(decision)
