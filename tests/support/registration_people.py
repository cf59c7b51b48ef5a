"""What candidates, officers and the operator do, one function an act."""

import io
from functools import cache
from typing import Any

from PIL import Image
from support.one_time_codes import CodeGenerator
from support.registration_server import (
    CLOSES,
    MATERIAL_CLOSES,
    OPENS,
    REVIEW_CLOSES,
    RegistrationServer,
)
from support.service import Caller, new_id
from zikao.options.v1 import options_pb2
from zikao.registration.v1 import account_service_pb2 as accounts
from zikao.registration.v1 import login_service_pb2 as logins
from zikao.registration.v1 import registration_service_pb2 as registration
from zikao.registration.v1 import review_service_pb2 as review
from zikao.registration.v1 import session_service_pb2 as session
from zikao.registration.v1 import staff_service_pb2 as staff
from zikao.registration.v1 import types_pb2 as types
from zikao_kit.convert import time_to_pb
from zikao_registration.domain.documents import check_character
from zikao_sandbox.portraits import portrait_jpeg

PASSWORD = "correct horse battery"
STAFF_PASSWORD = "a much longer password"
NAME, MOBILE = "阿依古丽·买买提", "13812345678"
JINJIANG, WUHOU = "510104", "510107"
SESSION_CODE = "22.1"
COUNTY_OFFICER = options_pb2.ROLE_COUNTY_OFFICER


def document_number(number: int) -> str:
    """The valid resident id of a man born on 1991-12-31, another for every number below 500."""
    first = f"51010419911231{number * 2 + 1:03}"
    return first + check_character(first)


@cache
def photo(seed: int = 1) -> bytes:
    """A passport photo."""
    return portrait_jpeg(seed, "男")


@cache
def material() -> bytes:
    """Front and back of a document, as a picture."""
    buffer = io.BytesIO()
    Image.effect_noise((800, 1000), 40).convert("RGB").save(buffer, "JPEG")
    return buffer.getvalue()


def session_part(**changes: Any) -> session.RegistrationSession:
    """The session of these tests."""
    fields: dict[str, Any] = {
        "code": SESSION_CODE,
        "name": "2022年4月高等教育自学考试",
        "registration_opens_at": time_to_pb(OPENS),
        "registration_closes_at": time_to_pb(CLOSES),
        "material_closes_at": time_to_pb(MATERIAL_CLOSES),
        "review_closes_at": time_to_pb(REVIEW_CLOSES),
        "ticket_number_format": "{city:2}{county:2}{session:3}{serial:5}",
        "ticket_number_session": "221",
        "counties": [
            session.RegistrationCounty(code=JINJIANG, name="锦江区"),
            session.RegistrationCounty(code=WUHOU, name="武侯区"),
        ],
    }
    return session.RegistrationSession(**fields | changes)


def personal_data(**changes: Any) -> types.PersonalData:
    """What fits `document_number`."""
    fields: dict[str, Any] = {
        "name": NAME,
        "sex": types.SEX_MALE,
        "ethnicity_code": "05",
        "birth_date": "1991-12-31",
        "county_code": JINJIANG,
        "track": types.TRACK_SOCIAL,
        "major_code": "W020119",
        "mobile": MOBILE,
    }
    return types.PersonalData(**fields | changes)


def account_request(number: int = 1, **changes: Any) -> accounts.CreateAccountRequest:
    """A new candidate's account."""
    fields: dict[str, Any] = {
        "request_id": new_id(),
        "session_code": SESSION_CODE,
        "document_type": types.DOCUMENT_TYPE_RESIDENT_ID,
        "document_number": document_number(number),
        "password": PASSWORD,
    }
    return accounts.CreateAccountRequest(**fields | changes)


def staff_request(
    login_name: str, role: Any, scope: str, **changes: Any
) -> staff.CreateStaffAccountRequest:
    """A new staff account, whose password need not be changed."""
    fields: dict[str, Any] = {
        "request_id": new_id(),
        "login_name": login_name,
        "password": STAFF_PASSWORD,
        "role": role,
        "scope": scope,
        "keep_password": True,
    }
    return staff.CreateStaffAccountRequest(**fields | changes)


def photo_request(jpeg: bytes) -> registration.UploadPhotoRequest:
    """A photo."""
    return registration.UploadPhotoRequest(request_id=new_id(), jpeg=jpeg)


