"""Prove a password (DOMAIN section 3, Account).

The attempt is counted, and that committed, before the password is looked at: guesses in
parallel are not free, and neither a restart nor another process forgets them. No connection
is held while the password is hashed.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime

from zikao_kit.errors import DomainError
from zikao_kit.tokens import Actor

from zikao_registration.account_store import Account, AccountStore
from zikao_registration.domain.logins import LoginLimit
from zikao_registration.password_hashing import PasswordHashing
from zikao_registration.store import Store

OpenAccounts = Callable[[], AbstractAsyncContextManager[tuple[AccountStore, Store]]]


async def log_in(
    open_accounts: OpenAccounts,
    hashing: PasswordHashing,
    limit: LoginLimit,
    login_name: str,
    password: str,
    *,
    caller: str,
    now: datetime,
) -> Account:
    """The account whose password it is.

    Raises DomainError LOGIN_FAILED, LOGIN_LOCKED with the time to come again, OVERLOADED:
    then the attempt does not count. Takes the same time whether or not the account exists.
    """
    async with open_accounts() as (accounts, _):
        await _count_attempt(accounts, limit, login_name, caller, now)
        account = await accounts.find_account(login_name)
    stored = account.password_hash if account else None
    try:
        matches = await hashing.verify(stored, password)
    except DomainError:
        async with open_accounts() as (accounts, _):
            await accounts.return_attempt(login_name)
            await accounts.return_caller_attempt(caller)
        raise
    if account is None or not matches:
        raise DomainError("LOGIN_FAILED")
    async with open_accounts() as (accounts, store):
        await accounts.forget_attempts(login_name)
        await accounts.return_caller_attempt(caller)
        await _audit_staff(store, account, caller, now)
    return account


async def _count_attempt(
    accounts: AccountStore, limit: LoginLimit, login_name: str, caller: str, now: datetime
) -> None:
    lapsed_at = limit.lapsed_at(now)
    attempts, first_at = await accounts.count_attempt(login_name, now, lapsed_at)
    limit.require(attempts, limit.attempts, first_at, now)
    # Last: this row is every candidate's of the portal.
    attempts, first_at = await accounts.count_caller_attempt(caller, now, lapsed_at)
    limit.require(attempts, limit.attempts_per_caller, first_at, now)


async def _audit_staff(store: Store, account: Account, caller: str, now: datetime) -> None:
    if account.role != "candidate":
        actor = Actor(str(account.account_id), account.role, account.scope, caller)
        await store.audit(actor, "log_in", now, after={"caller": caller})
