"""A wrong call gets a right answer: reason, code, every bad field, and nothing changed."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pyotp
import pytest
import pytest_asyncio
from support.certificates import channel_credentials
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao.options.v1 import options_pb2
from zikao.registration.v1 import account_service_pb2 as accounts
from zikao.registration.v1 import login_service_pb2 as logins
from zikao.registration.v1 import registration_service_pb2 as registrations
from zikao.registration.v1 import review_service_pb2 as reviews
from zikao.registration.v1 import staff_service_pb2 as staff
from zikao.registration.v1 import staff_service_pb2_grpc as staff_grpc
from zikao.registration.v1 import types_pb2 as types
from zikao.tickets.v1 import arrangement_service_pb2 as arrangements
from zikao.tickets.v1 import ticket_service_pb2 as tickets
from zikao_client import CallFailed, Endpoints, ZikaoClient, bearer, new_request_id, patiently
from zikao_ctl.apply_session import apply_session
from zikao_ctl.demo.command import DEFAULT_SESSION
from zikao_ctl.demo.people import resident_number
from zikao_ctl.demo.stage import move_clock
from zikao_ctl.installation import OPERATOR, Installation, open_operator_channel
from zikao_ctl.session_file import load_session_file
from zikao_kit.error_table import reason_of
from zikao_kit.tls import DevelopmentCa

pytestmark = pytest.mark.asyncio(loop_scope="module")

SESSION = load_session_file(Path(__file__).parents[2] / DEFAULT_SESSION)
NOON = SESSION.calendar.registration.opens_at + timedelta(hours=3)
PASSWORD = "a rehearsal's password"
HOME, ELSEWHERE = "510104", "510107"
PATIENCE_SECONDS = 10.0
Metadata = tuple[tuple[str, str], ...]


@dataclass
class World:
    """The installation at noon of the first day, a candidate with a draft, and an officer."""

    installation: Installation
    zikao: ZikaoClient
    candidate: Metadata
    officer: Metadata

    async def refused(self, call: Callable[[], Any]) -> CallFailed:
        """Make a call that must fail; return how."""
        with pytest.raises(CallFailed) as failed:
            await patiently(call, PATIENCE_SECONDS)
        return failed.value

    @asynccontextmanager
    async def later(self, by: timedelta) -> AsyncIterator[None]:
        """Move all clocks for a while."""
        file = self.installation.clock_file
        await move_clock(file, NOON + by)
        try:
            yield
        finally:
            await move_clock(file, NOON)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(installation: Installation) -> AsyncIterator[World]:
    """Apply the session, make a candidate and an officer of one county, log both in."""
    await move_clock(installation.clock_file, NOON)
    operator = installation.certificate(OPERATOR)
    await apply_session(SESSION, installation.targets, operator, dry_run=False)
    targets = installation.targets
    endpoints = Endpoints(targets.registration, targets.enrollment, targets.tickets)
    async with (
        ZikaoClient(endpoints, installation.certificate("portal")) as zikao,
        open_operator_channel(targets.registration, operator) as channel,
    ):
        number = resident_number(HOME, SESSION.slots[0].starts_at.date().replace(year=1990), 101)
        await patiently(lambda: zikao.accounts.CreateAccount(account(number)))
        hiring = staff.CreateStaffAccountRequest(
            request_id=new_request_id(),
            login_name=f"officer-of-wrong-calls-{HOME}",
            password=PASSWORD,
            role=options_pb2.ROLE_COUNTY_OFFICER,
            scope=HOME,
            keep_password=True,
        )
        stub = staff_grpc.StaffServiceStub(channel)
        await patiently(lambda: stub.CreateStaffAccount(hiring))
        officer = await log_in(zikao, hiring.login_name)
        yield World(
            installation,
            zikao,
            candidate=await log_in(zikao, number),
            officer=await set_up_second_factor(zikao, officer),
        )


def account(document_number: str) -> accounts.CreateAccountRequest:
    """A request for an account."""
    return accounts.CreateAccountRequest(
        request_id=new_request_id(),
        session_code=SESSION.code,
        document_type=types.DOCUMENT_TYPE_RESIDENT_ID,
        document_number=document_number,
        password=PASSWORD,
    )


async def log_in(zikao: ZikaoClient, name: str) -> Metadata:
    """Call metadata in the name of somebody."""
    request = accounts.LogInRequest(login_name=name, password=PASSWORD)
    return bearer((await patiently(lambda: zikao.accounts.LogIn(request))).tokens.access_token)


async def set_up_second_factor(zikao: ZikaoClient, officer: Metadata) -> Metadata:
    """What is asked of an officer at the first login."""
    begin = logins.BeginSecondFactorRequest(request_id=new_request_id())
    begun = await patiently(lambda: zikao.logins.BeginSecondFactor(begin, metadata=officer))
    confirm = logins.ConfirmSecondFactorRequest(
        request_id=new_request_id(), one_time_code=pyotp.TOTP(begun.secret).at(NOON)
    )
    call = lambda: zikao.logins.ConfirmSecondFactor(confirm, metadata=officer)  # noqa: E731
    return bearer((await patiently(call)).tokens.access_token)


async def test_an_expired_token(world: World) -> None:
    """A minute after its end every service refuses it, and says what to do."""
    calls: Mapping[str, Callable[[], Any]] = {
        "registration": lambda: world.zikao.registrations.GetRegistration(
            registrations.GetRegistrationRequest(), metadata=world.candidate
        ),
        "enrollment": lambda: world.zikao.enrollment.ListOrders(
            enrollment.ListOrdersRequest(session_code=SESSION.code), metadata=world.candidate
        ),
        "tickets": lambda: world.zikao.tickets.AcknowledgeNotice(
            tickets.AcknowledgeNoticeRequest(
                request_id=new_request_id(), session_code=SESSION.code, version=1
            ),
            metadata=world.candidate,
        ),
    }
    for call in calls.values():
        await patiently(call, PATIENCE_SECONDS)
    async with world.later(timedelta(hours=2, minutes=1)):
        for call in calls.values():
            failed = await world.refused(call)
            assert (failed.code, failed.reason) == (
                grpc.StatusCode.UNAUTHENTICATED,
                "TOKEN_EXPIRED",
            )
            assert failed.sentence == "登录已过期，请重新登录"


async def test_an_officer_of_another_county(world: World) -> None:
    """Neither the work list nor the arrangement of a county outside the scope can be had."""
    lease = reviews.LeaseRegistrationsRequest(
        request_id=new_request_id(), county_code=ELSEWHERE, max_count=1
    )
    start = arrangements.StartArrangementRequest(
        request_id=new_request_id(), session_code=SESSION.code, county_code=ELSEWHERE
    )
    for call in (
        lambda: world.zikao.reviews.LeaseRegistrations(lease, metadata=world.officer),
        lambda: world.zikao.arrangements.StartArrangement(start, metadata=world.officer),
    ):
        failed = await world.refused(call)
        assert (failed.code, failed.reason) == (
            grpc.StatusCode.PERMISSION_DENIED,
            "OUT_OF_SCOPE",
        )


async def test_an_officer_at_a_candidates_method(world: World) -> None:
    """A role that the contract does not name is refused; so is a call without a token."""
    request = registrations.GetRegistrationRequest()
    method = world.zikao.registrations.GetRegistration
    with_token = await world.refused(lambda: method(request, metadata=world.officer))
    without = await world.refused(lambda: method(request))
    assert (with_token.reason, without.reason) == ("PERMISSION_DENIED", "TOKEN_INVALID")


async def test_an_unknown_document_type(world: World) -> None:
    """A value outside the enum is named, and no account is made."""
    request = account("510104199003078515")
    request.document_type = 99  # type: ignore[assignment]
    failed = await world.refused(lambda: world.zikao.accounts.CreateAccount(request))
    assert (failed.code, failed.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert [problem.field for problem in failed.fields] == ["document_type"]


async def test_five_bad_fields_at_once(world: World) -> None:
    """The answer lists all five in the order of the contract, and nothing is stored."""
    request = registrations.UpdateRegistrationRequest(
        request_id=new_request_id(),
        personal=types.PersonalData(
            name="长" * 65,
            ethnicity_code="x",
            birth_date="1990/03/07",
            county_code="51",
            mobile="123",
        ),
    )
    failed = await world.refused(
        lambda: world.zikao.registrations.UpdateRegistration(request, metadata=world.candidate)
    )
    assert failed.reason == "INVALID_REQUEST"
    assert [problem.field for problem in failed.fields] == [
        f"personal.{name}"
        for name in ("name", "ethnicity_code", "birth_date", "county_code", "mobile")
    ]
    assert all(problem.description for problem in failed.fields)
    now = await patiently(
        lambda: world.zikao.registrations.GetRegistration(
            registrations.GetRegistrationRequest(), metadata=world.candidate
        )
    )
    assert now.registration.personal == types.PersonalData()


async def test_the_same_request_id_again(world: World) -> None:
    """With the same body the first answer comes again; with another body it is refused."""
    request = account(resident_number(HOME, NOON.date().replace(year=1991), 203))
    first = await patiently(lambda: world.zikao.accounts.CreateAccount(request))
    again = await patiently(lambda: world.zikao.accounts.CreateAccount(request))
    assert again == first
    request.document_number = resident_number(HOME, NOON.date().replace(year=1992), 205)
    failed = await world.refused(lambda: world.zikao.accounts.CreateAccount(request))
    assert (failed.code, failed.reason) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")


@pytest.mark.parametrize("service", ["registration", "enrollment", "tickets"])
async def test_a_call_without_deadline(world: World, service: str) -> None:
    """Whoever does not say how long to wait is told so before anything is done."""
    target = getattr(world.installation.targets, service)
    credentials = channel_credentials(world.installation.certificate("portal"))
    options = [("grpc.default_authority", service)]
    method, request = {
        "registration": (
            "/zikao.registration.v1.AccountService/ListSigningKeys",
            accounts.ListSigningKeysRequest(),
        ),
        "enrollment": (
            "/zikao.enrollment.v1.EnrollmentService/GetTimetable",
            enrollment.GetTimetableRequest(session_code=SESSION.code),
        ),
        "tickets": (
            "/zikao.tickets.v1.TicketService/GetNotice",
            tickets.GetNoticeRequest(session_code=SESSION.code),
        ),
    }[service]
    async with grpc.aio.secure_channel(target, credentials, options) as channel:
        call = channel.unary_unary(
            method, request_serializer=type(request).SerializeToString, response_deserializer=bytes
        )
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(request)
    assert reason_of(refused.value) == "DEADLINE_REQUIRED"
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_stranger_s_certificate(world: World, tmp_path: Path) -> None:
    """A peer of another authority does not get as far as an answer."""
    stranger = DevelopmentCa(tmp_path).issue("operator")
    ours = world.installation.certificate("portal")
    credentials = grpc.ssl_channel_credentials(
        ours.ca_file.read_bytes(), stranger.key_file.read_bytes(), stranger.cert_file.read_bytes()
    )
    options = [("grpc.default_authority", "enrollment")]
    target = world.installation.targets.enrollment
    async with grpc.aio.secure_channel(target, credentials, options) as channel:
        method = "/zikao.enrollment.v1.EnrollmentService/GetTimetable"
        request = enrollment.GetTimetableRequest(session_code=SESSION.code)
        call = channel.unary_unary(
            method, request_serializer=type(request).SerializeToString, response_deserializer=bytes
        )
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(request, timeout=5)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert reason_of(refused.value) is None
