"""Between the contracts of accounts and the domain; no rules."""

from zikao.options.v1 import options_pb2
from zikao.registration.v1 import login_service_pb2, staff_service_pb2, types_pb2
from zikao_kit.convert import enum_to_pb, optional, time_to_pb
from zikao_kit.tokens import AccessToken

from zikao_registration.domain.accounts import Account
from zikao_registration.domain.open_logins import Login, StartedLogin


def login_tokens_to_pb(started: StartedLogin, access: AccessToken) -> types_pb2.LoginTokens:
    """What somebody who has logged in goes on with."""
    return types_pb2.LoginTokens(
        access_token=access.token,
        expires_at=time_to_pb(access.expires_at),
        subject=str(started.account.account_id),
        refresh_token=str(started.refresh_token),
        refresh_expires_at=time_to_pb(started.login.expires_at),
        must_change_password=started.account.needs_password,
        must_set_up_second_factor=started.needs_second_factor,
    )


def login_to_pb(login: Login, this_one: str) -> login_service_pb2.OpenLogin:
    """A login as its owner sees it; `this_one` is the id of the one that asks."""
    return login_service_pb2.OpenLogin(
        login_id=str(login.login_id),
        caller=login.caller,
        begun_at=time_to_pb(login.created_at),
        used_at=time_to_pb(login.used_at),
        expires_at=time_to_pb(login.expires_at),
        is_this=str(login.login_id) == this_one,
    )


def staff_account_to_pb(account: Account) -> staff_service_pb2.StaffAccount:
    """An officer's or auditor's account."""
    return staff_service_pb2.StaffAccount(
        staff_id=str(account.account_id),
        login_name=account.login_name,
        role=enum_to_pb(options_pb2.Role, "ROLE_", account.role),
        scope=account.scope,
        created_at=optional(account.created_at, time_to_pb),
        disabled_at=optional(account.disabled_at, time_to_pb),
        has_second_factor=account.has_second_factor,
        must_change_password=account.must_change_password,
    )
