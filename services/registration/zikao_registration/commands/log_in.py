"""Prove a password (DOMAIN section 3, Account).

The attempt is counted, and that committed, before the password is looked at: guesses in
parallel are not free, and neither a restart nor another process forgets them. No connection
is held while the password is hashed. The caller's count, which many share, is read before and
written once, when the attempt has been judged.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime

from zikao_kit.errors import DomainError
from zikao_kit.tokens import Actor

from zikao_registration.account_store import Account, AccountStore
from zikao_registration.domain.logins import LoginLimit, Tried
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

    Raises DomainError LOGIN_FAILED, LOGIN_LOCKED with the time to come again, OVERLOADED. An
    attempt that ends without a verdict (overloaded, cancelled) does not count. Takes the same
    time whether or not the account exists.
    """
    attempt = _Attempt(limit, login_name, caller, now)
    async with open_accounts() as (accounts, _):
        account = await attempt.count(accounts)
    is_right: bool | None = None
    try:
        is_right = await hashing.verify(account.password_hash if account else None, password)
    finally:
        # Shielded: who gives up takes no verdict along, and leaves no attempt behind.
        await asyncio.shield(_settle(open_accounts, attempt, account, is_right))
    if account is None or not is_right:
        raise DomainError("LOGIN_FAILED")
    return account


@dataclass(frozen=True)
class _Attempt:
    """Somebody tries a login name through a caller."""

    limit: LoginLimit
    login_name: str
    caller: str
    now: datetime

    async def count(self, accounts: AccountStore) -> Account | None:
        """Count it for the name, and find whose name it is; raises LOGIN_LOCKED."""
        lapsed_at = self.limit.lapsed_at(self.now)
        attempts, first_at = await accounts.count_attempt(self.login_name, self.now, lapsed_at)
        self.limit.require_name(attempts, first_at, self.now)
        counted = await accounts.sum_caller_attempts(Tried.LOGIN, self.caller, lapsed_at)
        self.limit.require_caller(counted, self.now)
        return await accounts.find_account(self.login_name)

    async def judge(self, accounts: AccountStore, *, is_right: bool) -> None:
        """Count it for the caller; a right one clears the name."""
        if is_right:
            await accounts.forget_attempts(self.login_name)
        await accounts.count_caller_attempt(
            Tried.LOGIN,
            self.caller,
            self.login_name,
            failed=not is_right,
            now=self.now,
            lapsed_at=self.limit.lapsed_at(self.now),
        )


async def _settle(
    open_accounts: OpenAccounts, attempt: _Attempt, account: Account | None, is_right: bool | None
) -> None:
    async with open_accounts() as (accounts, store):
        if is_right is None:
            await accounts.return_attempt(attempt.login_name)
            return
        if account and is_right:
            await _audit_staff(store, account, attempt)
        # Last: other logins of the caller wait for this row.
        await attempt.judge(accounts, is_right=is_right)


async def _audit_staff(store: Store, account: Account, attempt: _Attempt) -> None:
    if account.role != "candidate":
        actor = Actor(str(account.account_id), account.role, account.scope, attempt.caller)
        await store.audit(actor, "log_in", attempt.now, after={"caller": attempt.caller})
