"""Prove a password, of staff also a second factor, and begin a login (DOMAIN sections 3 and 7)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from zikao_kit.errors import NOT_FOUND, DomainError
from zikao_kit.tokens import Actor

from zikao_registration.commands.check_password import OpenAccounts, check_password
from zikao_registration.commands.count_attempts import Attempt, Verdict
from zikao_registration.commands.start_login import start_login
from zikao_registration.domain.accounts import Account
from zikao_registration.domain.logins import Tried
from zikao_registration.domain.open_logins import LoginRules, StartedLogin
from zikao_registration.password_hashing import PasswordHashing
from zikao_registration.stores.accounts import AccountStore
from zikao_registration.stores.registrations import Store


@dataclass(frozen=True)
class Credentials:
    """What somebody shows: a login name in any spelling, a password, perhaps a code."""

    login_name: str
    password: str = field(repr=False)
    one_time_code: str = field(default="", repr=False)


async def log_in(
    open_accounts: OpenAccounts,
    hashing: PasswordHashing,
    rules: LoginRules,
    credentials: Credentials,
    *,
    caller: str,
    now: datetime,
) -> StartedLogin:
    """A login of the account whose password it is.

    Raises DomainError LOGIN_FAILED, LOGIN_LOCKED with the time to come again, OVERLOADED; to
    who knows the password also SECOND_FACTOR_REQUIRED, ONE_TIME_CODE_WRONG, ACCOUNT_DISABLED,
    RECORD_INCOMPLETE.
    """
    attempt = Attempt(rules.limit, Tried.LOGIN, credentials.login_name, caller, now)

    async def find(accounts: AccountStore) -> Account | None:
        return await accounts.find_account(credentials.login_name, now.date())

    account, is_right = await check_password(
        open_accounts, hashing, attempt, find, credentials.password
    )
    proof = _Proof(rules, attempt, account if is_right else None, credentials.one_time_code)
    # Shielded: who gives up takes no verdict along.
    outcome = await asyncio.shield(proof.settle(open_accounts))
    if isinstance(outcome, DomainError):
        raise outcome
    return outcome


@dataclass(frozen=True)
class _Proof:
    """An attempt whose password was looked at: right if it has an account."""

    rules: LoginRules
    attempt: Attempt
    account: Account | None
    code: str

    async def settle(self, open_accounts: OpenAccounts) -> StartedLogin | DomainError:
        """Judge it and begin the login, in one transaction; return what is refused, not raise it.

        A refusal that was raised would undo what it counts.
        """
        async with open_accounts() as (accounts, store):
            outcome = await self._outcome(accounts, store)
            if isinstance(outcome, StartedLogin) and outcome.account.is_staff:
                await self._audit(store, outcome.account)
            # Last: other logins of the caller wait for this row.
            await self.attempt.judge(accounts, _verdict_on(outcome))
        return outcome

    async def _outcome(self, accounts: AccountStore, store: Store) -> StartedLogin | DomainError:
        account = await self._locked(accounts)
        if account is None:
            return DomainError("LOGIN_FAILED")
        if account.disabled_at is not None:
            return DomainError("ACCOUNT_DISABLED")
        if await store.lacks_photo(account.account_id):
            return DomainError("RECORD_INCOMPLETE")
        refused = await _use_second_factor(accounts, account, self.code, self.attempt.now)
        if refused:
            return DomainError(refused)
        caller, now = self.attempt.caller, self.attempt.now
        try:
            return await start_login(accounts, account, self.rules, caller=caller, now=now)
        except DomainError as error:
            return error

    async def _locked(self, accounts: AccountStore) -> Account | None:
        """The account; None where the password is another by now, or the account is erased."""
        if self.account is None:
            return None
        try:
            account = await accounts.get_account(self.account.account_id, for_update=True)
        except DomainError as error:
            if error.reason != NOT_FOUND:
                raise
            return None
        return account if account.password_hash == self.account.password_hash else None

    async def _audit(self, store: Store, account: Account) -> None:
        caller = self.attempt.caller
        actor = Actor(str(account.account_id), account.role, account.scope, caller)
        await store.audit(actor, "log_in", self.attempt.now, after={"caller": caller})


async def _use_second_factor(
    accounts: AccountStore, account: Account, code: str, now: datetime
) -> str | None:
    """Use the code up; return the reason of a refusal."""
    factor = account.second_factor
    if factor is None or not factor.is_confirmed:
        return None
    if not code:
        return "SECOND_FACTOR_REQUIRED"
    taken = factor.taken(code, now)
    if taken is None:
        return "ONE_TIME_CODE_WRONG"
    await accounts.set_second_factor(account.account_id, taken)
    return None


def _verdict_on(outcome: StartedLogin | DomainError) -> Verdict:
    if isinstance(outcome, StartedLogin):
        return Verdict.RIGHT
    wrong = outcome.reason in ("LOGIN_FAILED", "ONE_TIME_CODE_WRONG")
    return Verdict.WRONG if wrong else Verdict.HALF
