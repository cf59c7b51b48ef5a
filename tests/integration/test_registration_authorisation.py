"""Who may call what of registration: all methods by everybody, in and out of scope, own and not."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from google.protobuf.descriptor import MethodDescriptor
from support.authorisation import (
    Entry,
    NobodysData,
    OwnOnly,
    Scoped,
    methods_of,
    require_admitted,
    require_entries,
    require_fitting,
    require_scope,
    short_name,
)
from support.registration_older import older_number, older_row
from support.registration_people import (
    JINJIANG,
    MOBILE,
    SESSION_CODE,
    approval,
    document_number,
    lease_request,
)
from support.registration_world import World, registration_world
from support.service import new_id
from support.service_databases import ServiceDatabases
from zikao.registration.v1 import login_service_pb2 as logins
from zikao.registration.v1 import older_candidate_service_pb2 as older
from zikao.registration.v1 import older_record_service_pb2 as older_record
from zikao.registration.v1 import profile_change_service_pb2 as changes
from zikao.registration.v1 import recovery_service_pb2 as recovery
from zikao.registration.v1 import review_service_pb2 as review
from zikao.registration.v1 import study_record_service_pb2 as records
from zikao.registration.v1 import ticket_number_service_pb2 as numbers
from zikao.registration.v1 import types_pb2 as types
from zikao.registration.v1 import work_list_service_pb2 as work_list

pytestmark = pytest.mark.asyncio(loop_scope="module")

METHODS = methods_of("zikao.registration.v1")
# Nobody is known yet: what the caller sends is the proof.
BY_PROOF = NobodysData("who asks proves it by what is sent; the answer tells no stranger anything")
OWN_ACCOUNT = NobodysData("works on the account in the token")
TO_SERVICES = NobodysData("every candidate's, to the services of the installation alone")

ENTRIES: dict[str, Entry] = {
    "AccountService.CreateAccount": BY_PROOF,
    "AccountService.LogIn": BY_PROOF,
    "AccountService.ListSigningKeys": NobodysData("public keys"),
    "AccountService.ListRevokedLogins": TO_SERVICES,
    "AuditService.ListAuditEntries": NobodysData("an auditor sees the scope's trail and no more"),
    "CandidateFeedService.WatchCandidates": TO_SERVICES,
    "CandidateFeedService.GetCandidate": TO_SERVICES,
    "CandidateFeedService.BatchGetPhotos": TO_SERVICES,
    "ContactService.SetSecurityQuestion": OwnOnly(),
    "ContactService.UpdateContact": OwnOnly(),
    "IdentityProviderService.CompleteProviderLogin": BY_PROOF,
    "IdentityProviderService.StartProviderLogin": BY_PROOF,
    "LoginService.BeginSecondFactor": OWN_ACCOUNT,
    "LoginService.ChangePassword": OWN_ACCOUNT,
    "LoginService.ConfirmSecondFactor": OWN_ACCOUNT,
    "LoginService.ListLogins": OWN_ACCOUNT,
    "LoginService.LogOut": NobodysData("another's login is left as it is, as is proven below"),
    "LoginService.LogOutEverywhere": OWN_ACCOUNT,
    "LoginService.RefreshToken": BY_PROOF,
    "OlderCandidateService.StartImport": NobodysData("begins one of the officer's own office"),
    "OlderCandidateService.ImportOlderCandidates": Scoped(
        lambda world: older.ImportOlderCandidatesRequest(
            import_id=world.import_id, rows=[older_row(9)]
        )
    ),
    "OlderCandidateService.GetImport": Scoped(
        lambda world: older.GetImportRequest(import_id=world.import_id)
    ),
    "OlderCandidateService.ListImportProblems": Scoped(
        lambda world: older.ListImportProblemsRequest(import_id=world.import_id)
    ),
    "OlderRecordService.CompleteOlderRecord": Scoped(
        lambda _: older_record.CompleteOlderRecordRequest(
            request_id=new_id(), ticket_number=older_number(9), mobile=MOBILE
        )
    ),
    "OlderRecordService.GetOlderRecord": Scoped(
        lambda _: older_record.GetOlderRecordRequest(ticket_number=older_number(9))
    ),
    "OlderRecordService.LiftActivationLimit": Scoped(
        lambda _: older_record.LiftActivationLimitRequest(
            request_id=new_id(), ticket_number=older_number(9)
        )
    ),
    "OlderRecordService.ListOlderRecords": Scoped(
        lambda _: older_record.ListOlderRecordsRequest(county_code=JINJIANG)
    ),
    "PrivacyService.ErasePersonalData": OwnOnly(),
    "PrivacyService.ExportPersonalData": OwnOnly(),
    "ProfileChangeService.RequestProfileChange": OwnOnly(),
    "ProfileChangeService.UploadChangeEvidence": OwnOnly(),
    "ProfileChangeService.GetProfileChange": OwnOnly(),
    "ProfileChangeService.WithdrawProfileChange": OwnOnly(),
    "ProfileChangeService.ListProfileChanges": Scoped(
        lambda _: changes.ListProfileChangesRequest(county_code=JINJIANG)
    ),
    "ProfileChangeService.GetProfileChangeForReview": Scoped(
        lambda world: changes.GetProfileChangeForReviewRequest(change_id=world.change_id)
    ),
    "ProfileChangeService.DecideProfileChange": Scoped(
        lambda world: changes.DecideProfileChangeRequest(
            request_id=new_id(), change_id=world.change_id, approve=True
        )
    ),
    "RecoveryService.FindTicketNumber": BY_PROOF,
    "RecoveryService.StartPasswordRecovery": BY_PROOF,
    "RecoveryService.CompletePasswordRecovery": BY_PROOF,
    "RecoveryService.GetSecurityQuestion": BY_PROOF,
    "RecoveryService.RecoverWithSecurityAnswer": BY_PROOF,
    "RecoveryService.ResetCandidatePassword": Scoped(
        lambda _: recovery.ResetCandidatePasswordRequest(
            request_id=new_id(),
            document_type=types.DOCUMENT_TYPE_RESIDENT_ID,
            document_number=document_number(4),
            reason=recovery.RESET_REASON_FORGOTTEN,
        )
    ),
    "RegistrationService.GetRegistration": OwnOnly(),
    "RegistrationService.UpdateRegistration": OwnOnly(),
    "RegistrationService.UploadPhoto": OwnOnly(),
    "RegistrationService.UploadIdentityMaterial": OwnOnly(),
    "RegistrationService.SubmitRegistration": OwnOnly(),
    "ReviewService.LeaseRegistrations": Scoped(lambda _: lease_request()),
    "ReviewService.GetReviewMaterial": Scoped(
        lambda world: review.GetReviewMaterialRequest(candidate_id=world.pending_id)
    ),
    "ReviewService.DecideRegistration": Scoped(lambda world: approval(world.pending_id)),
    "ReviewService.ApproveRegistrations": NobodysData("each of the many is refused for itself"),
    "ReviewService.ReleaseLeases": NobodysData("gives back what the officer holds"),
    "SessionService.ApplySession": NobodysData("settings, by the operator's certificate"),
    "StaffService.CreateStaffAccount": NobodysData("staff accounts are the operator's"),
    "StaffService.DisableStaffAccount": NobodysData("staff accounts are the operator's"),
    "StaffService.ListStaffAccounts": NobodysData("the installation's, to its province"),
    "StaffService.ResetStaffAccount": NobodysData("staff accounts are the operator's"),
    "StudyRecordService.GetStudyRecord": OwnOnly(),
    "StudyRecordService.GetStudyRecordForOffice": Scoped(
        lambda world: records.GetStudyRecordForOfficeRequest(candidate_id=world.approved_id)
    ),
    "StudyRecordService.SetStanding": Scoped(
        lambda world: records.SetStandingRequest(
            request_id=new_id(),
            ticket_number=world.approved_number,
            standing=types.STANDING_BLOCKED,
            reason="材料核实中",
        )
    ),
    "StudyRecordService.RequestTransfer": OwnOnly(),
    "StudyRecordService.WithdrawTransfer": OwnOnly(),
    "TicketNumberService.ActivateTicketNumber": BY_PROOF,
    "TicketNumberService.CancelTicketNumber": Scoped(
        lambda _: numbers.CancelTicketNumberRequest(
            request_id=new_id(), ticket_number=older_number(8), reason="重复登记"
        )
    ),
    "TicketNumberService.ListTicketNumbers": Scoped(
        lambda _: numbers.ListTicketNumbersRequest(ticket_number=older_number(9))
    ),
    "TicketNumberService.MergeTicketNumbers": Scoped(
        lambda _: numbers.MergeTicketNumbersRequest(
            request_id=new_id(), keep=older_number(7), cancel=[older_number(6)], reason="一人两号"
        )
    ),
    "TicketNumberService.RegisterAnew": OwnOnly(),
    "WorkListService.ListRegistrations": Scoped(
        lambda _: work_list.ListRegistrationsRequest(county_code=JINJIANG)
    ),
    "WorkListService.GetRegistrationForReview": Scoped(
        lambda world: work_list.GetRegistrationForReviewRequest(candidate_id=world.pending_id)
    ),
    "WorkListService.GetReviewStatistics": Scoped(
        lambda _: work_list.GetReviewStatisticsRequest(
            county_code=JINJIANG, session_code=SESSION_CODE
        )
    ),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    service_databases: ServiceDatabases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """A running service with people of one county in it."""
    dsn = await service_databases.clone("registration")
    async with registration_world(dsn, tmp_path_factory.mktemp("authorisation")) as made:
        yield made
    await service_databases.drop(dsn)


def methods_with(kind: type[Entry]) -> list[MethodDescriptor]:
    """The methods whose entry is of a kind."""
    return [method for method in METHODS if isinstance(ENTRIES.get(short_name(method)), kind)]


async def test_every_method_has_an_entry() -> None:
    """A new method says whose data it may be asked about, or this fails."""
    require_entries(METHODS, ENTRIES)
    for method in METHODS:
        require_fitting(method, ENTRIES[short_name(method)])


@pytest.mark.parametrize("method", METHODS, ids=short_name)
async def test_the_contract_says_who_is_let_in(world: World, method: MethodDescriptor) -> None:
    """Every role and every certificate is let in or kept out as the method's option says."""
    await require_admitted(method, world.everybody)


@pytest.mark.parametrize("method", methods_with(Scoped), ids=short_name)
async def test_officers_keep_to_their_scope(world: World, method: MethodDescriptor) -> None:
    """The county's, its city's and its province's officers reach it; nobody else's do."""
    entry = ENTRIES[short_name(method)]
    assert isinstance(entry, Scoped)
    await require_scope(method, lambda: entry.build(world), JINJIANG, world.everybody)


async def test_nobody_ends_anothers_login(world: World) -> None:
    """A candidate who names another's login is answered as for any, and it goes on."""
    another, candidate = world.someone("another candidate"), world.someone("candidate")
    theirs = (await another.caller.call(logins.ListLoginsRequest())).logins
    for login in theirs:
        request = logins.LogOutRequest(request_id=new_id(), login_id=login.login_id)
        await candidate.caller.call(request)
    assert (await another.caller.call(logins.ListLoginsRequest())).logins == theirs
