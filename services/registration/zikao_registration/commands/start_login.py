"""Begin a login for somebody who has proved who they are."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid4

from zikao_registration.domain.accounts import Account
from zikao_registration.domain.open_logins import (
    MAX_OPEN_LOGINS,
    NEW_LOGINS_WINDOW,
    Login,
    LoginRules,
    RefreshToken,
    StartedLogin,
    require_new_login,
)
from zikao_registration.stores.accounts import AccountStore


async def start_login(
    accounts: AccountStore, account: Account, rules: LoginRules, *, caller: str, now: datetime
) -> StartedLogin:
    """A new login through `caller` (the name in its certificate).

    The account's row is locked, and `account` is what is in it: whoever changes a password,
    disables the account or revokes its logins comes before or after, never between. Raises
    LOGIN_LOCKED, before anything is written, for an account that begins one after the other.
    """
    begun, first_at = await accounts.logins.count_begun(account.account_id, now - NEW_LOGINS_WINDOW)
    require_new_login(begun, first_at, now)
    token = _first_token(uuid4())
    login = Login(
        login_id=token.login_id,
        account_id=account.account_id,
        caller=caller,
        restricted=rules.is_restricted(account),
        family_sha256=token.family_sha256,
        refresh_sha256=token.sha256,
        created_at=now,
        used_at=now,
        expires_at=now + rules.lifetime(account),
    )
    await accounts.logins.insert(login)
    await accounts.logins.revoke_surplus(account.account_id, now, MAX_OPEN_LOGINS)
    return StartedLogin(account, login, token, rules.needs_second_factor(account))


async def go_on_with(
    accounts: AccountStore,
    account: Account,
    rules: LoginRules,
    login: Login,
    *,
    used_up: RefreshToken | None = None,
    restricted: bool,
    now: datetime,
) -> StartedLogin:
    """The same login with a new refresh token, its row is locked.

    It follows the one that is used up; without one it begins a family, and what there was before
    is none of the login's any more.
    """
    token = _next_token(used_up) if used_up else _first_token(login.login_id)
    login = replace(
        login,
        family_sha256=token.family_sha256,
        refresh_sha256=token.sha256,
        restricted=restricted,
        used_at=now,
    )
    await accounts.logins.rotate(login)
    return StartedLogin(account, login, token, rules.needs_second_factor(account))


def _first_token(login_id: UUID) -> RefreshToken:
    return RefreshToken(login_id, secrets.token_urlsafe(16), secrets.token_urlsafe(32))


def _next_token(used_up: RefreshToken) -> RefreshToken:
    return replace(used_up, secret=secrets.token_urlsafe(32))
