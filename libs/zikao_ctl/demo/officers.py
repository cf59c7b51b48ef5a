"""Officers as they come to work: an account of the operator's, an own password, a second factor."""

from __future__ import annotations

import pyotp
from zikao.options.v1 import options_pb2
from zikao.registration.v1 import account_service_pb2 as accounts
from zikao.registration.v1 import login_service_pb2 as logins
from zikao.registration.v1 import staff_service_pb2 as staff
from zikao.registration.v1 import types_pb2 as types
from zikao_client import bearer, new_request_id, patiently

from zikao_ctl.demo.stage import Officer, Stage

Metadata = tuple[tuple[str, str], ...]


async def hire_officer(stage: Stage, county_code: str) -> None:
    """The operator makes an account; its owner does what is asked at the first login."""
    name, given = f"officer-{county_code}", f"from-the-operator-{county_code}"
    request = staff.CreateStaffAccountRequest(
        request_id=new_request_id(),
        login_name=name,
        password=given,
        role=options_pb2.ROLE_COUNTY_OFFICER,
        scope=county_code,
    )
    await patiently(lambda: stage.staff.CreateStaffAccount(request))
    tokens = (await stage.log_in_as(name, given)).tokens
    password = f"rehearsal-office-{county_code}"
    tokens = await _choose_password(stage, tokens, given, password)
    authenticator, tokens = await _set_up_second_factor(stage, tokens)
    stage.officers[county_code] = Officer(name, password, authenticator, tokens)


async def officer_metadata(stage: Stage, county_code: str) -> Metadata:
    """Of a call in the name of the county's officer, who logs in when the last token has ended."""
    officer = stage.officers[county_code]
    if not officer.has_token_at(stage.now()):
        officer.tokens = (await patiently(lambda: _log_in(stage, officer))).tokens
    return bearer(officer.tokens.access_token)


async def _log_in(stage: Stage, officer: Officer) -> accounts.LogInResponse:
    """Each attempt with the code of its moment."""
    return await stage.zikao.accounts.LogIn(
        accounts.LogInRequest(
            login_name=officer.login_name,
            password=officer.password,
            one_time_code=officer.authenticator.at(stage.now()),
        )
    )


async def _choose_password(
    stage: Stage, tokens: types.LoginTokens, given: str, chosen: str
) -> types.LoginTokens:
    request = logins.ChangePasswordRequest(
        request_id=new_request_id(), old_password=given, new_password=chosen
    )
    metadata = bearer(tokens.access_token)
    answer = await patiently(lambda: stage.zikao.logins.ChangePassword(request, metadata=metadata))
    return answer.tokens


async def _set_up_second_factor(
    stage: Stage, tokens: types.LoginTokens
) -> tuple[pyotp.TOTP, types.LoginTokens]:
    metadata = bearer(tokens.access_token)
    begin = logins.BeginSecondFactorRequest(request_id=new_request_id())
    begun = await patiently(lambda: stage.zikao.logins.BeginSecondFactor(begin, metadata=metadata))
    authenticator = pyotp.TOTP(begun.secret)
    confirm = logins.ConfirmSecondFactorRequest(
        request_id=new_request_id(), one_time_code=authenticator.at(stage.now())
    )
    answer = await patiently(
        lambda: stage.zikao.logins.ConfirmSecondFactor(confirm, metadata=metadata)
    )
    return authenticator, answer.tokens