def material_request(jpeg: bytes) -> registration.UploadIdentityMaterialRequest:
    """Identity material."""
    return registration.UploadIdentityMaterialRequest(request_id=new_id(), jpeg=jpeg)


def update_request(personal: types.PersonalData) -> registration.UpdateRegistrationRequest:
    """New personal data."""
    return registration.UpdateRegistrationRequest(request_id=new_id(), personal=personal)


def submit_request() -> registration.SubmitRegistrationRequest:
    """Hand in."""
    return registration.SubmitRegistrationRequest(request_id=new_id())


def lease_request(code: str = JINJIANG, count: int = 10) -> review.LeaseRegistrationsRequest:
    """Take work."""
    return review.LeaseRegistrationsRequest(request_id=new_id(), county_code=code, max_count=count)


def approval(candidate_id: str) -> review.DecideRegistrationRequest:
    """Approve."""
    return review.DecideRegistrationRequest(
        request_id=new_id(), candidate_id=candidate_id, approve=True
    )


def rejection(candidate_id: str, comment: str = "") -> review.DecideRegistrationRequest:
    """Reject for the photo and something else."""
    reasons = [types.REJECTION_REASON_PHOTO, types.REJECTION_REASON_OTHER]
    return review.DecideRegistrationRequest(
        request_id=new_id(), candidate_id=candidate_id, reasons=reasons, comment=comment
    )


async def apply_session(server: RegistrationServer, **changes: Any) -> list[str]:
    """Apply the session as the operator; return what changed."""
    operator = await server.caller("operator")
    request = session.ApplySessionRequest(request_id=new_id(), session=session_part(**changes))
    return list((await operator.call(request)).changes)


async def log_in(server: RegistrationServer, login_name: str, password: str = PASSWORD) -> Caller:
    """A portal with somebody's token; a second factor that the tests know of is used."""
    portal = await server.caller("portal")
    tokens = await log_in_through(portal, login_name, password, server.next_code(login_name))
    return portal.with_token(tokens.access_token)


async def log_in_through(
    portal: Caller, login_name: str, password: str = PASSWORD, code: str = ""
) -> types.LoginTokens:
    """A login's first tokens."""
    answer: accounts.LogInResponse = await portal.call(
        accounts.LogInRequest(login_name=login_name, password=password, one_time_code=code)
    )
    return answer.tokens


async def set_up_second_factor(
    server: RegistrationServer, officer: Caller, login_name: str
) -> types.LoginTokens:
    """Do what is asked of staff at their first login; the tokens are good for everything."""
    begun = await officer.call(logins.BeginSecondFactorRequest(request_id=new_id()))
    server.second_factors[login_name] = CodeGenerator(begun.secret)
    code = server.next_code(login_name)
    confirm = logins.ConfirmSecondFactorRequest(request_id=new_id(), one_time_code=code)
    answer: logins.ConfirmSecondFactorResponse = await officer.call(confirm)
    return answer.tokens


async def new_candidate(server: RegistrationServer, number: int = 1) -> Caller:
    """A candidate with a draft, logged in."""
    await (await server.caller("portal")).call(account_request(number))
    return await log_in(server, document_number(number))


async def new_officer(
    server: RegistrationServer, scope: str = JINJIANG, role: Any = COUNTY_OFFICER, name: str = ""
) -> Caller:
    """An officer with a second factor, logged in; named after the scope where no name is given."""
    login_name = name or f"officer-{scope}"
    operator = await server.caller("operator")
    await operator.call(staff_request(login_name, role, scope))
    officer = await log_in(server, login_name, STAFF_PASSWORD)
    tokens = await set_up_second_factor(server, officer, login_name)
    return officer.with_token(tokens.access_token)


async def complete(candidate: Caller, **changes: Any) -> None:
    """Fill in everything."""
    await candidate.call(update_request(personal_data(**changes)))
    await candidate.call(photo_request(photo()))
    await candidate.call(material_request(material()))


async def pending_candidate(
    server: RegistrationServer, number: int = 1, **changes: Any
) -> tuple[Caller, str]:
    """A candidate whose registration waits for review, and the candidate's id."""
    candidate = await new_candidate(server, number)
    await complete(candidate, **changes)
    answer = await candidate.call(submit_request())
    return candidate, answer.registration.candidate_id
